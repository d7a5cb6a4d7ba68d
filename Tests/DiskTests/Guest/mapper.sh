#!/bin/bash
# Runs in a guest of tools/kernel-lab, whose kernel has a device mapper and a partition parser. Says "ok NAME" or
# "not ok NAME: WHY" for each case. $1 is nacre-disk, $2 the directory of fixtures.
nacre=$1 fixtures=$2
other=99999999-2222-3333-4444-555555555555
osd=aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee
group=ceph-3ab6549f-9c8a-4000-8000-000000000001
# shellcheck source=Tests/DiskTests/Guest/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

volume() { # volume NAME SIZE CLUSTER OSD-NUMBER
    lvm lvcreate -q -q -y -Wn -L "$2" -n "$1" --addtag "ceph.osd_id=$4" --addtag "ceph.osd_fsid=$osd" \
        --addtag "ceph.cluster_fsid=$3" --addtag ceph.type=block "$group"
}
osd_on_lvm() {
    fresh 160M
    lvm pvcreate -q -q -y "$disk" && lvm vgcreate -q -q "$group" "$disk" && volume "osd-block-$osd" 64M "$cluster" 7
    mapping=$(dmsetup ls | awk '/osd--block/ {print $1}')
    dd if="$fixtures/bluestore-single.bin" of="/dev/mapper/$mapping" conv=fsync status=none
}
# hold DEVICE: `sleep`, the process $holder, has it open.
hold() {
    sleep 1000 3< "$1" &
    holder=$!
    for _ in {1..200}; do
        ! grep -qx sleep "/proc/$holder/comm" || break
        sleep 0.05
    done
}
is_blank() {
    blockdev --flushbufs "$disk"
    [[ -z $(wipefs "$disk") && $(dmsetup ls) == "No devices found" ]] && "$nacre" inspect "$disk" | grep -q 'nothing on it'
}

check "the device mapper answers" "$nacre" dm version
check "linear is among its targets" bash -c "$nacre dm targets | grep -q linear"

fresh 160M
mkswap -q "$disk" && swapon "$disk"
refuses "an active swap area is refused" "is swap space in use" "$nacre" zap "$disk" --serial "$proof" --content swap
swapoff "$disk"

osd_on_lvm
check "a mapping has its OSD and cluster" bash -c "$nacre dm ls --include $disk | grep -q 'osd.7 block of cluster $cluster'"
check "our table is dmsetup's" bash -c "[ \"\$(dmsetup table $mapping)\" = \"\$($nacre dm table $mapping | sed 's/^[^ ]* //')\" ]"
check "our deps are dmsetup's" bash -c "$nacre dm deps $mapping | grep -q ${disk#/dev/}"
check "info tells the uuid" bash -c "$nacre dm info $mapping | grep -q 'uuid      LVM-'"
check "the tree stands on the disk" bash -c "$nacre dm ls -o tree | grep -q '^  dm-'"
refuses "a mapping itself is not zapped" "is made of other devices" "$nacre" zap "/dev/mapper/$mapping" --serial "$proof" --fsid "$cluster"
refuses "an OSD of another cluster is not taken down" "belongs to osd.7" "$nacre" zap "$disk" --serial "$proof" --fsid "$other"
check "its mapping stays" dmsetup info "$mapping"
hold "/dev/mapper/$mapping"
refuses "an open volume is refused, its user named" "is open in sleep" zap
check "remove says who has it open" bash -c "$nacre dm remove $mapping --no-retry 2>&1 | grep -q 'open in process $holder (sleep)'"
check "clean leaves what is open" bash -c "! $nacre dm clean --ceph --include $disk --fsid $cluster"
check "clean leaves another cluster's" "$nacre" dm clean --ceph --include "$disk" --fsid "$other"
check "the mapping is still there" dmsetup info "$mapping"
kill "$holder"
wait "$holder" 2> /dev/null
check "an OSD's volume is taken down and its disk zapped" zap
check "nothing of it is left" is_blank

