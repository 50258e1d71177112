#!/bin/sh
# demo-nspawn.sh shows the main job on real systemd hosts: three machines with a careless
# agent are looked at, hardened, and looked at again. Root on Debian; needs make build.
set -eu
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
	echo 'The demo boots real systemd hosts in containers, for which it must be root.' >&2
	exit 1
fi
lab=$(mktemp -d)/lab
cleanup() {
	status=$?
	trap - EXIT INT TERM
	bin/kepmlab nspawn down --dir "$lab" || status=1
	rm -rf "${lab%/lab}"
	exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say() { printf '\n== %s\n\n' "$*"; }
run() {
	printf '$ %s\n' "$*"
	"$@"
}

say 'Three Debian hosts boot, each with sshd, systemd and a stand-in for the agent in careless settings.'
bin/kepmlab nspawn up --dir "$lab" --hosts 3
fleet=$lab/config

say 'What is wanted: the vendor'"'"'s hardening guide, in a few lines of HCL.'
sed -n '/^baseline/,$p' "$fleet/fleet.kepm.hcl"

say 'What would change? kepmctl looks at each host with one read-only script.'
run bin/kepmctl plan --chdir "$fleet" --out "$lab/demo.plan"

say 'Make it so. Each host is changed as one transaction, proven from outside, and only then kept.'
run bin/kepmctl apply --chdir "$fleet" "$lab/demo.plan"

say 'Look again: nothing is left to do.'
run bin/kepmctl plan --chdir "$fleet"

say 'A web page that rebinds a name to 127.0.0.1 would come with a made-up Host. The agent refuses it now:'
run bin/kepmlab nspawn exec lab-01 --dir "$lab" -- curl -ks -o /dev/null -w 'Host: evil.example -> %{http_code}\n' -H 'Host: evil.example' https://127.0.0.1:6889/

say 'Somebody opens the Jobs directory, whose scripts run as root. The next plan shows it:'
run bin/kepmlab nspawn exec lab-02 --dir "$lab" -- chmod 0777 /opt/keeper/sbin/Jobs
run bin/kepmctl plan --chdir "$fleet"

say 'That was all. The hosts go now; only the small Debian they were made from stays, for the next time.'
