# shellcheck shell=sh disable=SC2034,SC2154
# spec.sh is sourced by tx.sh, settle.sh and supervise.sh, with $dir set: it reads
# what the transaction is to do, and holds what they need.
set -uf # no globs: names of files are data
LC_ALL=C
export LC_ALL
umask 077
state=${dir%/*}
run=${dir##*/}
nl='
'

owner='' changes='' limit='' root='' service='' watchdog='' group=0
start_timeout=60 confirm_timeout=60
restart='' start='' enable='' start_watchdog='' tree='' back=''
files='' rows='' ports='' except=''
while IFS=' ' read -r key value; do
	case $key in
	owner) owner=$value ;;
	changes) changes=$value ;;
	limit) limit=$value ;;
	root) root=$value ;;
	service) service=$value ;;
	watchdog) watchdog=$value ;;
	group) group=$value ;; # the id of the one that stands for Administrators
	start_timeout) start_timeout=$value ;;
	confirm_timeout) confirm_timeout=$value ;;
	restart) restart=$value ;;
	start) start=$value ;;
	enable) enable=$value ;;
	start_watchdog) start_watchdog=$value ;;
	tree) tree=$value ;;
	back) back=$value ;;               # a committed run whose permissions are given back when this one is
	file) files=$files$value$nl ;;     # NUMBER PATH, relative to the root
	row) rows=$rows$value$nl ;;        # ADMINISTRATORS USERS PATH: rights to take away, or -
	except) except=$except$value$nl ;; # a glob for find -path
	port) ports="$ports $value" ;;
	esac
done <"$dir/spec"

# shellcheck source=services.sh
. "$dir/services.sh"

step() { # name detail...: on disk before the act it names
	now
	printf '%s %s\n' "$now" "$*" >>"$dir/journal" || exit 1
	: >"$dir/did.$1" || exit 1
	sync "$dir/journal" "$dir" 2>/dev/null || sync
	# hold
}

record() { # name value: a small file, whole or not at all
	printf '%s\n' "$2" >"$dir/$1.part" && mv -f "$dir/$1.part" "$dir/$1" || return 1
	sync "$dir/$1" "$dir" 2>/dev/null || sync
}

recorded() { # name: its first line
	value=''
	[ -r "$dir/$1" ] && IFS= read -r value <"$dir/$1"
	printf '%s' "$value"
}

each_file() { # runs "$@" NUMBER PATH
	while read -r number name; do
		[ -z "$number" ] || "$@" "$number" "./$name"
	done <<-EOT
		$files
	EOT
}

same() { # file file
	[ -f "$1" ] && [ -f "$2" ] && [ "$(od -An -v -tx1 <"$1")" = "$(od -An -v -tx1 <"$2")" ]
}

describe() { # path: sets mode (drwxr-xr-x), uid and gid
	# shellcheck disable=SC2012 # mode and owner are wanted
	line=$(ls -ldn "$1" 2>/dev/null) || return 1
	# shellcheck disable=SC2086 # split into columns
	set -- $line
	mode=$1 uid=$3 gid=$4
}

octal() { # drwxr-sr-x -> number
	n=0
	rest=${1#?}
	for bit in 256 128 64 32 16 8 4 2 1; do
		c=${rest%"${rest#?}"}
		rest=${rest#?}
		case $c in [rwxst]) n=$((n + bit)) ;; esac
		case $bit$c in 64[sS]) n=$((n + 2048)) ;; 8[sS]) n=$((n + 1024)) ;; 1[tT]) n=$((n + 512)) ;; esac
	done
	printf '%o' "$n"
}
