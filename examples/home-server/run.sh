#!/bin/sh
# Builds opsrun, creates the sample data in target/examples/home-server, and shows two nights:
# check, graph, plan, apply, a second run that copies little, status, and the restore of one deleted dump.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$root/target/examples/home-server

say() {
    printf '\n\033[1m$ %s\033[0m\n' "$*"
    "$@"
}

(cd "$root" && cargo build --release --quiet)
PATH=${CARGO_TARGET_DIR:-$root/target}/release:$PATH

rm -rf "$work"
mkdir -p "$work"
cp "$here/ops.kdl" "$here/dump.sh" "$work/"
sh "$here/make-data.sh" "$work"
cd "$work"

say opsrun check ops.kdl
say opsrun graph
say opsrun plan
lost=$(cd dumps && find . -name '*.sql' -mtime +30 | sort | head -n 1 | cut -c 3-)
before=$(sha256sum < "dumps/$lost")
say opsrun apply --yes
test ! -e "dumps/$lost"
say opsrun apply --yes
say opsrun status
say opsrun list
say opsrun restore --backup database "$lost" --to restored
test "$before" = "$(sha256sum < "restored/$lost")"
printf '\n%s was deleted and restored byte for byte. The copies are in %s\n' "$lost" "$work/copies"
