#!/bin/bash
# An OSD of Ceph 20 that wipefs has wiped, and that blkid calls blank, is still whole to Ceph.
#
# Versions: Ceph 20.2.4, util-linux 2.42.4 (Debian sid, seen on 29 Nov 2026).
# Behaviour: ceph-osd --mkfs writes BlueStore's label at 0, 1, 10, 100 and 1000 GiB, as far as the device goes.
#   `wipefs` lists the one at 0 alone, `wipefs -a` erases that one, `blkid -p` then ends with 2 (blank), and
#   `ceph-bluestore-tool show-label` answers with the OSD's uuid from the copies.
# Why it matters: a disk that was wiped by wipefs is found again by whatever reads the copies, as an OSD of its old
#   cluster. `ceph-bluestore-tool zap-device` erases all of them; so do zeros at each of the five places.
# Needs root, for chroot, and 700 MB in the temporary folder. Exit status: 0 as before, 1 changed, 77 not served any more.

# shellcheck source=findings/debian-root
. "$(dirname -- "$(readlink -f -- "$0")")/debian-root"
dir=$(mktemp -d)
trap 'rm -rf -- "$dir"' EXIT
debian_root sid "$dir" ceph-osd=20.2.4+ds-2 util-linux=2.42.4-1
mkdir -p "$dir/root"/{etc/ceph,run/ceph,osd}
ln -sfn /run "$dir/root/var/run"
: > "$dir/root/etc/ceph/ceph.conf"

device=$dir/root/osd/block
label='bluestore block device'
uuid=$(cat /proc/sys/kernel/random/uuid)
truncate -s 1100G "$device"
in_root "$dir" ceph-osd -i 0 --mkfs --osd-uuid "$uuid" --fsid "$(cat /proc/sys/kernel/random/uuid)" \
    --osd-data /osd --osd-objectstore bluestore --no-mon-config --log-file /tmp/log > "$dir/mkfs" 2>&1 \
    || { tail -n 5 "$dir/mkfs" >&2; exit 1; }

labels() {
    local place
    for place in 0 1 10 100 1000; do
        [[ $(dd if="$device" bs=4096 skip=$((place << 18)) count=1 status=none | head -c 22 | tr -d '\0') != "$label" ]] || echo "$place"
    done | paste -sd ' '
}
owner() { in_root "$dir" ceph-bluestore-tool show-label --dev /osd/block 2> /dev/null | sed -n 's/.*"osd_uuid": "\(.*\)".*/\1/p'; }

seen "labels lie at these GiB" "0 1 10 100 1000" "$(labels)"
seen "wipefs lists as many labels as" 1 "$(in_root "$dir" wipefs --noheadings /osd/block | wc -l)"
in_root "$dir" wipefs -a /osd/block > /dev/null
status=0
in_root "$dir" blkid -p /osd/block || status=$?
seen "blkid -p of the wiped device ends with" 2 "$status"
seen "labels lie at these GiB after wipefs -a" "1 10 100 1000" "$(labels)"
seen "show-label of the wiped device names the same OSD" "$uuid" "$(owner)"
in_root "$dir" ceph-bluestore-tool zap-device --dev /osd/block --yes-i-really-really-mean-it > /dev/null 2>&1
seen "labels lie at these GiB after zap-device" "" "$(labels)"
