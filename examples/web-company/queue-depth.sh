#!/bin/sh
# A Nagios-style check: how many files are waiting in DIR?
# usage: queue-depth.sh DIR LIMIT
set -eu

dir=${1:?usage: queue-depth.sh DIR LIMIT}
limit=${2:?usage: queue-depth.sh DIR LIMIT}
waiting=$(find "$dir" -type f | wc -l)
if [ "$waiting" -gt "$limit" ]; then
    echo "$waiting orders waiting, more than $limit | depth=$waiting"
    exit 2
fi
echo "$waiting orders waiting | depth=$waiting"
