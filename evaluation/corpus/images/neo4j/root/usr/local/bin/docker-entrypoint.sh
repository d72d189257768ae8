#!/bin/bash
# "neo4j" starts the server, which gives root up; variables NEO4J_… become its options.
set -euo pipefail
if [ "$1" = neo4j ]; then
    shift
    options=(hub --host 127.0.0.1 --port 4444)
    while IFS='=' read -r name value; do
        name=${name#NEO4J_}
        options+=("--$(tr 'A-Z_' 'a-z-' <<<"$name")" "$value")
    done < <(env | grep '^NEO4J_' || true)
    run=()
    [ "$(id -u)" != 0 ] || run=(gosu neo4j)
    set -- "${run[@]}" java -Xmx256m -jar /opt/selenium/server.jar "${options[@]}" "$@"
fi
exec "$@"
