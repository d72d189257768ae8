#!/usr/local/bin/bash
# Options, and whatever is no command, are for bash.
set -e
if [ $# = 0 ] || [ "${1#-}" != "$1" ] || ! command -v "$1" >/dev/null; then
    set -- bash "$@"
fi
exec "$@"