osd_on_lvm
mkdir -p /dev/ceph-other && ln -sf ../dm-99 /dev/ceph-other/osd-block-other
check "clean removes the cluster's mappings" "$nacre" dm clean --include "$disk" --fsid "$cluster"
check "and its names" bash -c "! ls -d /dev/mapper/$mapping /dev/$group 2> /dev/null"
check "and no other's" test -L /dev/ceph-other/osd-block-other
says "only who asks for all names loses those" 0 "/dev/ceph-other/osd-block-other: removed" "$nacre" dm clean --ceph
check "and their directory" test ! -e /dev/ceph-other
check "and the volume is gone" bash -c "! dmsetup info $mapping"
check "a closed volume's disk is zapped" zap
check "nothing of that is left" is_blank

osd_on_lvm
# Read-only and whole from the start: ext4 itself would write, and the disk must not change.
mkfs.ext4 -q -F -O ^has_journal -E lazy_itable_init=0 "/dev/mapper/$mapping" && mkdir -p m &&
    mount -o ro "/dev/mapper/$mapping" m && sync
refuses "a mounted volume is refused" "is mounted at" zap --content ext4
umount m
dd if=/dev/zero of="/dev/mapper/$mapping" bs=1M count=2 conv=fsync status=none
echo -n secret | cryptsetup -q luksFormat --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "/dev/mapper/$mapping" - &&
    echo -n secret | cryptsetup -q open "/dev/mapper/$mapping" sealed --key-file -
check "a table's key is not shown" bash -c "$nacre dm table sealed | grep -q crypt && ! $nacre dm table sealed | grep -qE ' [0-9a-f]*[1-9a-f][0-9a-f]{30,}'"
hold /dev/mapper/sealed
refuses "an open encrypted device is refused, and its volume not removed" "is open" zap
kill "$holder"
wait "$holder" 2> /dev/null
check "encrypted, on a volume: both are taken down" zap
check "nothing of the encrypted is left" is_blank

fresh 160M
echo -n secret | cryptsetup -q luksFormat --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --subsystem "ceph_fsid=$cluster" "$disk" - &&
    echo -n secret | cryptsetup -q open "$disk" "set1-data-block-dmcrypt" --key-file -
check "encrypted, on the disk itself" zap
check "nothing of that encrypted is left" is_blank

osd_on_lvm
truncate -s 100M second.img
second=$(losetup -f --show second.img)
lvm pvcreate -q -q -y "$second" && lvm vgextend -q -q "$group" "$second" && lvm lvextend -q -q -l +100%FREE "$group/osd-block-$osd"
refuses "a volume that stands on two disks is refused" "too" zap
lvm vgremove -q -q -y -f "$group"
losetup -d "$second"

fresh 160M
check "a mapping is made" "$nacre" dm create window --device "$disk" --offset 1048576 --length 8388608
check "as dmsetup sees it" bash -c "[ \"\$(dmsetup table window | cut -d ' ' -f 2,3,5)\" = '16384 linear 2048' ]"
refuses "a mapping of nobody we know is refused" "stands on it" zap
check "it is suspended" bash -c "$nacre dm suspend window && dmsetup info window | grep -q SUSPENDED"
check "and resumed" bash -c "$nacre dm resume window && dmsetup info window | grep -q ACTIVE"
says "a name that is taken" 1 "there is a mapping of that name already (DM_DEV_CREATE: EBUSY)" "$nacre" dm create window --device "$disk" --length 4096
"$nacre" dm create other --device "$disk" --length 4096
says "a rename to a name that is taken" 1 "rename the mapping 'other' to 'window': there is a mapping of that name" "$nacre" dm rename other window
"$nacre" dm remove other
says "a window behind the end" 1 "has 167772160 bytes, and it would end at byte 167776256" "$nacre" dm create far --device "$disk" --offset 167772160 --length 4096
says "a mapping that is not there" 66 "suspend the mapping 'nobody': there is no such mapping" "$nacre" dm suspend nobody
says "a device that is not there" 66 "there is none (stat: ENOENT)" "$nacre" dm create view --device /dev/nobody --length 4096
check "and renamed" bash -c "$nacre dm rename window view && dmsetup info view"
hold /dev/dm-0
check "a deferred removal is scheduled" bash -c "$nacre dm remove view --deferred 2>&1 | grep -q 'goes when it is closed'"
check "by force its disk is free at once" bash -c "! $nacre dm remove view --force --no-retry; dmsetup table view | grep -q error"
kill "$holder"
wait "$holder" 2> /dev/null
for _ in {1..100}; do
    dmsetup info view > /dev/null 2>&1 || break
    sleep 0.1
