#!/bin/sh
# Creates the sample data of this example in DIR: always the same content, with ages relative to now.
# usage: make-data.sh DIR
set -eu

dir=${1:?usage: make-data.sh DIR}
now=$(date +%s)
mkdir -p "$dir/documents/letters" "$dir/documents/photos/2024" "$dir/documents/.cache" "$dir/dumps"
umask 077
echo "a password that no output shows" > "$dir/db-password"
umask 022

# old FILE DAYS: sets the time of a file to DAYS days and one hour ago.
old() {
    touch -d "@$((now - $2 * 86400 - 3600))" "$1"
}

for days in 1 20 400; do
    echo "Dear all, this was written $days days ago." > "$dir/documents/letters/to all, $days.txt"
    old "$dir/documents/letters/to all, $days.txt" $days
done
for n in 1 2 3 4 5 6 7 8; do
    awk -v n=$n 'BEGIN { for (i = 0; i < 4000; i++) printf "%d ", (i * n * 31) % 251 }' > "$dir/documents/photos/2024/$n.jpg"
    old "$dir/documents/photos/2024/$n.jpg" 300
done
ln -s "letters/to all, 1.txt" "$dir/documents/newest letter"
echo scratch > "$dir/documents/.cache/x"
for days in 1 2 3 4 5 6 10 20 29 30 31 40 50 60; do
    file=$dir/dumps/home-$(date -u -d "@$((now - days * 86400 - 3600))" +%Y-%m-%d).sql
    echo "-- a dump, $days days old" > "$file"
    old "$file" $days
done
