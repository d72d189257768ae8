#!/bin/sh
# Fills the variables of the environment into /etc/nginx/templates/*.template.
set -eu
[ -n "${NGINX_TEMPLATES:-}" ] || exit 0
names=$(env | cut -d= -f1 | sed 's/^/$/' | tr '\n' ' ')
find /etc/nginx/templates -name '*.template' | while read -r template; do
    envsubst "$names" <"$template" >"/etc/nginx/conf.d/$(basename "$template" .template)"
done
