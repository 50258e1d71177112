# shellcheck shell=sh disable=SC2034,SC2154
# services.sh is sourced by spec.sh, with $dir and $service set: what differs
# between systems and between managers of services.
#
# macOS: proven by stand-in commands only. What launchctl print writes is not
# documented as stable: a line that is not there means "no".
system=$(uname -s)
manager=''
if [ "$system" = Darwin ]; then
	manager=launchd
elif [ -d /run/systemd/system ]; then
	manager=systemd
elif [ -d /run/openrc ] && command -v rc-service >/dev/null 2>&1; then
	manager=openrc
elif [ -x "/etc/init.d/$service" ] && command -v service >/dev/null 2>&1; then
	manager=sysv
fi

# What settles the transaction at the next boot; close removes it.
case $manager in
systemd)
	boot=/etc/systemd/system/kepmctl-settle.service
	wanted=/etc/systemd/system/multi-user.target.wants/kepmctl-settle.service
	;;
launchd) boot=/Library/LaunchDaemons/com.kepmctl.tx.plist wanted='' ;;
*) boot='' wanted='' ;; # nothing does: whoever asks next has it settled
esac
# shellcheck disable=SC3013 # -ef: dash, busybox, ksh and bash have it
disarm() {
	case $manager in
	systemd) rm -f "$boot" "$wanted" ;;
	launchd) [ ! "$dir/supervise.plist" -ef "$boot" ] || rm -f "$boot" ;; # another run's stays
	esac
}

announce() { # in the host's log, where this script's output does not get there
	echo "kepmctl: $1"
	[ "$manager" != systemd ] || return 0
	if command -v logger >/dev/null 2>&1; then logger -t kepmctl -- "$1" </dev/null >/dev/null 2>&1; fi
	return 0
}

now() { # hundredths of a second since boot
	if [ "$system" = Darwin ]; then # of the clock: one that jumps only changes when a limit passes
		now=$(date +%s)00
	else
		read -r uptime _ </proc/uptime
		now=${uptime%.*}${uptime#*.}
	fi
}

pause() { # seconds, as exactly as sleep can
	sleep "$1" 2>/dev/null || sleep 1
}

life() { # pid: sets life to what tells this process from a later one of the same number
	life=''
	case $1 in '' | *[!0-9]*) return 1 ;; esac
	if [ "$system" = Darwin ]; then
		# shellcheck disable=SC2046 # split into columns
		set -- $(TZ=UTC0 ps -o stat= -o lstart= -p "$1") # Ss Wed Nov 25 02:51:32 2026
		case ${1:-Z} in Z*) ;; *) life="$2 $3 $4 $5 $6" ;; esac
	else
		read -r stat <"/proc/$1/stat" || return 1
		read -r id </proc/sys/kernel/random/boot_id || id=''
		# shellcheck disable=SC2086 # split into columns
		set -- ${stat##*\) }
		case $1 in Z | X) ;; *) life=${20}.$id ;; esac
	fi 2>/dev/null
	[ -n "$life" ]
}
same_life() { # "PID LIFE": this very process lives
	life "${1%% *}" && [ "$life" = "${1#* }" ]
}

# ---- launchd ------------------------------------------------------------------------

loaded() { launchctl print "system/$1" >/dev/null 2>&1; }
field() { # label key: from the lines "key = value" of the job itself
	launchctl print "system/$1" 2>/dev/null | while IFS= read -r line; do
		case $line in
		"	$2 = "*)
			printf '%s' "${line#*= }"
			break
			;;
		esac
	done
}
bootstrap() { # label plist: a label is free only some seconds after it was booted out
	tries=0
	until error=$(launchctl bootstrap system "$2" 2>&1); do
		loaded "$1" && return 0
		tries=$((tries + 1))
		[ "$tries" -lt 60 ] || return 1
		pause 0.5
	done
}
bootout() { # label: returns before the job is gone, and may call that an error
	launchctl bootout "system/$1" >/dev/null 2>&1
	tries=0
	while loaded "$1"; do
		tries=$((tries + 1))
		[ "$tries" -lt 180 ] || return 1
		pause 0.5
	done
}
kickstart() { # label: that it runs already may be called an error
	launchctl kickstart "system/$1" >/dev/null 2>&1 && return 0
	service_active "$1" || { pause 1 && service_active "$1"; }
}

# ---- OpenRC, and the service command --------------------------------------------------

control() { # unit act: in a session of its own, so that no end of ours is the service's
	if [ "$manager" = openrc ]; then set -- rc-service "$1" "$2"; else set -- service "$1" "$2"; fi
	if command -v setsid >/dev/null 2>&1; then set -- setsid "$@"; fi
	"$@" </dev/null >/dev/null 2>&1
}
# shellcheck disable=SC3013 # -ef: dash, busybox, ksh and bash have it
by_program() { # unit: the number of the process that runs the root's program of this name
	(
		set +f
		for p in /proc/[0-9]*; do
			if [ "$p/exe" -ef "$root/$1" ]; then
				printf '%s' "${p#/proc/}"
				exit
			fi
		done
		for p in "/run/$1.pid" "/var/run/$1.pid"; do
			if [ -r "$p" ] && read -r n <"$p" && life "$n"; then
				printf '%s' "$n"
				exit
			fi
		done
		if service_active "$1"; then printf '?'; else printf 0; fi
	)
}
at_boot() { # unit on|off
	if [ "$manager" = openrc ]; then
		if [ "$2" = on ]; then rc-update -q add "$1" default; else rc-update -q del "$1" default; fi
	elif command -v update-rc.d >/dev/null 2>&1; then
		if [ "$2" = on ]; then update-rc.d "$1" enable; else update-rc.d "$1" disable; fi
	else
		chkconfig "$1" "$2"
	fi >/dev/null 2>&1
}

