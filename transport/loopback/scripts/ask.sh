#!/bin/sh
# Asks services on this host's loopback interface, with whatever of openssl, curl
# and bash is here, and repeats what they said. It judges nothing.
#
#   ask.sh [PORT MIN MAX PATH COUNT HOST...]...
#
# MIN and MAX are TLS versions ("1.2"), or "-" for none; for each of COUNT hosts
# PATH is fetched. Answers are lines: ask NUMBER WHAT PROGRAM EXIT HEX, where WHAT
# is tls, http or connect and PROGRAM may be none; the last line is: end
set -u

seconds=5
bytes=131072

has() { command -v "$1" >/dev/null 2>&1; }

# limited COMMAND...: runs it for at most so many seconds. A function must exec its
# program, or only its shell would be ended.
limited() {
	"$@" &
	asked=$!
	{ sleep "$seconds" && kill "$asked"; } >/dev/null 2>&1 3>&- &
	timer=$!
	wait "$asked"
	status=$?
	kill "$timer" 2>/dev/null
	return "$status"
}

# tell WHAT PROGRAM COMMAND...: an answer line with what the command says.
tell() {
	printf 'ask %s %s %s ' "$number" "$1" "$2" >&3
	shift 2
	hex=$({
		limited "$@" 2>&1
		printf '%s ' "$?" >&3
	} | dd ibs=1 obs=65536 count="$bytes" 2>/dev/null | od -An -v -tx1)
	# shellcheck disable=SC2086 # the blanks between the bytes are to go
	printf %s $hex
	echo
}

none() { echo "ask $number $1 none 0 "; }

fetch() {
	exec curl -q -k -s -g --http1.1 --path-as-is --noproxy '*' --max-time "$seconds" -A kepmctl "$@"
}

# openssl's name of a version
protocol() { if [ "$1" = 1.0 ]; then echo TLSv1; else echo "TLSv$1"; fi; }

handshake() {
	if has openssl; then
		tell tls openssl openssl s_client -connect "127.0.0.1:$port" -showcerts -cipher 'ALL:@SECLEVEL=0' \
			-min_protocol "$(protocol "$min")" -max_protocol "$(protocol "$max")"
	elif has curl; then
		tell tls curl fetch -v -o /dev/null --ciphers 'ALL:@SECLEVEL=0' \
			"--tlsv$min" --tls-max "$max" "https://127.0.0.1:$port/"
	else
		none tls
	fi
}

# by_bash [PATH HOST]: connects, and fetches. 7 is how curl calls a refusal.
by_bash() {
	# shellcheck disable=SC2016 # bash expands it
	exec bash -c '{ exec 4<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || exit 7
		[ $# -gt 1 ] || exit 0
		printf "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: kepmctl\r\nAccept: */*\r\nConnection: close\r\n\r\n" "$2" "$3" >&4
		exec cat <&4' bash "$port" "$@"
}

# get HOST
get() {
	if has curl && [ "$max" = - ]; then
		tell http curl fetch -i --raw -H "Host: $1" "http://127.0.0.1:$port$path"
	elif has curl; then
		tell http curl fetch -i --raw -H "Host: $1" "--tlsv$min" --tls-max "$max" "https://127.0.0.1:$port$path"
	elif has bash && [ "$max" = - ]; then
		tell http bash by_bash "$path" "$1"
	else
		none http
	fi
}

connect() {
	if has bash; then
		tell connect bash by_bash
	elif has curl; then
		tell connect curl fetch -o /dev/null "http://127.0.0.1:$port/"
	else
		none connect
	fi
}

exec 3>&1
number=0
while [ $# -gt 0 ]; do
	port=$1 min=$2 max=$3 path=$4 count=$5
	shift 5
	if [ "$max" != - ]; then
		handshake
	elif [ "$count" = 0 ]; then
		connect
	fi
	while [ "$count" -gt 0 ]; do
		get "$1"
		shift
		count=$((count - 1))
	done
	number=$((number + 1))
done
echo end
