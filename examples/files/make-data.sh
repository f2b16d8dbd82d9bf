#!/bin/sh
# Creates the sample data of this example in DIR: always the same content, with ages relative to now.
# usage: make-data.sh DIR
set -eu

dir=${1:?usage: make-data.sh DIR}
now=$(date +%s)

# put FILE DAYS: writes lines derived from the age, and sets the time to DAYS days and one hour ago.
put() {
    mkdir -p "$dir/$(dirname "$1")"
    awk -v days="$2" -v file="$1" 'BEGIN {
        for (n = 0; n < 100; n++) printf "%d,%s,%d\n", n, file, (n * 7919 + days * 104729) % 1000003
    }' > "$dir/$1"
    touch -d "@$((now - $2 * 86400 - 3600))" "$dir/$1"
}

for days in 1 7 13 14 21 28; do
    put "exports/daily/$days-days-old.csv" $days
done
# Everything in this directory has expired, so the directory is removed with its files.
put "exports/last-year/a.csv" 300
put "exports/last-year/b.csv" 301
# Excluded from the retention.
put "exports/pinned/contract.csv" 300
# All of these have expired, but the newest two are kept.
for days in 4 5 6 7 8 9; do
    put "logs/app-$days.log" $days
done
# In the backup, but in no class: never deleted.
put "notes/read me.txt" 500
# Neither in the backup nor in a class: never touched.
put "tmp/scratch.csv" 500
put "images/logo.bin" 500
