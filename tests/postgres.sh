#!/bin/sh
# Starts a PostgreSQL of its own on a free port, in a directory that is removed afterwards, and runs the given
# command with GMTECH_TEST_POSTGRES_URL naming it:
#
#     tests/postgres.sh cargo test -p gmtech-service
#
# Needs Debian's `postgresql` (initdb and postgres, in PATH or under /usr/lib/postgresql). As root the server runs as
# the `postgres` user, since it refuses root.
set -eu

bin=$(dirname "$(readlink -f "$(command -v initdb || ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | tail -n 1)")")
if [ ! -x "$bin/initdb" ]; then
    echo "postgres.sh: no initdb here; install it with: apt-get install postgresql" >&2
    exit 1
fi

dir=$(mktemp -d "${TMPDIR:-/tmp}/gmtech-postgres.XXXXXX")
run=""
if [ "$(id -u)" = 0 ]; then
    chown postgres "$dir"
    run="setpriv --reuid=postgres --regid=postgres --clear-groups"
fi
cd "$dir"
$run "$bin/initdb" -D "$dir/data" -U gmtech -A trust -E UTF8 --locale=C -N >"$dir/initdb.log" 2>&1

# A free port, as the kernel gives it. Another process may take it in between, so try again.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

server=""
stop() {
    if [ -n "$server" ]; then
        kill -INT "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT TERM

ready=""
for _ in 1 2 3; do
    port=$(free_port)
    $run "$bin/postgres" -D "$dir/data" -p "$port" -c listen_addresses=127.0.0.1 \
        -c unix_socket_directories= -c max_connections=200 >"$dir/postgres.log" 2>&1 &
    server=$!
    tries=0
    while [ $tries -lt 100 ] && kill -0 "$server" 2>/dev/null; do
        if "$bin/pg_isready" -q -h 127.0.0.1 -p "$port" -U gmtech; then
            ready=yes
            break 2
        fi
        tries=$((tries + 1))
        sleep 0.1
    done
done
if [ -z "$ready" ]; then
    cat "$dir/postgres.log" >&2
    exit 1
fi

cd "$OLDPWD"
GMTECH_TEST_POSTGRES_URL="postgres://gmtech@127.0.0.1:$port/postgres" "$@"
