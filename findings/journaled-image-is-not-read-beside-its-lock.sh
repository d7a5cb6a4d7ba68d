#!/bin/bash
# With the feature journaling, a client that may write cannot even read an image while another one has its exclusive lock.
#
# Versions: Ceph 20.2.4, python3-rbd 20.2.4 (Debian sid, seen on 30 Nov 2026).
# Expected: the exclusive lock orders writers. A second client reads without it, as it does without journaling.
# Seen: one client holds the lock exclusively (rbd_lock_acquire). Another opens the image for writing and only reads:
#   - without journaling it reads.
#   - with journaling, rbd_read ends with EROFS (30), which speaks of a read-only file system and of a write.
#   - opened read-only, the same client reads the same bytes.
#   A resize by that handle is carried out: librbd sends it to the client with the lock.
# Why it matters: whoever looks at an image before it is resized, with the one handle that it needs for that, fails on
#   mirrored images alone, with an error that names another cause.
# A Ceph of one monitor and one OSD in memory; 20 s once the packages are there.
# Needs root, for chroot and namespaces. Exit status: 0 as before, 1 changed, 77 the versions are not served any more.

# shellcheck source=findings/debian-root
. "$(dirname -- "$(readlink -f -- "$0")")/debian-root"
dir=$(mktemp -d)
trap 'rm -rf -- "$dir"' EXIT
debian_root sid "$dir" ceph-mon=20.2.4+ds-2 ceph-osd=20.2.4+ds-2 ceph-common=20.2.4+ds-2 python3-rbd=20.2.4+ds-2

root=$dir/root
mkdir -p "$root"/{proc,etc/ceph,c/mon,c/osd}
fsid=$(cat /proc/sys/kernel/random/uuid)
cat > "$root/etc/ceph/ceph.conf" << END
[global]
fsid = $fsid
mon host = v1:127.0.0.1:6789
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd crush chooseleaf type = 0
paxos propose interval = 0.05
mon data = /c/mon
osd data = /c/osd
osd objectstore = memstore
memstore device bytes = 1G
osd class load list = *
osd class default list = *
run dir = /c
log file = /c/\$name.log
[client]
admin socket =
log file =
END
cat > "$root/c/look.py" << 'END'
import rados
import rbd


def client():
    cluster = rados.Rados(conffile="/etc/ceph/ceph.conf")
    cluster.connect()
    return cluster.open_ioctx("rbd")


def outcome(act):
    try:
        return act()
    except rbd.Error as error:
        return error.errno


holder, other = client(), client()
for name, features in [("plain", rbd.RBD_FEATURE_EXCLUSIVE_LOCK),
                       ("journaled", rbd.RBD_FEATURE_EXCLUSIVE_LOCK | rbd.RBD_FEATURE_JOURNALING)]:
    rbd.RBD().create(holder, name, 8 << 20, old_format=False, features=features)
    with rbd.Image(holder, name) as owner:
        owner.lock_acquire(rbd.RBD_LOCK_MODE_EXCLUSIVE)
        owner.write(b"data", 0)
        owner.flush()
        with rbd.Image(other, name) as image:
            print(f"{name} for writing: {outcome(lambda: image.read(0, 4))}", flush=True)
            print(f"{name} resized: {outcome(lambda: image.resize(16 << 20))}", flush=True)
        with rbd.Image(other, name, read_only=True) as image:
            print(f"{name} read-only: {outcome(lambda: image.read(0, 4))}", flush=True)
        owner.lock_release()
END

# What runs in the namespaces.
export root fsid
cluster() {
    set -euo pipefail
    mount -t proc proc "$root/proc"
    # The loopback interface of the new network namespace.
    python3 -c 'import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh22x", b"lo", 0x41))'
    ceph() { timeout 60 chroot "$root" "$@"; }
    ceph monmaptool --create --fsid "$fsid" --addv a v1:127.0.0.1:6789 /c/map
    ceph ceph-authtool -C /c/keyring -n mon. --gen-key --cap mon 'allow *'
    ceph ceph-mon --mkfs -i a --monmap /c/map --keyring /c/keyring
    chroot "$root" ceph-mon -i a -f > "$root/c/mon.out" 2>&1 &
    uuid=$(cat /proc/sys/kernel/random/uuid)
    ceph ceph osd new "$uuid"
    ceph ceph-osd -i 0 --mkfs --osd-uuid "$uuid" --fsid "$fsid"
    chroot "$root" ceph-osd -i 0 -f > "$root/c/osd.out" 2>&1 &
    ceph ceph osd pool create rbd 1
    ceph rbd pool init rbd
    ceph python3 /c/look.py
}
export -f cluster
unshare --mount --net --pid --fork --kill-child bash -c cluster > "$dir/cluster" 2>&1 || {
    echo "the cluster or a client failed:" >&2
    tail -n 12 "$dir/cluster" "$root/c/mon.out" "$root/c/osd.out" "$root/c/osd.0.log" >&2
    exit 1
}
told() { sed -n "s/^$1: //p" "$dir/cluster" | paste -sd ' '; }
seen "a plain image, opened for writing, is read" "b'data'" "$(told 'plain for writing')"
seen "a journaled image, opened for writing, is read" 30 "$(told 'journaled for writing')"
seen "a journaled image, opened read-only, is read" "b'data'" "$(told 'journaled read-only')"
seen "a journaled image is resized by the first handle" None "$(told 'journaled resized')"
