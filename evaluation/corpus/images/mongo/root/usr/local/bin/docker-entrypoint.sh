#!/bin/bash
# Options are for the server, which gives root up; CLICKHOUSE_DB and the scripts of a directory are for a first start.
set -e
[ "${1:0:1}" != - ] || set -- clickhouse-server "$@"
if [ "$1" = clickhouse-server ]; then
    shift
    data=/var/lib/clickhouse
    run=()
    if [ "$(id -u)" = 0 ]; then
        mkdir -p $data /var/log/clickhouse-server
        chown clickhouse:clickhouse $data /var/log/clickhouse-server
        run=(gosu clickhouse)
    fi
    server=("${run[@]}" clickhouse-server --config-file=/etc/clickhouse-server/config.xml)
    if [ -n "${CLICKHOUSE_DB:-}" ] && [ ! -e $data/.made ]; then
        "${server[@]}" -- --listen_host=127.0.0.1 &
        for _ in $(seq 200); do
            clickhouse-client --query 'select 1' 2>/dev/null && break
            sleep 0.1
        done
        clickhouse-client --query "CREATE DATABASE IF NOT EXISTS \`$CLICKHOUSE_DB\`"
        for script in /docker-entrypoint-initdb.d/*.sql; do
            [ ! -e "$script" ] || clickhouse-client --multiquery <"$script"
        done
        kill %1
        wait %1 || true
        touch $data/.made
    fi
    exec "${server[@]}" "$@" -- --listen_host=0.0.0.0
fi
exec "$@"
