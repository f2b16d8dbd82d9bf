#!/bin/sh
# Simulates the pipeline: appends one market snapshot to today's file.
set -eu

test "${1:-}" = --once || { echo "usage: pipeline.sh --once" >&2; exit 64; }
today=data/raw/$(date -u +%Y-%m-%d)-live.jsonl
printf '{"symbol":"KRW-BTC","bid":90000000,"mode":"%s"}\n' "${MODE:?}" >> "$today"
echo "1 tick in $today"
