#!/bin/bash
# A first start installs the application, as variables say, into a database of SQLite.
set -euo pipefail
if [ "$1" = apache2-foreground ] && [ ! -e /var/lib/mediawiki/LocalSettings.php ]; then
    su -s /bin/sh www-data -c "php /usr/share/mediawiki/maintenance/install.php --dbtype=sqlite --dbpath=/var/www/data \
        --scriptpath='' --server=http://localhost --lang=${NEXTCLOUD_LANGUAGE:-en} --confpath=/var/www/data \
        --pass='${NEXTCLOUD_ADMIN_PASSWORD:-a-long-password}' '${NEXTCLOUD_TITLE:-Wiki}' '${NEXTCLOUD_ADMIN_USER:-Admin}'"
    cp /var/www/data/LocalSettings.php /etc/mediawiki/LocalSettings.php
    printf '\n$wgJobRunRate = 0;\n' >>/etc/mediawiki/LocalSettings.php
fi
exec "$@"
