#!/bin/sh
# verdict.sh offers a verdict on a transaction; the first one wins. Where settling
# was itself interrupted, it is started again.
#
#   sh verdict.sh STATE RUN commit|undo
set -u
LC_ALL=C
export LC_ALL
state=$1 run=$2 verdict=$3
dir=$state/$run

[ -d "$dir" ] && [ ! -e "$dir/outcome" ] || exit 0
ln -s "$verdict" "$dir/verdict" 2>/dev/null
case $(systemctl show --no-pager -p ActiveState kepmctl-tx.service) in
*=inactive | *=failed)
	systemd-run --quiet --collect --unit=kepmctl-tx -p TimeoutStartSec=90 \
		-p "Description=kepmctl transaction $run, settled again" /bin/sh "$dir/settle.sh" "$dir"
	;;
esac
