#!/bin/sh
# Makes the sample data of this example in DIR: the same content every time, with ages relative to now.
# usage: make-data.sh DIR
set -eu

dir=${1:?usage: make-data.sh DIR}
now=$(date +%s)

# put FILE DAYS: lines that follow from the age, written one hour and so many days ago.
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
# Everything in this directory has expired: it goes with its files.
put "exports/last-year/a.csv" 300
put "exports/last-year/b.csv" 301
# Excluded from the retention.
put "exports/pinned/contract.csv" 300
# All of them have expired; the newest two stay.
for days in 4 5 6 7 8 9; do
    put "logs/app-$days.log" $days
done
# Copied, in no class: never deleted.
put "notes/read me.txt" 500
# In no class and not copied: neither touched nor kept elsewhere.
put "tmp/scratch.csv" 500
put "images/logo.bin" 500
