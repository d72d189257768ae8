#!/bin/sh
# "agent" and options start the server, which gives root up; CONSUL_CLIENT_INTERFACE names where it listens.
set -e
address=0.0.0.0
if [ -n "${CONSUL_CLIENT_INTERFACE:-}" ]; then
    address=$(sed -n "s/^.*$CONSUL_CLIENT_INTERFACE:.*/127.0.0.1/p" /proc/net/dev)
    [ -n "$address" ] || { echo "there is no interface $CONSUL_CLIENT_INTERFACE" >&2; exit 1; }
fi
[ "${1#-}" = "$1" ] || set -- agent "$@"
if [ "$1" = agent ]; then
    shift
    [ "${1:-}" != -dev ] || shift
    set -- etcd --data-dir=/consul/data --listen-client-urls="http://$address:2379" \
        --advertise-client-urls=http://127.0.0.1:2379 "$@"
    mkdir -p /consul/data
    chmod 700 /consul/data
    [ "$(id -u)" != 0 ] || chown etcd:etcd /consul/data
    [ "$(id -u)" != 0 ] || set -- gosu etcd "$@"
fi
exec "$@"
