#!/bin/bash
# "jobmanager" and options start the server, which gives root up; FLINK_PROPERTIES are more lines of its settings.
set -euo pipefail
opens=()
for package in java.base/java.{lang,net,io,nio,text,time,util,util.concurrent,util.concurrent.atomic,util.concurrent.locks}; do
    opens+=("--add-opens=$package=ALL-UNNAMED")
done
[ "${1#-}" = "$1" ] || set -- jobmanager "$@"
if [ "$1" = jobmanager ]; then
    shift
    if [ -n "${FLINK_PROPERTIES:-}" ]; then
        printf '%s\n' "$FLINK_PROPERTIES" >>/opt/flink/conf/config.yaml
    fi
    run=()
    [ "$(id -u)" != 0 ] || run=(gosu flink)
    set -- "${run[@]}" java -Xmx512m "${opens[@]}" -Dlog4j.configurationFile=/opt/flink/conf/log4j.properties \
        -cp "/opt/flink/lib/*" org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint \
        --configDir /opt/flink/conf --executionMode cluster "$@"
fi
exec "$@"
