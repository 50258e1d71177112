#!/bin/sh
# tx.sh carries out one transaction, then waits for the verdict. It never undoes:
# settle.sh does, whenever and however this script ends.
#
#   sh tx.sh STATE/RUN      as the unit kepmctl-tx, or started by supervise.sh
dir=$1
# shellcheck source=spec.sh
. "$dir/spec.sh"

fail() { # kind message
	record failure "$1 $2"
	echo "kepmctl: run $run failed: $2"
	exit 1
}

cd -P -- "$root" || fail failed "cannot enter $root"

# Settle at the next boot, should it come before the verdict: registered before
# anything is open. A boot with nothing open passes it over.
# supervise.sh has done so where there is no systemd.
if [ "$manager" = systemd ]; then
	error=$(cp "$dir/settle.service" "$boot" 2>&1 && ln -sf ../kepmctl-settle.service "$wanted" 2>&1) ||
		fail failed "cannot register settling at boot: $error"
	sync "$boot" "${boot%/*}" "${wanted%/*}" 2>/dev/null || sync
fi

ln -s "$run" "$state/open" 2>/dev/null || fail locked "transaction $(readlink "$state/open") is open"
announce "maintenance of $service begins, run $run by $owner: $changes; it ends by itself within $limit s"
if service_active "$service"; then record was.service active; fi
if service_active "$watchdog"; then record was.watchdog active; fi
service_note
step begin "$owner"

unchanged() { # number path
	if [ -L "$2" ] || ! same "$2" "$dir/was.$1"; then
		fail stale "$2 is not what it was when it was looked at"
	fi
}
each_file unchanged
if [ -n "$back" ] && [ ! -e "$state/$back/undo.rows" ]; then fail stale "what run $back replaced is kept no longer"; fi

# ---- permissions: note how to undo them, children before directories ---------------

offenders() { # find's tests and acts, on entries below the root except rows
	while IFS= read -r glob; do
		[ -z "$glob" ] || set -- ! -path "$glob" "$@"
	done <<-EOT
		$except
	EOT
	find . ! -name . "$@"
}
note_tree() { # of a link only the owner counts
	offenders -depth \( \
		-type d \( ! -user 0 -o -perm -020 -o -perm -002 \) -exec sh "$dir/note.sh" "$dir/undo.dirs" own {} + \
		-o -type d \
		-o ! -user 0 -exec sh "$dir/note.sh" "$dir/undo.files" own {} + \
		-o -type l \
		-o -perm -022 -exec sh "$dir/note.sh" "$dir/undo.files" write go+w -- {} + \
		-o -perm -020 -exec sh "$dir/note.sh" "$dir/undo.files" write g+w -- {} + \
		-o -perm -002 -exec sh "$dir/note.sh" "$dir/undo.files" write o+w -- {} + \)
}
each_row() { # runs "$@" ADMINISTRATORS USERS PATH
	while read -r administrators users path; do
		[ -z "$administrators" ] || "$@" "$administrators" "$users" "./$path"
	done <<-EOT
		$rows
	EOT
}
note_row() {
	[ -L "$3" ] && fail stale "$3 became a symbolic link"
	sh "$dir/note.sh" "$dir/undo.rows" own "$3" || fail space "cannot note how to undo $3"
}
: >"$dir/undo.rows"
: >"$dir/undo.files"
: >"$dir/undo.dirs"
each_row note_row
if [ -n "$tree" ]; then
	trouble=$(note_tree 2>&1)
	while IFS= read -r line; do # an entry that went away meanwhile needs no undo
		case $line in '' | *'No such file or directory'*) ;; *) fail space "cannot note how to undo: $line" ;; esac
	done <<-EOT
		$trouble
	EOT
fi
sync "$dir/undo.rows" "$dir/undo.files" "$dir/undo.dirs" 2>/dev/null || sync

# ---- permissions: what is to be closed is closed from the top -----------------------

