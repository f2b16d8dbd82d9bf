#!/bin/sh
# Builds opsrun, creates the sample data in target/examples/web-company, and shows two nights. On the first, the shop
# does not answer, so its logs are kept. On the second, it answers. Python serves the shop; without Python, the second
# night is left out.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$root/target/examples/web-company

say() {
    printf '\n\033[1m$ %s\033[0m\n' "$*"
    "$@"
}

(cd "$root" && cargo build --release --quiet)
PATH=${CARGO_TARGET_DIR:-$root/target}/release:$PATH

rm -rf "$work"
mkdir -p "$work"
cp "$here/ops.kdl" "$here/queue-depth.sh" "$here/ship-logs.sh" "$work/"
sh "$here/make-data.sh" "$work"
cd "$work"

export SHOP_TOKEN="Bearer a-token-that-no-output-shows"
# Nothing listens on port 9.
export SHOP_HEALTH_URL=http://127.0.0.1:9/health
say opsrun check ops.kdl
say opsrun graph
old=$(find logs -name 'access-*' -mtime +14 | wc -l)
say opsrun apply --yes && exit 1
test "$old" -eq "$(find logs -name 'access-*' -mtime +14 | wc -l)"
printf '\nThe shop did not answer, so its logs were kept.\n'

if command -v python3 > /dev/null; then
    mkdir shop
    echo '{"status": "UP", "queue": {"stuck": 0}}' > shop/health
    python3 -u -m http.server --bind 127.0.0.1 --directory shop 0 > server.log 2>&1 &
    server=$!
    trap 'kill $server' EXIT
    until port=$(sed -n 's/.* port \([0-9]*\) .*/\1/p' server.log) && [ -n "$port" ]; do
        kill -0 "$server" && sleep 0.1
    done
    export SHOP_HEALTH_URL="http://127.0.0.1:$port/health"
    say opsrun apply --yes
    test 0 -eq "$(find logs -name 'access-*' -mtime +14 | wc -l)"
    printf '\nThe shop is up: expired logs were copied and deleted.\n'
fi
say opsrun status || true
say opsrun list
