#!/bin/sh
# begin.sh uploads a transaction and starts it. It changes nothing of the agent.
#
#   sh begin.sh STATE RUN SECONDS KEEP [BACK] <FILES
#
# STATE    the directory of kepmctl on the host; empty: the usual one
# RUN      the run's name
# SECONDS  after which the transaction is ended, whatever it does
# KEEP     runs whose before-images stay on the host
# BACK     a run that stays in any case: its change is taken back
# FILES    on standard input: lines "NAME SIZE", each followed by SIZE bytes
set -u
LC_ALL=C
export LC_ALL
umask 077
state=$1 run=$2 seconds=$3 keep=$4 back=${5-}
supervisor=process
[ ! -d /run/systemd/system ] || supervisor=systemd
[ "$(uname -s)" != Darwin ] || supervisor=launchd
if [ -z "$state" ]; then
	state=/var/lib/kepmctl
	[ "$supervisor" != launchd ] || state='/Library/Application Support/kepmctl'
fi
dir=$state/$run

say() { # key value: one line, the value in hexadecimal
	# shellcheck disable=SC2046 # the words are hexadecimal numbers
	printf '%s %s\n' "$1" "$(printf '%s ' $(printf '%s' "$2" | od -An -v -tx1))"
}
refuse() { # kind message
	say phase none
	say kind "$1"
	say failure "$2"
	exit 0
}

# shellcheck disable=SC2012 # mode and owner are wanted
mine() { # a directory that is ours alone
	[ ! -L "$1" ] && [ -d "$1" ] || return 1
	set -- "$(ls -ldn "$1")"
	case $1 in drwx------*) ;; *) return 1 ;; esac
	# shellcheck disable=SC2086 # split into columns
	set -- $1
	[ "$3" = 0 ]
}

mkdir "$state" 2>/dev/null
mine "$state" || refuse failed "$state is not a directory of root alone (0700): look at who made it, then remove it"
if [ -L "$state/open" ]; then
	refuse locked "transaction $(readlink "$state/open") is open"
fi
error=$(mkdir "$dir" 2>&1) || refuse failed "cannot make $dir: $error"
cancel() {
	rm -rf "$dir"
	refuse "$@"
}

while read -r name size; do
	case $name in '' | *[!a-z0-9.]*) cancel failed 'a file of the transaction has a name that is not ours' ;; esac
	error=$(dd ibs=1 obs=65536 count="$size" 2>&1 >"$dir/$name") || cancel space "cannot write $dir/$name: $error"
	[ "$size" = 0 ] || [ -s "$dir/$name" ] || cancel space "cannot write $dir/$name: $error"
done
[ -e "$dir/complete" ] || cancel failed 'the transaction did not arrive whole'
printf '%s\n' "$supervisor" >"$dir/supervisor" || cancel space "cannot write $dir/supervisor"
sync "$dir"/* 2>/dev/null || sync

n=0
for old in "$state"/*/outcome; do [ -e "$old" ] && n=$((n + 1)); done
for old in "$state"/*/outcome; do # names begin with their time: oldest first
	# What an open transaction takes back is not ours to throw away.
	if [ "$n" -le "$keep" ] || [ -L "$state/open" ]; then break; fi
	[ "$old" = "$state/$back/outcome" ] || rm -rf "${old%/outcome}"
	n=$((n - 1))
done

for old in "$state"/*; do # uploads that never arrived whole, after a day
	[ -L "$old" ] || [ -e "$old/complete" ] || find "$old" -prune -type d -mtime +0 -exec rm -rf {} \;
done

if [ "$supervisor" != systemd ]; then
	error=$(/bin/sh "$dir/supervise.sh" "$dir" start 2>&1) || case $? in
	7) cancel locked "$error" ;;
	8) cancel unsupported "$error" ;;
	*) cancel failed "cannot start the transaction: $error" ;;
	esac
	say phase begun
	exit 0
fi

# One unit is the lock, the worker, the time limit and the finaliser.
error=$(systemd-run --quiet --collect --unit=kepmctl-tx \
	-p "RuntimeMaxSec=$seconds" -p TimeoutStopSec=600 -p "ExecStopPost=/bin/sh $dir/settle.sh $dir" \
	-p OnFailure=kepmctl-settle.service -p "Description=kepmctl transaction $run" \
	/bin/sh "$dir/tx.sh" "$dir" 2>&1) || {
	case $error in
	*'already exists'* | *'already loaded'* | *'fragment file'*) cancel locked 'another transaction is at work' ;;
	esac
	case $(systemctl show --no-pager -p ActiveState kepmctl-tx.service 2>/dev/null) in
	*=inactive | *=failed | '') cancel failed "systemd did not start the transaction: $error" ;;
	esac # it was started all the same
}
say phase begun