closed() { # path: nobody but root can exchange what lies in it
	describe "$1" || return 1
	case $mode in d????[!w]??[!w]*) [ "$uid" = 0 ] ;; *) return 1 ;; esac
}
closed_above() { # path
	at=${1%/.}
	while [ "$at" != . ]; do
		at=${at%/*}
		closed "$at" || fail failed "$1 is not changed: others can write in $at"
	done
}
fix_row() { # administrators users path
	closed_above "$3"
	if [ -L "$3" ] || ! describe "$3"; then fail stale "$3 is not what it was when it was looked at"; fi
	[ "$uid" = 0 ] || chown -h 0 "$3" || fail failed "cannot give $3 to root"
	take=$2
	[ "$gid" != "$group" ] || take=$1
	[ "$take" = - ] || chmod "g-$take" "$3" || fail failed "cannot change the mode of $3"
	[ "$2" = - ] || chmod "o-$2" "$3" || fail failed "cannot change the mode of $3"
}
step permissions
each_row fix_row

# Directories one by one from the top: when the first file is touched, nobody
# else can exchange anything for a link any more.
again() { "$@" 2>/dev/null || "$@"; } # an entry may go away while it is worked on
if [ -n "$tree" ]; then
	step tree
	closed . || fail failed "the tree is not changed: others can write in $root"
	offenders -type d \( ! -user 0 -o -perm -020 -o -perm -002 \) \
		-exec chown -h 0 {} \; -exec chmod go-w {} \; || fail failed 'cannot close the directories of the tree'
	again offenders ! -type d ! -user 0 -exec chown -h 0 {} + || fail failed 'cannot give the files of the tree to root'
	again offenders ! -type d ! -type l \( -perm -020 -o -perm -002 \) -exec chmod go-w {} + || fail failed 'cannot close the files of the tree'
fi

# ---- stage: after this, neither doing nor undoing a file needs space ----------------

stage() { # number path
	closed_above "$2"
	rm -f "$2.kepmctl-old" "$2.kepmctl-new" "$2.kepmctl-seen"
	error=$(ln "$2" "$2.kepmctl-seen" 2>&1) || fail failed "cannot change $2: $error (read-only, or immutable: see lsattr)"
	rm -f "$2.kepmctl-seen"
	error=$({ cp -p "$2" "$2.kepmctl-old" && cp -p "$2" "$2.kepmctl-new" && cat "$dir/new.$1" >"$2.kepmctl-new"; } 2>&1) ||
		fail space "cannot stage $2: $error"
	if ! same "$2.kepmctl-new" "$dir/new.$1" || ! same "$2.kepmctl-old" "$dir/was.$1"; then
		fail stale "$2 changed meanwhile"
	fi
	sync "$2.kepmctl-new" "$2.kepmctl-old" "${2%/*}" 2>/dev/null || sync
}
step stage
each_file stage

# ---- stop, change ---------------------------------------------------------------------

if [ -n "$restart$start" ]; then
	step stop
	stopped=$now
	if [ -n "$(recorded was.watchdog)" ]; then service_stop "$watchdog" || fail failed "$watchdog does not stop"; fi
	if [ -n "$restart" ]; then service_stop "$service" || fail failed "$service does not stop"; fi
	step stopped
fi
replace() { # number path: a write by somebody else in the last instant is seen afterwards
	same "$2" "$dir/was.$1" || fail stale "$2 changed meanwhile"
	step replace "$2"
	if ! ln "$2" "$2.kepmctl-seen" || ! mv -f "$2.kepmctl-new" "$2"; then fail failed "cannot replace $2"; fi
	sync "${2%/*}" 2>/dev/null || sync
	if ! same "$2.kepmctl-seen" "$dir/was.$1"; then
		mv -f "$2.kepmctl-seen" "$2"
		fail stale "$2 changed in the instant of its replacement; the other's version stays"
	fi
	rm -f "$2.kepmctl-seen"
	step replaced "$2"
}
each_file replace
if [ -n "$enable" ]; then
	step enable
	service_enable "$service" || fail failed "$service cannot be enabled"
fi

# ---- start, and wait until it is ready --------------------------------------------------

ready() { # the same process for 3 s, and every port that listened before listens again
	now
	limit=$((now + start_timeout * 100))
	pid=0 up=''
	while [ "$now" -lt "$limit" ]; do
		if [ "$pid" = 0 ]; then
			if service_active "$service"; then pid=$(service_pid "$service"); fi
			now
			since=$now
		elif ! lives "$pid"; then
			fail agent "$service ended within 3 s of its start"
		fi
		# shellcheck disable=SC2086 # one word per port
		if [ -z "$up" ] && [ "$pid" != 0 ] && listens $ports; then up=$now; fi
		if [ -n "$up" ] && [ $((now - since)) -ge 300 ]; then
			[ "$(service_pid "$service")" = "$pid" ] || fail agent "$service ended within 3 s of its start"
			return 0
		fi
		if [ -z "$up" ]; then sleep 0.2 2>/dev/null || sleep 1; else sleep 0.5 2>/dev/null || sleep 1; fi
		now
	done
	fail agent "$service was not ready after $start_timeout s"
}
if [ -n "$start" ] || { [ -n "$restart" ] && [ -n "$(recorded was.service)" ]; }; then
	step start
	service_start "$service" || fail agent "$service does not start"
	[ -n "$enable" ] || service_boot
	ready
	if [ -n "$restart" ]; then record down "$(((up - stopped) * 10))"; fi
	record pid "$pid"
fi
if [ -n "$start_watchdog" ] || { [ -n "$restart$start" ] && [ -n "$(recorded was.watchdog)" ]; }; then
	step watchdog
	service_start "$watchdog" || fail failed "$watchdog does not start"
fi
step ready

# ---- wait for the verdict: none in time is no --------------------------------------------

now
limit=$((now + confirm_timeout * 100))
while [ ! -L "$dir/verdict" ] && [ "$now" -lt "$limit" ]; do
	sleep 0.2 2>/dev/null || sleep 1
	now
done
[ -L "$dir/verdict" ] || record failure "verdict no verdict came within $confirm_timeout s"
