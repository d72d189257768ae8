#!/bin/bash
# "cassandra" and options start the server, which gives root up; variables name its ports and databases.
set -euo pipefail
if [ "${1:0:1}" = - ]; then
    set -- cassandra -f "$@"
fi
if [ "$1" = cassandra ] && [ "$(id -u)" = 0 ]; then
    find /var/lib/cassandra \! -user cassandra -exec chown cassandra '{}' +
    exec gosu cassandra "${BASH_SOURCE[0]}" "$@"
fi
if [ "$1" = cassandra ]; then
    shift
    [ "${1:-}" != -f ] || shift
    set -- java -Xmx"${MAX_HEAP_SIZE:-256m}" -cp "/usr/share/java/h2.jar:/usr/share/java/jts-core.jar:/usr/share/java/lucene8-core.jar" \
        org.h2.tools.Server -baseDir /var/lib/cassandra -ifNotExists -web -webPort "${CASSANDRA_WEB_PORT:-8082}" \
        -tcp -pg "$@"
fi
exec "$@"
