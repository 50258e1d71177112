#!/bin/sh
# observe.sh looks at a host and changes nothing. It returns raw facts;
# what they mean is decided elsewhere.
#
#   sh observe.sh [SYSTEM:]service=UNIT [SYSTEM:]watchdog=UNIT [SYSTEM:]package=NAME \
#       [SYSTEM:]state=DIR [SYSTEM:]candidate=DIR... [root=DIR] [group=NAME] [row=PATH]... [pattern=GLOB]... [except=GLOB]... \
#       [plugin=GLOB]...
#
# SYSTEM:     what uname -s says, where the argument is for that system only
# root=       the install root; without it the unit and the candidates are tried
# group=      the group that stands for Administrators
# row=        a directory to describe, relative to the root
# pattern=    the same for directories right below the root, as a glob for find
#             that fits in any case
# except=     paths (./...) that the search of the tree passes over
# plugin=     a file in Plugins to return, as a glob for find that fits in any case
#
# The answer is lines "@NAME", each followed by bytes in hexadecimal, so that no
# banner and no file name can pass for one. "@facts" is a list of words that end with
# NUL: a word that begins with @ names the words behind it; what hosts and people can
# name begins with another character.
set -u
LC_ALL=C
export LC_ALL

service='' watchdog='' package='' state='' root='' group=''
candidates=''
nl='
'
system=$(uname -s)
for a in "$@"; do
	a=${a#"$system:"}
	case $a in
	service=*) service=${a#*=} ;;
	watchdog=*) watchdog=${a#*=} ;;
	package=*) package=${a#*=} ;;
	state=*) state=${a#*=} ;;
	candidate=*) candidates=$candidates${a#*=}$nl ;;
	root=*) root=${a#*=} ;;
	group=*) group=${a#*=} ;;
	esac
done

section() {
	printf '@%s\n' "$1"
	od -An -v -tx1
}
say() { printf '%s\0' "$@"; }

manager='' uptime=''
look=-ldn # of ls
if [ "$system" = Darwin ]; then
	manager=launchd
	look=-lden # an ACL may hide behind the @ of extended attributes
else
	if [ -d /run/systemd/system ]; then
		manager=systemd
	elif [ -d /run/openrc ] && command -v rc-service >/dev/null 2>&1; then
		manager=openrc
	elif [ -x "/etc/init.d/$service" ] && command -v service >/dev/null 2>&1; then
		manager=sysv
	fi
	[ -r /proc/uptime ] && read -r uptime _ </proc/uptime
fi
export look

# ---- services ---------------------------------------------------------------

units='' main='' pid=0 exe=''
plist() { # file: as XML
	[ -f "$1" ] || return 0
	plutil -convert xml1 -o - "$1" 2>/dev/null || cat "$1" 2>/dev/null
}
first_after() { # text key: sets first to the string behind a key of a plist
	first=''
	case $1 in
	*"<key>$2</key>"*"<string>"*)
		first=${1#*"<key>$2</key>"}
		first=${first#*"<string>"}
		first=${first%%"</string>"*}
		;;
	esac
}
after() { # text key: sets first to the value of a job's own line "key = value"
	first=''
	case $1 in
	*"$nl	$2 = "*)
		first=${1#*"$nl	$2 = "}
		first=${first%%"$nl"*}
		;;
	esac
}
if [ "$manager" = launchd ]; then
	main=$(launchctl print "system/$service" 2>/dev/null)
	answer=$? definition=$(plist "/Library/LaunchDaemons/$service.plist")
	after "$main" pid
	pid=${first:-0}
	after "$main" program
	exe=$first
	[ -n "$exe" ] || first_after "$definition" Program
	[ -n "$exe$first" ] || first_after "$definition" ProgramArguments
	exe=${exe:-$first}
elif [ "$manager" = systemd ]; then
	units=$(systemctl show --no-pager -p Id,LoadState,ActiveState,UnitFileState,User,DynamicUser,ExecStart,MainPID,Environment,EnvironmentFiles "$service" "$watchdog" 2>/dev/null)
	main=${units%%"$nl$nl"*}
	case $main in *MainPID=*) pid=${main##*MainPID=} pid=${pid%%"$nl"*} ;; esac
	case $main in *'path='*) exe=${main#*path=} exe=${exe%% ;*} ;; esac
fi

# The files that the unit takes variables from, each as its path and its bytes.
environment_files() {
	while IFS= read -r line; do
		case $line in EnvironmentFiles=/*) ;; *) continue ;; esac
		path=${line#*=}
		path=${path%% '('*}
		if [ -f "$path" ]; then
			say "f$path" "c$(dd if="$path" bs=65536 count=1 2>/dev/null)"
		else
			case $path in *[*?[]*) say "u$path" c ;; esac # of several files; a missing one gives nothing
		fi
	done <<-EOT
		$main
	EOT
}

# ---- install root -----------------------------------------------------------

roots=''
found() { # directory: remembers it once, by its real path
	dir=$(cd -P -- "$1" 2>/dev/null && pwd -P) || return 0
	case $nl$roots in *"$nl$dir$nl"*) ;; *) roots=$roots$dir$nl ;; esac
}
if [ -n "$root" ]; then
	[ -d "$root" ] && found "$root"
else
	case $exe in
	/*)
		at=${exe%/*}
		while [ -n "$at" ] && [ ! -f "$at/appsettings.json" ]; do at=${at%/*}; done
		[ -z "$at" ] || found "$at"
		;;
	esac
	while IFS= read -r dir; do
		[ -n "$dir" ] && [ -f "$dir/appsettings.json" ] && found "$dir"
	done <<-EOT
		$candidates
	EOT
fi
version=''
if command -v dpkg-query >/dev/null 2>&1; then
	# shellcheck disable=SC2016 # dpkg-query replaces the variables
	version=$(dpkg-query -W -f='${db:Status-Status} ${Version}' "$package" 2>/dev/null)
	case $version in 'installed '*) version=${version#* } ;; *) version='' ;; esac
fi
if [ -z "$version" ] && command -v rpm >/dev/null 2>&1; then
	version=$(rpm -q --qf '%{VERSION}-%{RELEASE}' "$package" 2>/dev/null) || version=''
fi
gid=0
if [ -n "$group" ]; then
	gid=''
	if command -v getent >/dev/null 2>&1; then
		gid=$(getent group "$group")
		gid=${gid#*:*:}
		gid=${gid%%:*}
	else
		while IFS=: read -r name _ id _; do [ "$name" = "$group" ] && gid=$id; done </etc/group
	fi
fi

case $roots in # only a root that is certain is looked into
'' | *"$nl"?*) root='' ;;
*) root=${roots%"$nl"} ;;
esac
[ -z "$root" ] || cd -P -- "$root" || exit 1

case $root in
*.app | *.app/*)
	if [ -z "$version" ]; then
		first_after "$(plist "${root%%.app*}.app/Contents/Info.plist")" CFBundleShortVersionString
		version=$first
	fi
	;;
esac

# ---- services of OpenRC and of the service command ----------------------------

# shellcheck disable=SC3013 # -ef: dash, busybox, ksh and bash have it
main_process() { # the one that runs the root's program of the service's name, or of the PID file
	for p in /proc/[0-9]*; do
		if [ -n "$root" ] && [ "$p/exe" -ef "$root/$service" ]; then
			pid=${p#/proc/}
			return
		fi
	done
	for p in "/run/$service.pid" "/var/run/$service.pid"; do
		[ -r "$p" ] || continue
		read -r pid <"$p"
		case $pid in '' | *[!0-9]*) continue ;; esac
		[ ! -d "/proc/$pid" ] || return
	done
	pid=0
}
unit() { # name: whether it is there, what its status ends with, whether it starts at boot
	boot=no status=''
	if [ ! -x "/etc/init.d/$1" ]; then
		say "unit $1" no "$status" "$boot"
		return
	fi
	if [ "$manager" = openrc ]; then
		rc-service "$1" status </dev/null >/dev/null 2>&1
		status=$?
		[ ! -L "/etc/runlevels/default/$1" ] || boot=yes
	else
		service "$1" status </dev/null >/dev/null 2>&1
		status=$?
		for p in /etc/rc[2345].d/S[0-9][0-9]"$1"; do [ ! -L "$p" ] || boot=yes; done
	fi
	say "unit $1" yes "$status" "$boot"
}

# ---- listeners: the kernel lists them before all other sockets ---------------

sockets() { # macOS: addresses as netstat writes them, 127.0.0.1.6888 or *.8675
	table=$(netstat -anl -p tcp 2>/dev/null) || table=$(netstat -an -p tcp 2>/dev/null) || return 0
	while read -r family _ _ address _ status _; do
		if [ "$status" = LISTEN ]; then say "$family $address"; fi
	done <<-EOT
		$table
	EOT
	say end
}
listeners() {
	if [ "$system" = Darwin ]; then
		sockets
		return
	fi
	for table in /proc/net/tcp /proc/net/tcp6; do
		[ -r "$table" ] || continue
		{
			read -r _
			while read -r _ address _ status _ && [ "$status" = 0A ]; do say "$address"; done
		} <"$table"
	done
	[ ! -r /proc/net/tcp ] || say end
}

# ---- the install root ------------------------------------------------------------

file=./appsettings.json
problem=''
if [ -L "$file" ]; then
	problem='it is a symbolic link'
elif [ -e "$file" ] && [ ! -f "$file" ]; then
	problem='it is not a file'
elif [ ! -e "$file" ]; then
	problem=missing
fi

# Each directory is given as found and as ls describes it.
# shellcheck disable=SC2016 # expanded by the inner shell
describe='for f do printf "%s\0" "$f" "$(ls "$look" "$f")"; done'
rows() {
	n=$# names=''
	while [ "$n" -gt 0 ]; do # patterns become arguments of one find
		case $1 in
		pattern=*)
			set -- "$@" ${names:+-o} -iname "${1#*=}"
			names=yes
			;;
		row=*) if [ -e "./${1#*=}" ] || [ -L "./${1#*=}" ]; then sh -c "$describe" sh "./${1#*=}"; fi ;;
		esac
		shift
		n=$((n - 1))
	done
	[ -z "$names" ] || find . ! -name . -prune \( "$@" \) -exec sh -c "$describe" sh {} +
}
above() {
	at=$root
	while [ -n "$at" ]; do
		at=${at%/*}
		say "${at:-/}" "$(ls "$look" "${at:-/}")"
	done
}

# Entries that offend: not root's (F), writable by their group (G), by everyone
# (O), links that lead out of the root (L). Each batch gives its size, how many have
# an extended ACL, and examples.
# shellcheck disable=SC2016 # expanded by the inner shell
count='
	class=$1; shift
	set -f
	IFS="
"
	acl=0 n=0
	for l in $(ls "$look" "$@" 2>/dev/null); do
		case $look$l in "-ldn"[!\ ]?????????+* | "-lden 0: "*) acl=$((acl + 1)) ;; esac
	done
	printf "%s\0" "$class $# $acl"
	for f do
		n=$((n + 1)); [ "$n" -gt 5 ] && break
		printf "%s\0" "=$f"
	done'
# shellcheck disable=SC2016 # expanded by the inner shell
links='
	root=$1; shift
	for f do
		case $(readlink -f "$f") in "$root"/*) ;; *) printf "%s\0" "L 1 0" "=$f" ;; esac
	done'
tree() {
	n=$#
	while [ "$n" -gt 0 ]; do # the exceptions, as arguments of find
		case $1 in except=*) set -- "$@" ! -path "${1#*=}" ;; esac
		shift
		n=$((n - 1))
	done
	find . ! -name . "$@" \( \
		! -user 0 ! -exec sh -c "$count" sh F {} + -o \
		-type l ! -exec sh -c "$links" sh "$root" {} + -o \
		-type l -o \
		-perm -020 ! -exec sh -c "$count" sh G {} + -o \
		-perm -002 ! -exec sh -c "$count" sh O {} + \)
}

# Whole files, each as its path and its bytes under a name.
# shellcheck disable=SC2016 # expanded by the inner shell
whole='
	name=$1; shift
	for f do
		printf "@%s\n" "$name"; printf "%s" "$f" | od -An -v -tx1
		printf "@%sbytes\n" "$name"; dd if="$f" bs=65536 count=17 2>/dev/null | od -An -v -tx1
		[ "$name" != plugin ] || { printf "@%stime\n" "$name"; date -r "$f" +%s 2>/dev/null | od -An -v -tx1; }
	done'
# What is no plain file is named, and not read.
# shellcheck disable=SC2016 # expanded by the inner shell
odd='
	name=$1; shift
	for f do printf "@%sodd\n" "$name"; printf "%s" "$f" | od -An -v -tx1; done'
layers() { # what .NET may read over appsettings.json
	find . ! -name . -prune -iname 'appsettings.?*.json' \( -type f -exec sh -c "$whole" sh layer {} + -o \
		! -type d -exec sh -c "$odd" sh layer {} + \)
}
plugins() {
	n=$# names=''
	while [ "$n" -gt 0 ]; do
		case $1 in plugin=*) set -- "$@" ${names:+-o} -iname "${1#*=}" && names=yes ;; esac
		shift
		n=$((n - 1))
	done
	[ -n "$names" ] || return 0
	find . ! -name . -prune -iname plugins | while IFS= read -r dir; do
		find "$dir/." ! -name . -prune \( "$@" \) \( -type f -exec sh -c "$whole" sh plugin {} + -o \
			-exec sh -c "$odd" sh plugin {} + \)
	done
}

# JSON files that speak of passwords. grep only saves time where a whole batch
# has none.
# shellcheck disable=SC2016 # expanded by the inner shell
speaks='
	whole=$1; shift
	if command -v grep >/dev/null 2>&1; then grep -qi password "$@" || exit 0; fi
	for f do
		case $(dd if="$f" bs=65536 count=17 2>/dev/null) in
		*[Pp][Aa][Ss][Ss][Ww][Oo][Rr][Dd]*) sh -c "$whole" sh document "$f" ;;
		esac
	done'

# ---- the answer --------------------------------------------------------------------

case $manager in openrc | sysv) main_process ;; esac # here: what a pipeline sets is lost
{
	say @system "$system" "$(uname -r)" "$(id -u)" "$manager" "$uptime" "$(date +%s)"
	if [ -L "$state/open" ]; then
		owner=''
		[ -r "$state/open/owner" ] && read -r owner <"$state/open/owner"
		say @transaction "run $(readlink "$state/open")" "owner $owner"
	fi
	case $manager in
	systemd)
		say @units "$units" @environment
		environment_files
		;;
	launchd)
		say @disabled "text $(launchctl print-disabled system 2>/dev/null)"
		say @job "exit $answer" "text $main" "plist $definition"
		[ "$pid" = 0 ] || say @elapsed "$(ps -o etime= -p "$pid" 2>/dev/null)" @owner "$(ps -o uid= -p "$pid" 2>/dev/null)"
		;;
	openrc | sysv)
		say @init
		unit "$service"
		unit "$watchdog"
		;;
	esac
	if [ "$system" != Darwin ] && [ "$pid" != 0 ] && read -r stat <"/proc/$pid/stat"; then
		# shellcheck disable=SC2012 # the owner is wanted, and the name is a number
		say @stat "$stat" @process "$(ls -ldn "/proc/$pid")"
	fi 2>/dev/null
	say @roots "$roots" @version "v$version" @group "$gid" @listeners
	listeners
	if [ -n "$root" ]; then
		modified=$(date -r "$file" +%s 2>/dev/null) # of BSD, older ones take seconds only
		[ -n "$modified" ] || [ "$system" != Darwin ] || modified=$(stat -f %m "$file" 2>/dev/null)
		say @settings "$problem" "$modified" @ancestors
		above
		say @rows
		rows "$@" 2>/dev/null
		say @tree
		{
			trouble=$(tree "$@" 2>&1 >&3)
			say "end $trouble"
		} 3>&1
	fi
} | section facts
if [ "$pid" != 0 ]; then # of the running service: what it was really given
	section environ <"/proc/$pid/environ"
	section arguments <"/proc/$pid/cmdline"
fi 2>/dev/null
if [ -n "$root" ]; then
	if [ -z "$problem" ]; then dd if="$file" bs=65536 count=65 2>/dev/null | section content; fi
	layers
	plugins "$@"
	find . -iname '*.json' ! -path ./appsettings.json \( -type f -exec sh -c "$speaks" sh "$whole" {} + -o \
		-type l -exec sh -c "$odd" sh document {} + \)
fi 2>/dev/null
printf '@end\n'
