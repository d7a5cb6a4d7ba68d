#!/bin/bash
# `rbd migration` imports two kinds of ordinary qcow2 with wrong contents, and each step ends with 0.
#
# Versions: Ceph 20.2.4, qemu-img 11.1.3 (Debian sid, seen on 30 Nov 2026).
# Expected: librbd reads a qcow2 as qemu does, or `rbd migration prepare --import-only` refuses it, as it refuses backing
#   files and extended L2 entries ("Operation not supported").
# Seen:
#   - Zeros that were written over data. qemu keeps the cluster and marks it as zero (bit 0 of its entry). librbd takes the
#     mark for a part of the offset: the image holds what was overwritten, one byte off. prepare, execute and commit end
#     with 0; commit takes the way back.
#   - A compressed cluster. prepare accepts it. librbd reads the compressed bytes as if they were the data: all steps end
#     with 0 and the cluster is garbage. With many such clusters, as in an image by `qemu-img convert -c`, execute ends
#     with 22 ("failed to read image extent", "Invalid argument"), after prepare had succeeded.
#   The same data as plain qcow2 arrive whole.
# Why it matters: golden images are imported so. The damage shows when a guest reads it, after the source was deleted.
# A Ceph of one monitor and one OSD in memory; 20 s once the packages are there.
# Needs root, for chroot and namespaces. Exit status: 0 as before, 1 changed, 77 the versions are not served any more.

# shellcheck source=findings/debian-root
. "$(dirname -- "$(readlink -f -- "$0")")/debian-root"
dir=$(mktemp -d)
trap 'rm -rf -- "$dir"' EXIT
debian_root sid "$dir" ceph-mon=20.2.4+ds-2 ceph-osd=20.2.4+ds-2 ceph-common=20.2.4+ds-2 qemu-utils=1:11.1.3+ds-1

root=$dir/root
mkdir -p "$root"/{proc,etc/ceph,c/mon,c/osd,images}
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

image() { in_root "$dir" qemu-img "$@" > /dev/null; }
head -c 1M /dev/urandom > "$root/images/data"
yes 'easily compressed' | head -c 64K >> "$root/images/data" || true
truncate -s 8M "$root/images/data"
image convert -O qcow2 /images/data /images/plain
image convert -O qcow2 /images/data /images/zeros
in_root "$dir" qemu-io -c 'write -z 0 512k' /images/zeros > /dev/null
# Random bytes do not compress: of this one, qemu-img compresses the cluster after the first MiB alone. As a guest that ran
# from it leaves it, a plain cluster is the last in the file.
image convert -c -O qcow2 /images/data /images/compressed
in_root "$dir" qemu-io -c 'write -P 7 4M 64k' /images/compressed > /dev/null
yes 'easily compressed' | head -c 1M > "$root/images/text" || true
image convert -c -O qcow2 /images/text /images/packed
in_root "$dir" qemu-io -c 'write -P 7 512k 64k' /images/packed > /dev/null
for name in plain zeros compressed; do image convert -O raw "/images/$name" "/images/$name.raw"; done

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
    for name in plain zeros compressed packed; do
        ceph rbd migration prepare --import-only rbd/$name --source-spec \
            "{\"type\": \"qcow\", \"stream\": {\"type\": \"file\", \"file_path\": \"/images/$name\"}}"
        echo "prepared: $name"
    done
    for name in plain zeros compressed; do
        ceph rbd migration execute --no-progress rbd/$name
        ceph rbd migration commit --no-progress rbd/$name
        ceph rbd export --no-progress rbd/$name /images/$name.rbd
        echo "imported: $name"
    done
    ceph rbd migration execute --no-progress rbd/packed || echo "packed ended with: $?"
}
export -f cluster
unshare --mount --net --pid --fork --kill-child bash -c cluster > "$dir/cluster" 2>&1 || {
    echo "the cluster or an import failed:" >&2
    tail -n 12 "$dir/cluster" "$root/c/mon.out" "$root/c/osd.out" "$root/c/osd.0.log" >&2
    exit 1
}
# changed NAME: the 64 KiB clusters that differ from what qemu-img reads.
changed() {
    { cmp -l "$root/images/$1.raw" "$root/images/$1.rbd" || true; } | awk '{ print int(($1 - 1) / 65536) }' | uniq | paste -sd ' '
}
told() { sed -n "s/^$1: //p" "$dir/cluster" | paste -sd ' '; }
seen "images that prepare accepted" "plain zeros compressed packed" "$(told prepared)"
seen "images of which execute and commit ended with 0" "plain zeros compressed" "$(told imported)"
seen "execute of an image of compressed clusters" 22 "$(told 'packed ended with')"
seen "clusters of the plain image that differ" "" "$(changed plain)"
seen "clusters of the zeroed image that differ" "0 1 2 3 4 5 6 7" "$(changed zeros)"
seen "clusters of the compressed image that differ" 16 "$(changed compressed)"
seen "the zeroed image holds the overwritten data, one byte off" yes \
    "$(cmp -s -n 500000 -i 1:0 "$root/images/data" "$root/images/zeros.rbd" && echo yes)"
