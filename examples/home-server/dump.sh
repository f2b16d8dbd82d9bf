#!/bin/sh
# Simulates `pg_dump`: writes today's dump to DIR.
# usage: DB_PASSWORD=... dump.sh DIR
set -eu

dir=${1:?usage: dump.sh DIR}
: "${DB_PASSWORD:?is not set}"
name=$dir/home-$(date -u +%Y-%m-%d).sql
{
    echo "-- dump of home, $(date -u +%Y-%m-%dT%H:%M:%SZ)"
    awk 'BEGIN { for (n = 0; n < 500; n++) printf "INSERT INTO readings VALUES (%d, %d);\n", n, (n * 7919) % 1000 }'
    echo "-- complete"
} > "$name.part"
mv "$name.part" "$name"
echo "dumped to $name"
