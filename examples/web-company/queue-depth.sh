#!/bin/sh
# A check in the manner of Nagios: how many files wait in DIR?
# usage: queue-depth.sh DIR MOST
set -eu

dir=${1:?usage: queue-depth.sh DIR MOST}
most=${2:?usage: queue-depth.sh DIR MOST}
waiting=$(find "$dir" -type f | wc -l)
if [ "$waiting" -gt "$most" ]; then
    echo "$waiting orders wait, more than $most | depth=$waiting"
    exit 2
fi
echo "$waiting orders wait | depth=$waiting"
