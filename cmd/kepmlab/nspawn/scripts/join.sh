# shellcheck shell=sh
# Joins the further control groups named before "--", then becomes what follows it.
set -eu
while [ "$1" != -- ]; do
	echo $$ >"$1/cgroup.procs"
	shift
done
shift
exec "$@"
