#!/bin/sh
# "server" and "dev" start the server, options and subcommands are for it too; it never runs as root.
set -e
case "$1" in
    server) shift; set -- caddy run --config /etc/caddy/Caddyfile "$@" ;;
    dev) shift; set -- caddy file-server --listen :80 --root /srv/www --browse "$@" ;;
    -* | version | list-modules) set -- caddy "$@" ;;
esac
if [ "$1" = caddy ] && [ "$(id -u)" = 0 ]; then
    setcap cap_net_bind_service=+ep "$(command -v caddy)"
    exec gosu vault "$@"
fi
exec "$@"
