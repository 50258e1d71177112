# shellcheck shell=sh
# Turns a fresh Debian into the base of every host. Runs in its chroot, once.
set -eu

useradd --uid 1000 --create-home --shell /bin/bash --groups sudo "$1"

# What a container of seconds does not need, and what would delay its boot.
for unit in getty.target console-getty.service apt-daily.timer apt-daily-upgrade.timer \
	dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
	systemd-pstore.service dev-hugepages.mount sys-fs-fuse-connections.mount; do
	ln -sf /dev/null "/etc/systemd/system/$unit"
done
ln -sf /lib/systemd/system/multi-user.target /etc/systemd/system/default.target

# Each host gets its own.
rm -f /etc/ssh/ssh_host_* /etc/machine-id /var/lib/dbus/machine-id

mkdir -p /etc/systemd/journald.conf.d
printf '[Journal]\nSystemMaxUse=16M\n' >/etc/systemd/journald.conf.d/kepmlab.conf
cat >/etc/ssh/sshd_config.d/kepmlab.conf <<'END'
HostKey /etc/ssh/ssh_host_ed25519_key
PasswordAuthentication no
UseDNS no
MaxStartups 200
END

apt-get clean
rm -rf /var/lib/apt/lists /usr/share/doc /usr/share/man /usr/share/locale
