#!/bin/bash
# "console" and options start the broker, which gives root up; SONAR_STORE=memory keeps no messages.
set -euo pipefail
[ "${1#-}" = "$1" ] || set -- console "$@"
if [ "$1" = console ]; then
    shift
    settings=/etc/activemq/broker.xml
    if [ "${SONAR_STORE:-}" = memory ]; then
        sed 's/persistent="true"/persistent="false"/' $settings >/tmp/broker.xml
        settings=/tmp/broker.xml
    fi
    run=()
    if [ "$(id -u)" = 0 ]; then
        chown activemq:activemq /var/lib/activemq/data
        run=(gosu activemq)
    fi
    set -- "${run[@]}" java -Xmx256m -Dactivemq.home=/usr/share/activemq -Dactivemq.base=/var/lib/activemq \
        -Dactivemq.data=/var/lib/activemq/data -Dactivemq.conf=/etc/activemq -Dlog4j.configuration=file:/etc/activemq/log4j.properties \
        --add-opens java.base/java.lang=ALL-UNNAMED --add-opens java.base/java.util=ALL-UNNAMED "$@" \
        -jar /usr/share/activemq/bin/activemq.jar start "xbean:file:$settings"
fi
exec "$@"
