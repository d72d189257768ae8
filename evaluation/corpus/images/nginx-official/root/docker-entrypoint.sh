#!/bin/sh
# Runs what lies in /docker-entrypoint.d before nginx starts.
set -e
say() { [ -n "${NGINX_ENTRYPOINT_QUIET_LOGS:-}" ] || echo "$0: $*"; }
case "$1" in
    nginx | nginx-debug)
        for script in /docker-entrypoint.d/*; do
            case "$script" in
                *.envsh) say "reading $script"; . "$script" ;;
                *.sh) say "running $script"; "$script" ;;
                *) say "ignoring $script" ;;
            esac
        done
        ;;
esac
exec "$@"