done
check "and it goes with its user" bash -c "! dmsetup info view"
check "what is gone is success" "$nacre" dm remove view

fresh 160M
check "a disk is prepared" "$nacre" prepare "$disk" --serial "$proof" --part ceph-db:40M --part ceph-block:0
check "the kernel has its partitions" test -b "${disk}p1" -a -b "${disk}p2"
dd if="$fixtures/bluestore-single.bin" of="${disk}p2" conv=fsync status=none
mkfs.ext4 -q "${disk}p1" && mount -o ro "${disk}p1" m
says "a window on what is mounted" 1 "mounted at '/tmp/lab/m'" "$nacre" dm create busy --device "${disk}p1" --length 4096
refuses "a mounted partition is refused" "is mounted at" zap --content ext4
umount m
uuid=$("$nacre" plan "$disk" --fsid "$cluster" --content ext4 -o json | jq -r '.[0].refusals[].message' | grep -oE '[0-9a-f-]{36}' | head -1)
check "partitions are zapped" zap --content ext4 ${uuid:+--unknown-osd "$uuid"}
check "the kernel has forgotten them" bash -c "! test -b /sys/class/block/${disk#/dev/}p1 && ! grep -q ${disk#/dev/}p /proc/partitions"
check "nothing of them is left" is_blank

for round in $(seq "${ROUNDS:-4}"); do
    osd_on_lvm
    timeout -s KILL "0.0$((RANDOM % 10))" "$nacre" zap "$disk" --serial "$proof" --fsid "$cluster" > /dev/null 2>&1
    check "killed zap of a volume, round $round: the second run finishes" zap
    check "killed zap of a volume, round $round: nothing is left" is_blank
done
osd_on_lvm
check "teardown takes it all" "$nacre" teardown --fsid "$cluster" --confirm "$cluster" --include "$disk"
check "nothing is left of the cluster" is_blank
# A pending sector where BlueStore may have a label, off the disk's ends: unreadable until it is written, as on a real disk.
truncate -s 1100M below.img
below=$(losetup -f --show below.img)
modprobe dm-dust
dmsetup create dust --table "0 $((1100 << 11)) dust $below 0 4096"
dmsetup message dust 0 addbadblock $(((1 << 30) / 4096)) && dmsetup message dust 0 enable
[[ -z ${disk:-} ]] || losetup -d "$disk"
disk=$(losetup -f --show /dev/mapper/dust)
proof=$(cat "/sys/block/${disk#/dev/}/loop/backing_file")
mkfs.ext4 -q -F -E lazy_itable_init=1,nodiscard "$disk" 1000M
blockdev --flushbufs "$disk"
check "the sector cannot be read" bash -c "! dd if=$disk of=/dev/null bs=4096 count=1 skip=$(((1 << 30) / 4096)) iflag=direct"
check "a disk with a pending sector off its ends is erased" zap --content ext4
check "its sector can be read again" dd if="$disk" of=/dev/null bs=4096 count=1 skip=$(((1 << 30) / 4096)) iflag=direct
check "nothing of it is left" bash -c "[[ -z \$(wipefs $disk) ]]"
losetup -d "$disk"
unset disk
dmsetup remove dust
losetup -d "$below"
# A path of a multipath device, as its mapping's and its partition's UUIDs say; the targets do not matter.
fresh 64M
sgdisk -o -n 1:0:+10M "$disk" > /dev/null
dmsetup create mpatha -u mpath-3600 --table "0 131072 linear $disk 0"
dmsetup create mpatha-part1 -u part1-mpath-3600 --table "0 20480 linear /dev/mapper/mpatha 2048"
refuses "a path of a multipath device is refused" "flush it with multipath -f mpatha first" zap
refuses "its partition goes by kpartx" "remove it with kpartx -d /dev/mapper/mpatha first" zap
dmsetup remove mpatha-part1 && dmsetup remove mpatha
losetup -d "$disk"
echo 'done'
