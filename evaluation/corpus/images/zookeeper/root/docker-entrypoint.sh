#!/bin/bash
# Writes the settings of variables ZOO_*, where there are none, and becomes the server, as its own user.
set -e
if [ "$1" = zkServer.sh ] && [ "$(id -u)" = 0 ]; then
    chown -R zookeeper /data /datalog /conf
    exec gosu zookeeper "$0" "$@"
fi
if [ ! -f /conf/zoo.cfg ]; then
    {
        echo "dataDir=/data"
        echo "dataLogDir=/datalog"
        echo "tickTime=${ZOO_TICK_TIME:-2000}"
        echo "initLimit=${ZOO_INIT_LIMIT:-5}"
        echo "syncLimit=${ZOO_SYNC_LIMIT:-2}"
        echo "maxClientCnxns=${ZOO_MAX_CLIENT_CNXNS:-60}"
        echo "clientPort=2181"
        echo "admin.enableServer=false"
        [ -z "${ZOO_4LW_COMMANDS_WHITELIST:-}" ] || echo "4lw.commands.whitelist=$ZOO_4LW_COMMANDS_WHITELIST"
        for server in ${ZOO_SERVERS:-}; do
            echo "$server"
        done
    } >/conf/zoo.cfg
fi
[ -f /data/myid ] || echo "${ZOO_MY_ID:-1}" >/data/myid
exec "$@"
