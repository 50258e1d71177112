#!/bin/sh
# kept.sh says what a transaction keeps of what it replaced. It changes nothing.
#
#   sh kept.sh STATE RUN    STATE: as for begin.sh
#
# The answer is lines "@NAME", each followed by bytes in hexadecimal: see observe.sh.
# For each file it has three: its path, what it was, and what was made of it.
# "@attempt" names each transaction of the run that the host knows.
set -u
LC_ALL=C
export LC_ALL
state=$1 run=$2
if [ -z "$state" ]; then
	state=/var/lib/kepmctl
	[ "$(uname -s)" != Darwin ] || state='/Library/Application Support/kepmctl'
fi
dir=$state/$run

section() {
	printf '@%s\n' "$1"
	od -An -v -tx1
}
for one in "$dir" "$dir"-*; do # a run that was resumed has one for each attempt
	[ ! -e "$one/complete" ] || printf '%s' "${one##*/}" | section attempt
done
if [ -e "$dir/complete" ]; then
	[ ! -e "$dir/outcome" ] || section ending <"$dir/outcome"
	while IFS=' ' read -r key value; do
		case $key in
		root) printf '%s' "$value" | section root ;;
		file)
			printf '%s' "${value#* }" | section file
			section was <"$dir/was.${value%% *}"
			section new <"$dir/new.${value%% *}"
			;;
		esac
	done <"$dir/spec"
	for list in rows files dirs; do
		[ ! -s "$dir/undo.$list" ] || printf yes | section permissions
	done
fi
printf yes | section end
