#!/bin/sh
# Creates the sample data of this example in DIR: always the same content, with ages relative to now.
# usage: make-data.sh DIR
set -eu

dir=${1:?usage: make-data.sh DIR}
now=$(date +%s)
mkdir -p "$dir/queue" "$dir/uploads/2026/11" "$dir/logs/eu" "$dir/logs/us"

# log FILE DAYS: writes lines derived from the age, and sets the time to DAYS days and one hour ago.
log() {
    awk -v days="$2" 'BEGIN {
        for (n = 0; n < 300; n++) printf "10.0.%d.%d - - \"GET /item/%d\" 200 %d\n", days % 256, n % 256, n * 7, 512 + n
    }' > "$1"
    touch -d "@$((now - $2 * 86400 - 3600))" "$1"
}

for site in eu us; do
    for days in 0 1 5 13 14 15 20 30 45 59 60 61 90; do
        day=$(date -u -d "@$((now - days * 86400 - 3600))" +%Y-%m-%d)
        log "$dir/logs/$site/access-$day.log" $days
        log "$dir/logs/$site/error-$day.log" $days
    done
done
for n in 1 2 3 4 5; do
    echo "picture $n of a customer" > "$dir/uploads/2026/11/$n.png"
done
echo "an order" > "$dir/queue/1"
