#!/bin/sh
# status.sh waits until a transaction has come as far as asked, and says where it is.
# Where no systemd watches over it, it is waited for by having it settled, if need be.
#
#   sh status.sh STATE RUN ready|settled SECONDS    STATE: as for begin.sh
set -u
LC_ALL=C
export LC_ALL
state=$1 run=$2 until=$3 seconds=$4
system=$(uname -s)
if [ -z "$state" ]; then
	state=/var/lib/kepmctl
	[ "$system" != Darwin ] || state='/Library/Application Support/kepmctl'
fi
dir=$state/$run

say() { # key value: one line, the value in hexadecimal
	# shellcheck disable=SC2046 # the words are hexadecimal numbers
	printf '%s %s\n' "$1" "$(printf '%s ' $(printf '%s' "$2" | od -An -v -tx1))"
}
recorded() { # name: its first line
	value=''
	[ -r "$dir/$1" ] && IFS= read -r value <"$dir/$1"
	printf '%s' "$value"
}
now() { # hundredths of a second
	if [ "$system" = Darwin ]; then
		now=$(date +%s)00
	else
		read -r uptime _ </proc/uptime
		now=${uptime%.*}${uptime#*.}
	fi
}
running() { # the transaction, or its settling
	if [ "$supervisor" != systemd ]; then
		/bin/sh "$dir/supervise.sh" "$dir" alive
		return
	fi
	for unit in kepmctl-tx.service kepmctl-settle.service; do
		case $(systemctl show --no-pager -p ActiveState "$unit") in *=inactive | *=failed) ;; *) return 0 ;; esac
	done
	return 1
}
look() {
	if [ ! -e "$dir/complete" ]; then
		phase=none
	elif [ -e "$dir/outcome" ] && [ "$(readlink "$state/open" 2>/dev/null)" != "$run" ]; then
		phase=settled
	elif [ -e "$dir/did.ready" ]; then
		phase=ready
	else
		phase=begun
	fi
}

supervisor=$(recorded supervisor)
[ -n "$supervisor" ] || supervisor=systemd

now
limit=$((now + seconds * 100))
asked=0
look
while [ "$now" -lt "$limit" ]; do
	case $until$phase in readyready | ?*settled | ?*none) break ;; esac
	if [ $((now - asked)) -ge 200 ]; then # that the unit lives is asked now and then
		asked=$now
		if ! running; then
			look
			if [ "$supervisor" = systemd ] || [ "$phase" = settled ]; then break; fi
			/bin/sh "$dir/supervise.sh" "$dir" heal
		fi
	fi
	sleep 0.3 2>/dev/null || sleep 1
	now
	look
done

say phase "$phase"
[ "$phase" != none ] || exit 0
if running; then say running yes; else say running no; fi
say supervisor "$supervisor"
say ending "$(recorded outcome)"
say verdict "$(readlink "$dir/verdict")"
say down "$(recorded down)"
say pid "$(recorded pid)"
failure=$(recorded failure)
if [ -n "$failure" ]; then
	say kind "${failure%% *}"
	say failure "${failure#* }"
	service=''
	while IFS=' ' read -r key value; do [ "$key" != service ] || service=$value; done <"$dir/spec"
	if [ "${failure%% *}" = agent ] && command -v journalctl >/dev/null 2>&1; then
		say log "$(journalctl --no-pager -q -o cat -n 12 -u "$service" 2>/dev/null)"
	fi
fi
if [ -r "$dir/details" ]; then
	while IFS= read -r line; do say detail "$line"; done <"$dir/details"
fi
