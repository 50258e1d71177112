#!/bin/sh
# verdict.sh offers a verdict on a transaction; the first one wins. Where settling
# was itself interrupted, it is started again.
#
#   sh verdict.sh STATE RUN commit|undo|none    STATE: as for begin.sh; none: only see that it settles
set -u
LC_ALL=C
export LC_ALL
state=$1 run=$2 verdict=$3
if [ -z "$state" ]; then
	state=/var/lib/kepmctl
	[ "$(uname -s)" != Darwin ] || state='/Library/Application Support/kepmctl'
fi
dir=$state/$run

boot=/etc/systemd/system/kepmctl-settle.service
[ -d "$dir" ] || exit 0
[ "$verdict" = none ] || ln -s "$verdict" "$dir/verdict" 2>/dev/null
supervisor=systemd
[ ! -r "$dir/supervisor" ] || read -r supervisor <"$dir/supervisor"
if [ "$supervisor" != systemd ]; then
	exec /bin/sh "$dir/supervise.sh" "$dir" heal
fi
for unit in kepmctl-tx.service kepmctl-settle.service; do
	case $(systemctl show --no-pager -p ActiveState "$unit") in *=inactive | *=failed) ;; *) exit 0 ;; esac
done
if [ "$(readlink "$state/open" 2>/dev/null)" = "$run" ]; then
	[ -e "$boot" ] || cp "$dir/settle.service" "$boot"
	systemctl --no-block start kepmctl-settle.service
elif [ -e "$dir/complete" ] && [ ! -e "$dir/outcome" ] && [ ! -e "$dir/did.begin" ]; then
	sh "$dir/settle.sh" "$dir" # it was uploaded and never started
fi
