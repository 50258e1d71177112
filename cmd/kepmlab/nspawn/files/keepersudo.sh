#!/bin/sh
# The stand-in for the agent's own sudo: it elevates, unless an approval is wanted.
if [ -e /etc/keeper-approval ]; then
	echo 'Your Keeper Administrator requires approval for this action.'
	printf 'Please enter the reason for this request: '
	read -r reason
	echo "Approval request has been submitted: $reason"
	echo 'To refresh approval status run: keeperagent --refresh'
	exit 1
fi
/usr/bin/sudo -n -- "$@"
