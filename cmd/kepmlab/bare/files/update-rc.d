#!/bin/sh
# update-rc.d NAME enable|disable says whether a service starts at boot.
if [ ! -x "/etc/init.d/$1" ]; then
	echo "update-rc.d: no script of the service $1" >&2
	exit 1
fi
rm -f "/etc/rc2.d/S01$1" "/etc/rc2.d/K01$1"
case $2 in
enable) ln -s "../init.d/$1" "/etc/rc2.d/S01$1" ;;
disable) ln -s "../init.d/$1" "/etc/rc2.d/K01$1" ;;
*)
	echo "usage: update-rc.d NAME enable|disable" >&2
	exit 1
	;;
esac
