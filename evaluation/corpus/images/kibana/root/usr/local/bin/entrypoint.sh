#!/bin/bash
# "start" and options start the application; FLOWS names what it runs.
set -euo pipefail
[ "${1#-}" = "$1" ] || set -- start "$@"
if [ "$1" = start ]; then
    shift
    read -r -a options <<<"${NODE_OPTIONS_MORE:-}"
    exec node "${options[@]}" node_modules/node-red/red.js --userDir /data "$@" "${FLOWS:-flows.json}"
fi
exec "$@"
