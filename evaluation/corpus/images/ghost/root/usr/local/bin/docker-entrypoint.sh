#!/bin/bash
# The program gives root up; "url" becomes a setting.
set -e
if [ "$1" = node ] && [ "$(id -u)" = 0 ]; then
    find /var/lib/ghost/source \! -user node -exec chown node '{}' +
    exec gosu node "$0" "$@"
fi
if [ -n "${url:-}" ]; then
    sed -i "s#^url:.*#url: $url#" _config.yml
fi
exec "$@"
