#!/bin/bash
# Options are for influxd; a first start makes the database and user that INFLUXDB_DB and INFLUXDB_ADMIN_USER name.
set -e
[ "${1:0:1}" != - ] || set -- influxd "$@"
if [ "$1" = influxd ] && [ ! -e /var/lib/influxdb/.made ] && [ -n "${INFLUXDB_DB:-}${INFLUXDB_ADMIN_USER:-}" ]; then
    INFLUXDB_HTTP_AUTH_ENABLED=false INFLUXDB_HTTP_BIND_ADDRESS=127.0.0.1:8085 influxd &
    server=$!
    for _ in $(seq 100); do
        curl -sf http://127.0.0.1:8085/ping && break
        sleep 0.1
    done
    ask() { influx -host 127.0.0.1 -port 8085 -execute "$1"; }
    [ -z "${INFLUXDB_ADMIN_USER:-}" ] ||
        ask "CREATE USER \"$INFLUXDB_ADMIN_USER\" WITH PASSWORD '$INFLUXDB_ADMIN_PASSWORD' WITH ALL PRIVILEGES"
    [ -z "${INFLUXDB_DB:-}" ] || ask "CREATE DATABASE \"$INFLUXDB_DB\""
    kill "$server"
    wait "$server" || true
    touch /var/lib/influxdb/.made
fi
exec "$@"
