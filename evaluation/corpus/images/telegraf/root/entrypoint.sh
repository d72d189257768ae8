#!/bin/bash
# Options are for the program, which gives root up.
set -e
if [ "$1" = telegraf ] || [ "${1:0:1}" = - ]; then
    [ "$1" != telegraf ] || shift
    set -- prometheus-node-exporter --collector.textfile.directory=/var/lib/metrics "$@"
    if [ $EUID = 0 ]; then
        exec setpriv --reuid prometheus --regid prometheus --init-groups "$@"
    fi
fi
exec "$@"
