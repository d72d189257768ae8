#!/bin/bash
# Makes the system tables where there are none, as the variables MARIADB_* (or MYSQL_*) say, and becomes the server.
set -euo pipefail
server=mariadbd client=mariadb install=mariadb-install-db admin=mariadb-admin zones=mariadb-tzinfo-to-sql
if [ "${1:-}" = mysqld ]; then
    server=mysqld client=mysql install=mysql_install_db admin=mysqladmin zones=mysql_tzinfo_to_sql
fi
data=/var/lib/mysql socket=/run/mysqld/mysqld.sock

# setting NAME: MARIADB_NAME, or MYSQL_NAME, or the content of the file that either with _FILE names.
setting() {
    local prefix name
    for prefix in MARIADB MYSQL; do
        name="${prefix}_$1"
        if [ -n "${!name:-}" ]; then
            printf '%s' "${!name}"
            return
        fi
        name="${name}_FILE"
        if [ -n "${!name:-}" ]; then
            cat "${!name}"
            return
        fi
    done
}

quoted() { printf "'%s'" "$(sed "s/'/''/g" <<<"$1")"; }

ask() { "$client" --protocol=socket --socket="$socket" -uroot --password="${password_now:-}" "$@"; }

start_alone() {
    "$server" --skip-networking --socket="$socket" --wsrep-on=OFF "$@" &
    for _ in $(seq 300); do
        "$admin" --socket="$socket" --no-beep ping >/dev/null 2>&1 && return
        sleep 0.1
    done
    echo "the server does not start" >&2
    exit 1
}

make_users() {
    local database user
    database=$(setting DATABASE) user=$(setting USER)
    if [ -z "$(setting INITDB_SKIP_TZINFO)" ]; then
        "$zones" /usr/share/zoneinfo | ask mysql
    fi
    [ -z "$database" ] || ask -e "CREATE DATABASE IF NOT EXISTS \`$database\`"
    if [ -n "$user" ]; then
        ask -e "CREATE USER $(quoted "$user")@'%' IDENTIFIED BY $(quoted "$(setting PASSWORD)")"
        [ -z "$database" ] || ask -e "GRANT ALL ON \`$database\`.* TO $(quoted "$user")@'%'"
    fi
    ask -e "CREATE USER root@'%' IDENTIFIED BY $(quoted "$root_password");
        GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;
        ALTER USER root@localhost IDENTIFIED BY $(quoted "$root_password")"
    password_now=$root_password
}

run_scripts() {
    local script
    for script in /docker-entrypoint-initdb.d/*; do
        case "$script" in
            *.sh) . "$script" ;;
            *.sql) ask "$(setting DATABASE)" <"$script" ;;
            *.sql.gz) gunzip -c "$script" | ask "$(setting DATABASE)" ;;
            *.sql.xz) xz -dc "$script" | ask "$(setting DATABASE)" ;;
            *.sql.zst) zstd -dc "$script" | ask "$(setting DATABASE)" ;;
        esac
    done
}

first_start() {
    root_password=$(setting ROOT_PASSWORD)
    if [ -z "$root_password" ] && [ -n "$(setting RANDOM_ROOT_PASSWORD)" ]; then
        root_password=$(pwgen --numerals --capitalize --symbols --remove-chars="'\\" -1 32)
        echo "the root password is $root_password"
    elif [ -z "$root_password" ] && [ -z "$(setting ALLOW_EMPTY_ROOT_PASSWORD)" ]; then
        echo "one of MARIADB_ROOT_PASSWORD, MARIADB_ALLOW_EMPTY_ROOT_PASSWORD and MARIADB_RANDOM_ROOT_PASSWORD is missing" >&2
        exit 1
    fi
    "$install" --datadir="$data" --rpm --auth-root-authentication-method=normal --skip-test-db
    start_alone "$@"
    make_users
    run_scripts
    "$admin" --socket="$socket" -uroot --password="$password_now" shutdown
    wait
}

[ "${1#-}" = "$1" ] || set -- "$server" "$@"
if [ "$1" = mariadbd ] || [ "$1" = mysqld ]; then
    if [ "$(id -u)" = 0 ]; then
        find "$data" /run/mysqld \! -user mysql -exec chown mysql: '{}' +
        exec gosu mysql "${BASH_SOURCE[0]}" "$@"
    fi
    if [ ! -d "$data/mysql" ]; then
        first_start "${@:2}"
    elif [ -n "$(setting AUTO_UPGRADE)" ]; then
        start_alone
        mariadb-upgrade --socket="$socket"
        "$admin" --socket="$socket" shutdown
        wait
    fi
fi
exec "$@"
