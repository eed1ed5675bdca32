#!/bin/sh
# Writes into .env, once, what docker-compose.yml needs: a password for PostgreSQL, and whose files data/ and notebooks/ hold.
set -eu
cd "$(dirname "$0")/.."
umask 077
touch .env
chmod 600 .env
add() {
    if ! grep -q "^$1=" .env; then
        # A last line without an end would swallow what comes after it.
        if [ -n "$(tail -c 1 .env)" ]; then echo >> .env; fi
        printf '%s=%s\n' "$1" "$2" >> .env
    fi
}
add COMPOSE_POSTGRES_PASSWORD "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
add COMPOSE_UID "$(id -u)"
add COMPOSE_GID "$(id -g)"
