# shellcheck shell=sh
# Adds to the base what all hosts of one lab share: the agent, the lab's key and
# the password of the login account, which comes on standard input. Runs in chroot.
set -eu
user=$1 key=$2

printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d # start no service while installing
chmod 755 /usr/sbin/policy-rc.d
dpkg --force-unsafe-io --install /agent.deb
rm /usr/sbin/policy-rc.d /agent.deb

chpasswd

for home in /root "/home/$user"; do
	mkdir -p "$home/.ssh"
	chmod 700 "$home/.ssh"
	printf '%s\n' "$key" >"$home/.ssh/authorized_keys"
	chmod 600 "$home/.ssh/authorized_keys"
done
chown -R "$user:$user" "/home/$user/.ssh"
