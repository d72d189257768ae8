#!/bin/bash
# Options, and nothing, are for the server; JAVA_OPTS for its machine.
set -euo pipefail
if [ $# = 0 ] || [ "${1:0:1}" = - ]; then
    read -r -a options <<<"${JAVA_OPTS:-}"
    exec java "${options[@]}" -Djetty.home=/usr/share/jetty9 -Djetty.base=/var/lib/jetty9 \
        -Djava.io.tmpdir=/tmp -jar /usr/share/jetty9/start.jar --module=http,deploy,jsp,resources "$@"
fi
exec "$@"
