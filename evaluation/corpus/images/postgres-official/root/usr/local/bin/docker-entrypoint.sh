#!/bin/bash
# Makes a cluster where there is none, as the variables POSTGRES_* say, and becomes the server, as its own user.
set -euo pipefail

# file_env NAME [DEFAULT]: the variable, or the content of the file that NAME_FILE names.
file_env() {
    local file="${1}_FILE"
    if [ -n "${!file:-}" ]; then
        export "$1=$(<"${!file}")"
    else
        export "$1=${!1:-${2:-}}"
    fi
}

need_password() {
    [ -n "$POSTGRES_PASSWORD" ] || [ "${POSTGRES_HOST_AUTH_METHOD:-}" = trust ] || {
        echo "POSTGRES_PASSWORD is missing, and POSTGRES_HOST_AUTH_METHOD is not trust" >&2
        exit 1
    }
}

make_cluster() {
    local words="${POSTGRES_INITDB_ARGS:-}"
    [ -z "${POSTGRES_INITDB_WALDIR:-}" ] || words+=' --waldir="$POSTGRES_INITDB_WALDIR"'
    # The password's descriptor lives as long as this one command.
    [ -z "$POSTGRES_PASSWORD" ] || words+=' --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD")'
    eval "initdb --username=\"\$POSTGRES_USER\" $words"
    printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
    sed -i "s/^#listen_addresses.*/listen_addresses = '*'/" "$PGDATA/postgresql.conf"
}

sql() {
    PGPASSWORD="$POSTGRES_PASSWORD" psql --no-psqlrc --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" "$@"
}

make_database() {
    [ "$POSTGRES_DB" = postgres ] || sql --dbname=postgres --set=db="$POSTGRES_DB" <<<'create database :"db";'
}

run_scripts() {
    local script
    for script in /docker-entrypoint-initdb.d/*; do
        case "$script" in
            *.sh) if [ -x "$script" ]; then "$script"; else . "$script"; fi ;;
            *.sql) sql --dbname="$POSTGRES_DB" --file="$script" ;;
            *.sql.gz) gunzip -c "$script" | sql --dbname="$POSTGRES_DB" ;;
            *.sql.xz) xz -dc "$script" | sql --dbname="$POSTGRES_DB" ;;
            *.sql.zst) zstd -dc "$script" | sql --dbname="$POSTGRES_DB" ;;
            *) echo "ignoring $script" ;;
        esac
    done
}

first_start() {
    need_password
    make_cluster
    pg_ctl --pgdata="$PGDATA" --options="-c listen_addresses='' -p 5432" --wait start
    make_database
    run_scripts
    pg_ctl --pgdata="$PGDATA" --mode=fast --wait stop
}

[ "${1#-}" = "$1" ] || set -- postgres "$@"
if [ "$1" = postgres ]; then
    if [ "$(id -u)" = 0 ]; then
        mkdir -p "$PGDATA"
        chmod 700 "$PGDATA"
        find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
        exec gosu postgres "$BASH_SOURCE" "$@"
    fi
    file_env POSTGRES_PASSWORD
    file_env POSTGRES_USER postgres
    file_env POSTGRES_DB "$POSTGRES_USER"
    [ -s "$PGDATA/PG_VERSION" ] || first_start
fi
exec "$@"
