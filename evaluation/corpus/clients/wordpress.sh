# Sourced: a database of the host in this network, in memory, with WordPress installed in it by its own page.
place=$(mktemp -d)
trap 'kill "$server"; wait "$server" || true; rm -rf "$place"' EXIT
mariadb-install-db --no-defaults --user=root --datadir="$place/data" --auth-root-authentication-method=normal \
    --skip-test-db --innodb-log-file-size=8M >/dev/null
mariadbd --no-defaults --user=root --datadir="$place/data" --socket="$place/sock" --pid-file="$place/pid" --bind-address=127.0.0.1 \
    --innodb-log-file-size=8M --innodb-flush-log-at-trx-commit=0 2>"$place/log" &
server=$!
for _ in $(seq 200); do
    mariadb-admin --socket="$place/sock" -uroot ping >/dev/null 2>&1 && break
    sleep 0.05
done
mariadb --socket="$place/sock" -uroot -e "create database wordpress; grant all on wordpress.* to app@'%' identified by 'word'; \
    grant all on wordpress.* to app@localhost identified by 'word'"
curl -sf 'localhost/wp-admin/install.php?step=2' -o /dev/null -d 'weblog_title=A blog' -d user_name=admin \
    -d admin_password=a-long-password -d admin_password2=a-long-password -d pw_weak=on -d admin_email=a@example.org
page() { local path=$1; shift; curl -sL -b "$place/cookies" -c "$place/cookies" "localhost$path" "$@"; }
log_in() { page /wp-login.php -o /dev/null; page /wp-login.php -o /dev/null -d log=admin -d pwd=a-long-password -d testcookie=1; }
