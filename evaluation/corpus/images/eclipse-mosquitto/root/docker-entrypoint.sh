#!/bin/sh
# The broker gives root up; its data must be its own.
set -e
if [ "$(id -u)" = 0 ] && [ -d /mosquitto ]; then
    chown -R mosquitto:mosquitto /mosquitto
fi
exec "$@"
