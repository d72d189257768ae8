#!/bin/sh
# The server in the foreground, with the settings of /conf.
exec java ${JVMFLAGS:-} -cp "/conf:/usr/share/java/zookeeper.jar:/usr/share/zookeeper/lib/*" \
    org.apache.zookeeper.server.quorum.QuorumPeerMain /conf/zoo.cfg
