#!/bin/sh
# A subcommand of docker needs no "docker" before it; where no server is named, one on the network is.
set -eu
if [ "${1#-}" != "$1" ] || docker help "$1" >/dev/null 2>&1; then
    set -- docker "$@"
fi
if [ -z "${DOCKER_HOST:-}" ] && [ ! -S /var/run/docker.sock ]; then
    if [ -n "${DOCKER_TLS_CERTDIR:-}" ]; then
        export DOCKER_HOST=tcp://docker:2376 DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH="$DOCKER_TLS_CERTDIR/client"
    else
        export DOCKER_HOST=tcp://docker:2375
    fi
fi
exec "$@"
