#!/bin/sh
# The stand-in for the agent's PAM hook: sudo is refused, unless keepersudo started it.
read -r line <"/proc/$PPID/stat" # of sudo
# shellcheck disable=SC2086 # split into columns
set -- ${line##*) }              # what follows the name: state, parent ...
case $(tr '\0' ' ' <"/proc/$2/cmdline") in */keepersudo\ * | */keeperagent\ *) exit 0 ;; esac
echo 'ERROR: To run sudo, use keepersudo'
exit 1
