#!/bin/sh
# demo.sh shows the main job on five hosts made for the occasion: they are looked at,
# hardened, looked at again, and one drifts. It needs Linux and make build; no root.
set -eu
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
lab=$dir/lab
fleet=$lab/config
cleanup() {
	status=$?
	trap - EXIT
	trap '' INT TERM HUP # a second Ctrl-C would leave hosts behind
	if [ -d "$lab" ]; then bin/kepmlab down --dir "$lab" || status=1; fi
	rm -rf "$dir"
	exit "$status"
}
trap cleanup EXIT
trap 'echo; echo "Stopped: the hosts go."; exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

step=0
say() { # headline, then sentences
	step=$((step + 1))
	printf '\n== %s. %s\n' "$step" "$1"
	shift
	[ $# = 0 ] || printf '   %s\n' "$@"
	echo
}
run() {
	printf '$ %s\n' "$*"
	"$@"
}

echo 'kepmctl keeps the agents of Keeper Endpoint Privilege Manager hardened on a fleet of hosts.'
echo 'You write down what is wanted; kepmctl shows what differs, and makes it so, safely.'

say 'Five hosts start' \
	'Each is a few processes with namespaces of their own on this machine: own files in memory,' \
	'own 127.0.0.1, reached by SSH. On each runs a stand-in for the agent, set up carelessly.' \
	'Nothing else on this machine is touched.'
run bin/kepmlab up --hosts 5 --dir "$lab" >/dev/null
echo 'lab-01 to lab-05 are up.'

say 'What is wrong with them?' \
	'For one thing, the agent answers to any name. A web page whose owner lets evil.example' \
	'stand for 127.0.0.1 can talk to it from a browser on that host:'
run bin/kepmlab ask lab-01 evil.example --dir "$lab"

say 'What is wanted' \
	'A few lines: the hardening guide of the vendor, which kepmctl knows, and two things more.'
sed -n '/^baseline/,$p' "$fleet/fleet.kepm.hcl"

say 'Plan: what would change?' \
	'kepmctl looks at every host with one script that only reads. Nothing changes yet.' \
	'Hosts with the same difference stand together; ~ changes, ! restarts the agent.'
run bin/kepmctl plan --chdir "$fleet" --out "$dir/demo.plan"

say 'Apply: make it so' \
	'Exactly what was planned. Each host is one transaction: if the agent does not come back,' \
	'or kepmctl dies on the way, the host goes back to what it was by itself.'
run bin/kepmctl apply --chdir "$fleet" "$dir/demo.plan"

say 'Plan again: nothing is left to do'
run bin/kepmctl plan --chdir "$fleet"

say 'The made-up name is refused now'
run bin/kepmlab ask lab-01 evil.example --dir "$lab"
run bin/kepmlab ask lab-01 localhost --dir "$lab"

say 'Weeks later, one host drifted' \
	'Somebody opened the directory of jobs, whose scripts run as root. The next plan shows it.'
run bin/kepmlab drift lab-02 jobs_writable --dir "$lab"
run bin/kepmctl plan --chdir "$fleet"

say 'That was all' \
	'On your hosts it is the same: plan changes nothing, and apply does what the plan says.' \
	'The hosts go now, and leave nothing behind. To keep some and play with them:' \
	'  bin/kepmlab up --dir /tmp/lab       starts them, and says what to do next' \
	'  bin/kepmlab drift --help            what can go wrong with them'
