#!/bin/sh
# Options and settings are for redis-server, which never runs as root.
set -e
if [ "${1#-}" != "$1" ] || [ "${1%.conf}" != "$1" ]; then
    set -- redis-server "$@"
fi
if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
    find . \! -user redis -exec chown redis '{}' +
    exec gosu redis "$0" "$@"
fi
[ "$(umask)" = 0022 ] && umask 0077
if [ "$1" = redis-server ]; then
    set -- "$@" --protected-mode no --bind 0.0.0.0
fi
exec "$@"
