# Run as the first process of new mount, PID, IPC and UTS namespaces: makes a host of its own out of this
# machine's (read-only) root file system and becomes its systemd. $CGROUP names a new control group for it,
# $OVER a folder whose files are seen in place of those of /usr.
set -eu

if [ "${1-}" != inside ]; then
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    mkdir "/sys/fs/cgroup/$CGROUP"
    echo 0 >"/sys/fs/cgroup/$CGROUP/cgroup.procs"
    umount /sys/fs/cgroup
    exec unshare --cgroup sh "$0" inside
fi

[ -z "${OVER-}" ] || mount -t overlay overlay -o "lowerdir=$OVER:/usr" /usr
mount -t proc proc /proc
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount -t tmpfs tmpfs /run

# The units of this machine stay out: only what a bare systemd needs is taken along.
units=/usr/lib/systemd/system
mkdir /run/units
for unit in basic.target dbus.service dbus.socket shutdown.target sockets.target sysinit.target \
    systemd-journald.socket; do
    cp "$units/$unit" /run/units
done
cat >/run/units/systemd-journald.service <<'END'
[Unit]
DefaultDependencies=no
Requires=systemd-journald.socket
After=systemd-journald.socket
[Service]
Type=notify
ExecStart=/lib/systemd/systemd-journald
END
cat >/run/units/default.target <<'END'
[Unit]
Requires=basic.target systemd-journald.service dbus.service
After=basic.target systemd-journald.service dbus.service
END
mount -t tmpfs tmpfs "$units"
cp /run/units/* "$units"
mount -t tmpfs tmpfs /usr/lib/systemd/system-generators
mount -t tmpfs tmpfs /etc/systemd
mkdir /etc/systemd/system
printf '[Journal]\nStorage=volatile\nReadKMsg=no\n' >/etc/systemd/journald.conf

# www-data may become root without a password, nobody may not.
mount -t tmpfs tmpfs /etc/sudoers.d
printf 'root ALL=(ALL) ALL\nwww-data ALL=(ALL) NOPASSWD: ALL\n' >/run/sudoers
chmod 0440 /run/sudoers
mount --bind /run/sudoers /etc/sudoers

# Devices: the harmless ones.
mkdir /run/dev
mount -t tmpfs tmpfs /run/dev
for device in null zero full random urandom tty; do
    touch "/run/dev/$device"
    mount --bind "/dev/$device" "/run/dev/$device"
done
mkdir /run/dev/pts
mount -t devpts -o newinstance,ptmxmode=0666 devpts /run/dev/pts
ln -s pts/ptmx /run/dev/ptmx
mount --move /run/dev /dev

mount -o remount,bind,ro /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -o remount,bind,ro /

export container=rollout-tests
exec /lib/systemd/systemd --log-target=journal --show-status=false
