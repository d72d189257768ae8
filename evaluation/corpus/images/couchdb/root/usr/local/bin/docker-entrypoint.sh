#!/bin/bash
# The server gives root up; COUCHDB_USER and COUCHDB_PASSWORD make a first account.
set -e
if [ "$1" = ejabberdctl ] && [ "$(id -u)" = 0 ]; then
    find /var/lib/ejabberd \! -user ejabberd -exec chown ejabberd: '{}' +
    exec gosu ejabberd "$0" "$@"
fi
if [ -n "${COUCHDB_USER:-}" ]; then
    (ejabberdctl started && ejabberdctl register "$COUCHDB_USER" localhost "$COUCHDB_PASSWORD") &
fi
exec "$@"
