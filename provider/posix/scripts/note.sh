#!/bin/sh
# note.sh writes down how to undo a change of permissions, before it is made: one
# line of shell words, so that any name of a file survives.
#
#   sh note.sh LIST own PATH...          own UID MODE 'PATH'   a line each
#   sh note.sh LIST WORDS... -- PATH...  WORDS 'PATH'...       one line
set -u
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

if [ "$1" = own ]; then
	shift
	for path; do
		mode_and_owner "$path" || continue # gone meanwhile
		quote "$path"
		printf 'own %s %s %s\n' "$uid" "$mode" "$quoted"
	done >>"$list"
	exit 0
fi
line=''
while [ "$1" != -- ]; do
	line="$line$1 "
	shift
done
shift
for path; do
	quote "$path"
	line="$line$quoted "
done
printf '%s\n' "$line" >>"$list"
