#!/bin/bash
# Copies the application to where it is served, and makes settings that read the variables WORDPRESS_*.
set -euo pipefail
if [ "$1" = apache2-foreground ] || [ "$1" = php-fpm ]; then
    user=www-data group=www-data
    if [ "$(id -u)" != 0 ]; then
        user=$(id -u) group=$(id -g)
    fi
    if [ ! -e index.php ] && [ ! -e wp-includes/version.php ]; then
        echo "copying WordPress to $PWD"
        # Debian's tree has links to the libraries of other packages.
        tar --create --dereference --directory /usr/share/wordpress --exclude=./.htaccess --exclude=./wp-config.php \
            --exclude=./wp-content/uploads --owner="$user" --group="$group" --file - . | tar --extract --file -
        cp --recursive /var/lib/wordpress/wp-content/. wp-content/ || true
        chown -R "$user:$group" wp-content
    fi
    if [ ! -s wp-config.php ] && env | grep -q '^WORDPRESS_'; then
        salt() { head -c 48 /dev/urandom | base64 -w 0; }
        awk -v "salt=$(salt)" '/put a salt here/ { sub("put a salt here", salt) } { print }' \
            /usr/src/wp-config-docker.php >wp-config.php
        chown "$user:$group" wp-config.php || true
    fi
fi
exec "$@"
