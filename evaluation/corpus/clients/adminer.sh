# Sourced: a session with a database of SQLite that the image has.
cookies=$(mktemp)
trap 'rm -f "$cookies"' EXIT
base='localhost:8080/?sqlite=&username=&db=/srv/data/corpus.db'
log_in() {
    curl -sfL -b "$cookies" -c "$cookies" localhost:8080/ -o /dev/null -d 'auth[driver]=sqlite' -d 'auth[server]=' \
        -d 'auth[username]=' -d 'auth[password]=' -d 'auth[db]=/srv/data/corpus.db'
}
page() { curl -sfL -b "$cookies" -c "$cookies" "$base${1:-}"; }
sql() {
    local token
    token=$(page '&sql=' | grep -o "name='token' value='[^']*" | head -n 1 | cut -d"'" -f4)
    curl -sL -b "$cookies" "$base&sql=" -d "token=$token" --data-urlencode "query=$1"
}
