#!/bin/bash
# The broker gives root up; some variables become its settings.
set -euo pipefail
if [[ "$1" = rabbitmq* ]] && [ "$(id -u)" = 0 ]; then
    if [ "$1" = rabbitmq-server ]; then
        find /var/lib/rabbitmq \! -user rabbitmq -exec chown rabbitmq '{}' +
    fi
    exec gosu rabbitmq "${BASH_SOURCE[0]}" "$@"
fi
settings=/etc/rabbitmq/conf.d/10-variables.conf
write() {
    mkdir -p "$(dirname "$settings")"
    printf '%s = %s\n' "$1" "$2" >>"$settings"
}
if [ "$1" = rabbitmq-server ]; then
    rm -f "$settings"
    write loopback_users none
    [ -z "${RABBITMQ_DEFAULT_USER:-}" ] || write default_user "$RABBITMQ_DEFAULT_USER"
    [ -z "${RABBITMQ_DEFAULT_PASS:-}" ] || write default_pass "$RABBITMQ_DEFAULT_PASS"
    [ -z "${RABBITMQ_DEFAULT_VHOST:-}" ] || write default_vhost "$RABBITMQ_DEFAULT_VHOST"
    if [ -n "${RABBITMQ_ERLANG_COOKIE:-}" ]; then
        rm -f "$HOME/.erlang.cookie"
        printf '%s' "$RABBITMQ_ERLANG_COOKIE" >"$HOME/.erlang.cookie"
        chmod 600 "$HOME/.erlang.cookie"
    fi
    # Debian's wrapper wants to be root; the program behind it does not.
    set -- /usr/lib/rabbitmq/bin/rabbitmq-server "${@:2}"
fi
exec "$@"
