#!/bin/sh
# settle.sh ends a transaction: it keeps what was changed or restores what was.
# systemd, or supervise.sh, runs it whenever tx.sh ends, for whatever reason, and at
# the next boot if the host went down. Running it again does no harm, and nothing
# else finishes.
#
#   sh settle.sh STATE/RUN
#
# shellcheck disable=SC2317 # functions are called by name
dir=$1
# shellcheck source=spec.sh
. "$dir/spec.sh"

did() { [ -e "$dir/did.$1" ]; }
detail() { printf '%s\n' "$1" >>"$dir/details"; }

close() { # nothing stays armed or locked
	disarm
	[ "$(readlink "$state/open")" != "$run" ] || rm -f "$state/open"
	set -- "$state"
	[ -z "$boot" ] || set -- "${boot%/*}" "$@"
	[ -z "$wanted" ] || set -- "${wanted%/*}" "$@"
	sync "$@" 2>/dev/null || sync
}
finish() { # ending
	record outcome "$1" || exit 1 # it is tried again
	close
	announce "maintenance of $service ends, run $run: $1"
	exit 0
}

if [ -e "$dir/outcome" ]; then
	close
	exit 0
fi
if [ "$(readlink "$state/open")" != "$run" ] && ! did begin; then
	record outcome undone # it never began, and another one may be open
	[ -L "$state/open" ] || disarm
	exit 0
fi
ln -s lapsed "$dir/verdict" 2>/dev/null # unless there is one
verdict=$(readlink "$dir/verdict")
did ready || verdict=undo

# Lists of undo hold the two commands write and own. What somebody else opened or
# owns meanwhile is left alone, and so is what became a link. An entry that belongs
# already to whom it is given back is one that was interrupted.
write() { # mode path...
	how=$1
	shift
	each_at "$level" open_again "$@"
}
own() { # uid mode path...
	was=$1 bits=$(octal "$2")
	case $2 in l*) bits='' ;; esac
	shift 2
	each_at "$level" hand_back "$@"
}
open_again() { # path...
	find "$@" -prune ! -type l -user 0 ! -perm -020 ! -perm -002 -exec chmod "$how" {} + 2>/dev/null
}
hand_back() { # path...: in directories that nobody but root can write in
	if [ -z "$bits" ]; then
		find "$@" -prune -type l -user 0 -exec chown -h "$was" {} + 2>/dev/null
	else
		find "$@" -prune ! -type l \( -user 0 -o -user "$was" \) ! -perm -020 ! -perm -002 \
			-exec chown -h "$was" {} + -exec chmod "$bits" {} + 2>/dev/null
	fi
}
each_at() { # level command path...: level all takes them together, else those so deep one by one
	level=$1 act=$2
	shift 2
	if [ "$level" = all ]; then
		"$act" "$@"
		return
	fi
	for path; do
		rest=${path#./} deep=1
		[ "$rest" != . ] || deep=0
		while :; do
			case $rest in
			*/*) rest=${rest#*/} deep=$((deep + 1)) ;;
			*) break ;;
			esac
		done
		[ "$deep" -le "$deepest" ] || deepest=$deep
		[ "$deep" != "$level" ] || "$act" "$path"
	done
}
give_back() { # the directory of a transaction: the rights that it took away
	# Files while their directories are closed; then directories from the deepest, each
	# in one that is closed still: what others may exchange is not touched any more.
	level=all
	# shellcheck source=/dev/null
	[ ! -e "$1/undo.files" ] || . "$1/undo.files"
	level=-1 deepest=0 # only to see how deep they are
	while :; do
		# shellcheck source=/dev/null
		for list in dirs rows; do [ ! -e "$1/undo.$list" ] || . "$1/undo.$list"; done
		if [ "$level" = -1 ]; then level=$((deepest + 1)); fi
		[ "$level" -gt 0 ] || break
		level=$((level - 1))
	done
}

unstage() { rm -f "$2.kepmctl-old" "$2.kepmctl-new" "$2.kepmctl-seen"; }

there=''
cd -P -- "$root" && there=yes
if [ "$verdict" = commit ]; then
	[ -z "$there" ] || each_file unstage
	did enable || service_boot
	ending=committed
	if [ -n "$back" ]; then
		if [ -n "$there" ] && [ -e "$state/$back/undo.rows" ]; then
			give_back "$state/$back"
		else
			ending=conflict
			detail "$root is gone, or what run $back replaced is: its permissions were not given back"
		fi
	fi
	finish "$ending"
fi

# ---- undo: each thing only if it still is what we put there ------------------------------

ending=undone
keep() { # file name why: a copy for whoever wrote it
	cp -p "$1" "$dir/$2"
	ending=conflict
	detail "$3; copies are in $dir"
}
restore() { # number path
	if [ -e "$2.kepmctl-seen" ] && ! same "$2.kepmctl-seen" "$dir/was.$1"; then
		keep "$2.kepmctl-seen" "seen.$1" "$2 was written by somebody else in the instant of its replacement"
	fi
	if same "$2" "$dir/was.$1"; then
		: # never replaced, or restored before
	elif [ ! -e "$2" ] || same "$2" "$dir/new.$1"; then
		[ -e "$2" ] || detail "$2 was removed by somebody else; it is back"
		[ -e "$2.kepmctl-old" ] || { cp -p "$2" "$2.kepmctl-old" && cat "$dir/was.$1" >"$2.kepmctl-old"; }
		if ! mv -f "$2.kepmctl-old" "$2"; then
			ending=conflict
			detail "$2 could not be restored (read-only, or immutable); it is in $dir/was.$1"
		fi
		sync "${2%/*}" 2>/dev/null || sync
	elif did replace; then
		keep "$2" "theirs.$1" "$2 was changed by somebody else meanwhile and stays as it is"
	fi
	unstage "$@"
}
if [ -z "$there" ]; then
	ending=conflict
	detail "$root is gone: nothing in it was restored"
elif did stage; then
	each_file restore
fi

# ---- services: as they were. Nothing here waits, for this may run while booting -----------

if did enable; then service_disable "$service"; fi
if did stop; then
	if [ -z "$(recorded was.service)" ]; then
		if did start; then service_stop_soon "$service"; fi
	elif service_same; then
		service_start_soon "$service" # it never stopped
	else
		service_restart_soon "$service"
	fi
	if [ -n "$(recorded was.watchdog)" ]; then service_start_soon "$watchdog"; fi
	service_boot
fi
if did watchdog && [ -z "$(recorded was.watchdog)" ]; then service_stop_soon "$watchdog"; fi
if did permissions && [ -n "$there" ]; then give_back "$dir"; fi

finish "$ending"