# ---- services, whoever manages them ---------------------------------------------------

service_active() { # unit
	[ -n "$1" ] || return 1
	case $manager in
	systemd)
		case $(systemctl show --no-pager -p ActiveState "$1" 2>/dev/null) in
		ActiveState=active | ActiveState=reloading | ActiveState=activating) return 0 ;;
		*) return 1 ;;
		esac
		;;
	launchd) [ "$(field "$1" state)" = running ] ;;
	'') return 1 ;;
	*) control "$1" status ;;
	esac
}
service_pid() { # unit: of its main process; 0: none, ?: unknown
	case $manager in
	systemd)
		value=$(systemctl show --no-pager -p MainPID "$1" 2>/dev/null)
		printf '%s' "${value#MainPID=}"
		;;
	launchd)
		value=$(field "$1" pid)
		printf '%s' "${value:-0}"
		;;
	'') printf 0 ;;
	*) by_program "$1" ;;
	esac
}
service_note() { # what must be known to bring the service back as it was
	record was.pid "$(service_pid "$service")"
	[ "$manager" != systemd ] || return 0
	if life "$(recorded was.pid)"; then record was.life "$life"; fi
	[ "$manager" = launchd ] || return 0
	plist=$(field "$service" path)
	case $plist in /*) ;; *) plist=/Library/LaunchDaemons/$service.plist ;; esac
	record was.plist "$plist"
	if loaded "$service"; then record was.loaded yes; fi
	case $(launchctl print-disabled system 2>/dev/null) in
	*"\"$service\" => true"* | *"\"$service\" => disabled"*) record was.disabled yes ;;
	esac
}
service_same() { # the process that ran before still runs
	[ "$(service_pid "$service")" = "$(recorded was.pid)" ] || return 1
	[ "$manager" = systemd ] || same_life "$(recorded was.pid) $(recorded was.life)"
}
service_stop() { # unit
	case $manager in
	systemd) systemctl stop "$1" ;;
	launchd) [ -f "$(recorded was.plist)" ] && bootout "$1" ;; # without it, it could not be started again
	'') return 1 ;;
	*) control "$1" stop ;;
	esac
}
service_start() { # unit
	case $manager in
	systemd) systemctl start "$1" ;;
	launchd)
		if ! loaded "$1"; then # one that is disabled cannot be loaded
			[ -z "$(recorded was.disabled)" ] || launchctl enable "system/$1"
			bootstrap "$1" "$(recorded was.plist)" || return 1
		fi
		kickstart "$1"
		;;
	'') return 1 ;;
	*) control "$1" start ;;
	esac
}
service_enable() { # unit
	case $manager in
	systemd) systemctl --quiet enable "$1" ;;
	launchd) launchctl enable "system/$1" ;;
	'') return 1 ;;
	*) at_boot "$1" on ;;
	esac
}
service_disable() { # unit
	case $manager in
	systemd) systemctl --quiet --no-reload disable "$1" ;;
	launchd) launchctl disable "system/$1" ;;
	'') return 1 ;;
	*) at_boot "$1" off ;;
	esac
}
service_boot() { # one that was only enabled so that it could be loaded is disabled again
	[ -z "$(recorded was.disabled)" ] || launchctl disable "system/$service"
}

# These three do not wait where waiting could stop a boot.
service_start_soon() { # unit
	if [ "$manager" = systemd ]; then systemctl --no-block start "$1"; else service_start "$1"; fi
}
service_restart_soon() { # unit
	case $manager in
	systemd) systemctl --no-block restart "$1" ;;
	launchd) if loaded "$1"; then launchctl kickstart -k "system/$1"; else service_start "$1"; fi ;;
	'') return 1 ;;
	*)
		control "$1" stop
		control "$1" start
		;;
	esac
}
service_stop_soon() { # unit
	case $manager in
	systemd) systemctl --no-block stop "$1" ;;
	launchd) if [ -n "$(recorded was.loaded)" ]; then launchctl kill SIGTERM "system/$1"; else bootout "$1"; fi ;;
	*) service_stop "$1" ;;
	esac
}

# ---- processes and ports ------------------------------------------------------------------

lives() { # pid of the service
	case $1 in
	'?') service_active "$service" ;;
	*) if [ "$system" = Darwin ]; then kill -0 "$1" 2>/dev/null; else [ -d "/proc/$1" ]; fi ;;
	esac
}
listens() { # port...: each has a listener
	want=" $* "
	if [ "$system" = Darwin ]; then
		table=$(netstat -an -p tcp 2>/dev/null) || return 1
		while read -r _ _ _ address _ status _; do
			[ "$status" = LISTEN ] || continue
			heard "${address##*.}"
		done <<-EOT
			$table
		EOT
	else
		for table in /proc/net/tcp /proc/net/tcp6; do
			[ -r "$table" ] || continue
			{
				read -r _
				while read -r _ address _ status _ && [ "$status" = 0A ]; do heard "$((0x${address##*:}))"; done
			} <"$table"
		done
	fi
	case $want in *[!\ ]*) return 1 ;; *) return 0 ;; esac
}
heard() { # port
	case $want in *" $1 "*) want="${want%%" $1 "*} ${want#*" $1 "}" ;; esac
}
