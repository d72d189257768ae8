#!/bin/sh
# The design that ADMINER_DESIGN names becomes the page's.
set -e
if [ -n "${ADMINER_DESIGN:-}" ]; then
    cat "/usr/share/designs/$ADMINER_DESIGN.css" >/tmp/adminer.css
fi
exec "$@"
