#!/bin/sh
# meter.sh reads what work on a host costs it: run before and after, the difference
# is the cost. It changes nothing.
#
#   sh meter.sh [CURSOR]    of an earlier reading: count the log's lines since then
#
# The answer is lines "KEY VALUE"; what cannot be told is left out.
set -u
LC_ALL=C
export LC_ALL
cursor=${1:-}

# The number of the newest process: they are given one after the other.
if [ -r /proc/loadavg ]; then
	read -r _ _ _ _ newest </proc/loadavg
	echo "newest $newest"
fi
command -v journalctl >/dev/null 2>&1 || exit 0
if [ -z "$cursor" ]; then
	cursor=$(journalctl -q --no-pager -n 0 --show-cursor 2>/dev/null)
	case $cursor in *'cursor: '*) echo "cursor ${cursor##*cursor: }" ;; esac
	exit 0
fi
journalctl -q --no-pager -o cat --after-cursor "$cursor" 2>/dev/null | {
	n=0
	while read -r _; do n=$((n + 1)); done
	echo "lines $n"
}
