#!/bin/sh
# Creates the sample data of this example in DIR, and a heartbeat beside it: always the same content, with ages
# relative to now.
# usage: make-data.sh DIR
set -eu

dir=${1:?usage: make-data.sh DIR}
now=$(date +%s)
mkdir -p "$dir/raw" "$dir/pattern" "$dir/decision"

# snapshot FILE DAYS: writes lines derived from the age, and sets the time to DAYS days and one hour ago.
snapshot() {
    at=$((now - $2 * 86400 - 3600))
    awk -v days="$2" -v file="$1" 'BEGIN {
        seed = days * 7919 + length(file)
        for (n = 0; n < 200; n++) {
            seed = (seed * 1103 + 12345) % 65536
            printf "{\"n\":%d,\"symbol\":\"KRW-BTC\",\"bid\":%d,\"volume\":%d}\n", n, 90000000 + seed, seed % 97
        }
    }' > "$dir/$1"
    touch -d "@$at" "$dir/$1"
}

# day DAYS: prints the date DAYS days ago.
day() {
    date -u -d "@$((now - $1 * 86400 - 3600))" +%Y-%m-%d
}

for days in 0 1 2 3 4 5 6 7 8 9 10 11 12 13; do
    snapshot "raw/$(day $days).jsonl" $days
done
for days in 0 5 10 15 20 25 30 35 40 45 50; do
    snapshot "pattern/$(day $days).jsonl" $days
done
for days in 0 30 60 90 180 365 730; do
    snapshot "decision/$(day $days).jsonl" $days
done
# This file is in two classes: it is kept for 30 days as a pattern, not for 7 days as raw.
snapshot "pattern/from-raw-$(day 20).jsonl" 20
# This file is in no class: it is never touched.
snapshot "heartbeat" 100
# The file that the broker touches. It is not part of the data.
mkdir -p "$dir/../run"
touch "$dir/../run/heartbeat"
