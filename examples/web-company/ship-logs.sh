#!/bin/sh
# Simulates a log shipper: records every log of a complete day in SHIPPED, once.
# usage: ship-logs.sh LOGS SHIPPED
set -eu

logs=${1:?usage: ship-logs.sh LOGS SHIPPED}
shipped=${2:?usage: ship-logs.sh LOGS SHIPPED}
touch "$shipped"
find "$logs" -name '*.log' -mtime +0 | sort | while read -r file; do
    grep -qxF "$file" "$shipped" && continue
    echo "$file" >> "$shipped"
    echo "shipped $file"
done
