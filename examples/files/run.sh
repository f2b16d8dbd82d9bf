#!/bin/sh
# Builds opsrun, creates the sample data in target/examples/files, and shows a complete round:
# check, plan, apply, list, and the restore of one deleted file.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$root/target/examples/files

say() {
    printf '\n\033[1m$ %s\033[0m\n' "$*"
    "$@"
}

(cd "$root" && cargo build --release --quiet)
PATH=${CARGO_TARGET_DIR:-$root/target}/release:$PATH

rm -rf "$work"
mkdir -p "$work"
cp "$here/ops.kdl" "$work/"
sh "$here/make-data.sh" "$work/data"
cd "$work"

say opsrun check ops.kdl
say opsrun plan
lost=$(cd data && find exports/daily -type f -mtime +14 | sort | head -n 1)
before=$(sha256sum < "data/$lost")
say opsrun apply --yes
test ! -e "data/$lost"
say opsrun list
say opsrun restore "$lost" --to restored
test "$before" = "$(sha256sum < "restored/$lost")"
printf '\n%s was deleted and restored byte for byte. The copy is in %s\n' "$lost" "$work/backup"
