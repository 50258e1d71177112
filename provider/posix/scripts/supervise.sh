#!/bin/sh
# supervise.sh stands for systemd where there is none: it starts tx.sh, ends it when
# its time is over, and runs settle.sh after it until the transaction is closed.
# Of systemd's guarantees one is missing: after a power cut, and after its own
# violent death, the host settles when it is next asked. On macOS launchd starts it
# again in both cases.
#
#   sh supervise.sh STATE/RUN start   begins: starts the supervisor, and waits until it works
#   sh supervise.sh STATE/RUN heal    starts another, if none lives and the transaction is open
#   sh supervise.sh STATE/RUN alive   whether one lives
#   sh supervise.sh STATE/RUN run     is the supervisor
#   sh supervise.sh STATE/RUN work N SCRIPT   is what the Nth supervisor started
dir=$1 act=$2
# shellcheck source=spec.sh
. "$dir/spec.sh"
seconds=$limit
job=com.kepmctl.tx

# Supervisors of a run are numbered. Each says who it is in a link, so that only one
# can have a number, and takes the next number only when the one before is dead.
latest() {
	n=0
	while [ -L "$dir/supervisor.$((n + 1))" ]; do n=$((n + 1)); done
}
held() {
	latest
	[ "$n" != 0 ] && same_life "$(readlink "$dir/supervisor.$n")"
}
claim() {
	life $$ || return 1
	me="$$ $life"
	while ! held; do
		n=$((n + 1))
		ln -s "$me" "$dir/supervisor.$n" 2>/dev/null && return 0
		[ -L "$dir/supervisor.$n" ] || return 1 # no space for a link
	done
	return 1
}
closed() {
	[ -d "$dir" ] || return 0 # begin.sh gave it up
	[ -e "$dir/outcome" ] && [ "$(readlink "$state/open" 2>/dev/null)" != "$run" ]
}

launch() { # a process that outlives this session
	if command -v setsid >/dev/null 2>&1; then
		setsid /bin/sh "$dir/supervise.sh" "$dir" run </dev/null >>"$dir/log" 2>&1 &
	else
		(
			trap '' HUP
			/bin/sh "$dir/supervise.sh" "$dir" run </dev/null >>"$dir/log" 2>&1 &
		)
	fi
}

# ---- launchd: the link to the plist is the lock ---------------------------------------

# shellcheck disable=SC3013 # -ef: dash, busybox, ksh and bash have it
busy() ( # the plist there is of a run that somebody still works on
	set +f
	for other in "$state"/*/supervise.plist; do
		[ "$other" -ef "$boot" ] || continue
		other=${other%/*}
		[ ! -L "$other" ] || continue # open is another name of one
		same_life "$(cat "$other/starter" 2>/dev/null)" || /bin/sh "$other/supervise.sh" "$other" alive
		exit
	done
	exit 1
)
load() {
	if ! ln "$dir/supervise.plist" "$boot" 2>/dev/null; then
		if busy; then
			echo 'another transaction is at work'
			exit 7
		fi
		rm -f "$boot"
		error=$(ln "$dir/supervise.plist" "$boot" 2>&1) || {
			echo "cannot register settling at boot: $error"
			exit 1
		}
	fi
	! loaded "$job" || bootout "$job" # left over
	bootstrap "$job" "$boot" && return
	disarm
	echo "launchd did not start the transaction: $error"
	exit 1
}

# ---- the work -------------------------------------------------------------------------

ended=''
end() { # leader: it and all that it started
	for signal in TERM KILL; do
		kill "-$signal" "-$1" 2>/dev/null || kill "-$signal" "$1" 2>/dev/null || return 0
		now
		until=$((now + 1000))
		while kill -0 "-$1" 2>/dev/null || life "$1"; do
			now
			[ "$now" -lt "$until" ] || break
			pause 0.1
		done
	done
}
end_others() { # what dead supervisors left at work
	i=1
	while [ "$i" -lt "$n" ]; do
		other=$(cat "$dir/worker.$i" 2>/dev/null)
		! same_life "$other" || end "${other%% *}"
		i=$((i + 1))
	done
}
work() { # script seconds: runs it as the leader of its own group, at most so long
	if command -v setsid >/dev/null 2>&1; then
		setsid /bin/sh "$dir/supervise.sh" "$dir" work "$n" "$1" &
	else
		set -m
		/bin/sh "$dir/supervise.sh" "$dir" work "$n" "$1" &
		set +m
	fi
	child=$!
	life "$child"
	born=$life
	now
	until=$((now + $2 * 100))
	while life "$child" && [ "$life" = "$born" ]; do
		now
		[ "$now" -lt "$until" ] || break
		[ -z "$ended" ] || [ "$1" != tx.sh ] || break
		pause 0.2
	done
	end "$child"
	wait "$child"
}

case $act in
start)
	if [ -z "$manager" ] && [ -n "$restart$start$enable$start_watchdog" ]; then
		echo 'no manager of services is known on this host: services are not changed'
		exit 8
	fi
	life $$
	echo "$$ $life" >"$dir/starter" || exit 1
	if [ "$manager" = launchd ]; then load; else launch; fi
	tries=0
	until [ -d "$dir/started" ]; do
		tries=$((tries + 1))
		if [ "$tries" -gt 100 ] && mkdir "$dir/started" 2>/dev/null; then # nobody begins any more
			disarm
			echo "the supervisor did not start; see $dir/log"
			exit 1
		fi
		pause 0.1
	done
	;;
heal)
	if [ -e "$dir/complete" ] && ! closed && ! held; then launch; fi
	;;
alive) held ;;
work)
	life $$
	echo "$$ $life" >"$dir/worker.part" && mv -f "$dir/worker.part" "$dir/worker.$3" || exit 1
	[ ! -L "$dir/supervisor.$(($3 + 1))" ] || exit 1 # which may have missed us
	exec /bin/sh "$dir/$4" "$dir"
	;;
run)
	claim || exit 0 # another one is at work
	trap '' HUP
	trap 'ended=yes' TERM INT
	end_others
	# Only who was started by begin.sh begins; after a boot nobody waits for the outcome.
	# It goes when it sees the mark.
	if same_life "$(cat "$dir/starter" 2>/dev/null)" && mkdir "$dir/started" 2>/dev/null; then
		work tx.sh "$seconds"
	fi
	until closed; do
		work settle.sh 600
		closed || pause 5
	done
	if [ "$manager" = launchd ]; then exec launchctl bootout "system/$job"; fi
	;;
esac
