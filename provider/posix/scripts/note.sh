#!/bin/sh
# note.sh writes down how to undo a change of permissions, before it is made: one
# line of shell words, so that any name of a file survives.
#
#   sh note.sh LIST own PATH...          own UID MODE 'PATH'... for each run of alike
#   sh note.sh LIST WORDS... -- PATH...  WORDS 'PATH'...
set -uf # no globs: names of files are data
list=$1
shift

quote() {
	rest=$1 quoted=''
	while :; do
		case $rest in
		*\'*)
			quoted="$quoted${rest%%\'*}'\\''"
			rest=${rest#*\'}
			;;
		*) break ;;
		esac
	done
	quoted="'$quoted$rest'"
}
mode_and_owner() {
	# shellcheck disable=SC2012 # mode and owner are wanted
	line=$(ls -ldn "$1") || return 1
	# shellcheck disable=SC2086 # split into columns
	set -- $line
	mode=$1 uid=$3
}

put() {
	printf '%s\n' "$1" >>"$list" || exit 1 # what cannot be undone is not done
}

if [ "$1" = own ]; then
	shift
	key='' words=''
	for path; do
		mode_and_owner "$path" || continue # gone meanwhile
		quote "$path"
		if [ "$key" != "$uid $mode" ]; then
			[ -z "$words" ] || put "$words"
			key="$uid $mode" words="own $uid $mode"
		fi
		words="$words $quoted"
	done
	[ -z "$words" ] || put "$words"
	exit 0
fi
words=''
while [ "$1" != -- ]; do
	words="$words$1 "
	shift
done
shift
for path; do
	quote "$path"
	words="$words$quoted "
done
put "$words"
