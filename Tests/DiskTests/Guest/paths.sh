#!/bin/bash
# Runs in a guest of tools/kernel-lab: disks with two nodes each and nobody who gathers them (scsi_debug, tcm_loop), and
# reservations by the kernel's own target. Says "ok NAME" or "not ok NAME: WHY" for each case. $1 is nacre-disk, $2 the
# directory of fixtures.
nacre=$1 fixtures=$2
here=$(dirname -- "${BASH_SOURCE[0]}")
# shellcheck source=Tests/DiskTests/Guest/common.sh
. "$here/common.sh"

# refuses NAME WORDS COMMAND...: ends with 77, says so, and changes nothing on the disk.
refuses() {
    local name=$1 words=$2 said status before after
    shift 2
    sync
    blockdev --flushbufs "$disk"
    before=$(sha256sum < "$disk")
    said=$("$@" 2>&1)
    status=$?
    sync
    blockdev --flushbufs "$disk" "$other"
    after=$(sha256sum < "$disk")
    if [[ $status != 77 ]]; then fail "$name" "status $status: $said"
    elif [[ $said != *"$words"* ]]; then fail "$name" "$said"
    elif [[ $before != "$after" ]]; then fail "$name" "the disk was changed"
    else ok "$name"; fi
}
# claim DEVICE FLAGS: a python, $holder, has it open so.
claim() {
    rm -f on
    /usr/bin/python3 -c "import os, time; os.open('$1', $2); open('on', 'w'); time.sleep(1000)" &
    holder=$!
    for _ in {1..200}; do [[ ! -e on ]] || break; sleep 0.05; done
}
unclaim() {
    kill "$holder"
    wait "$holder" 2> /dev/null
}
# appears COUNT: waits until there are so many SCSI disks.
appears() {
    for _ in {1..200}; do
        (($(find /sys/class/block -name 'sd?' | wc -l) < $1)) || return 0
        sleep 0.1
    done
}
blank() {
    dd if=/dev/zero of="$disk" bs=1M count=64 conv=fsync status=none
    blockdev --flushbufs "$disk" "$other"
    blockdev --rereadpt "$other"
}
zap() { "$nacre" zap "$disk" --serial "$proof" "$@"; }
same="'sdb' is the same disk (world-wide name naa."

modprobe -a sd_mod dm_mod
modprobe scsi_debug dev_size_mb=64 add_host=2 num_tgts=1 max_luns=1 per_host_store=0 vpd_use_hostno=0
appears 2
disk=/dev/sda other=/dev/sdb
proof=$("$nacre" inspect "$disk" -o json | jq -r '.[0].identity.proof')
mkdir -p m
says "both nodes are told" 0 "same disk /dev/sdb: free" "$nacre" inspect "$disk"
says "a disk that is free by both is planned" 0 "the same disk is 'sdb', too" "$nacre" plan "$disk"
refuses "one disk that is named twice is refused" "'sda' and 'sdb' are one disk" "$nacre" zap "$disk" "$other" --serial "$proof"

mkfs.ext4 -q -E lazy_itable_init=0 -O ^has_journal "$other" && mount -o ro "$other" m
refuses "what is mounted by the other node is refused" "$same" zap --content ext4
refuses "and by the name of the mount" "'sdb' is mounted at '/tmp/lab/m'" zap --content ext4
umount m
claim "$other" "os.O_RDONLY | os.O_EXCL"
refuses "what is claimed by the other node is refused" "is claimed: open in process $holder (python3)" zap --content ext4
dmsetup create below --uuid LVM-aaaa --table "0 2048 linear $disk 0"
refuses "also before a mapping is taken down" "which is the same disk as 'sda', is claimed" zap --content ext4
check "the mapping stays" dmsetup info below
unclaim
claim "$other" os.O_RDWR
refuses "what is open to write by the other node is refused" "has 'sdb' open to write" zap --content ext4
unclaim
dmsetup remove below
losetup -f "$other"
refuses "a loop device on the other node is refused" "stands on it" zap --content ext4
losetup -D
check "what is free again is zapped" zap --content ext4
check "and reads as zeros by the other node" cmp -n 1048576 "$other" /dev/zero

mkswap -q "$other" && swapon "$other"
refuses "swap space on the other node is refused" "'sdb' is swap space in use" zap --content swap
swapoff "$other"
blank
dmsetup create above --table "0 2048 linear $other 0"
refuses "a mapping on the other node is refused" "the mapping 'above' stands on it" zap
refuses "also before a disk is prepared" "the mapping 'above' stands on it" "$nacre" prepare "$disk" --serial "$proof" --part ceph-db:0
dmsetup remove above

check "a disk is prepared" "$nacre" prepare "$disk" --serial "$proof" --part ceph-db:20M --part ceph-wal:0
check "and its partitions are known by both nodes" test -b /dev/sda1 -a -b /dev/sdb1 -a -b /dev/sdb2
mkfs.ext4 -q -E lazy_itable_init=0 -O ^has_journal /dev/sdb1 && mount -o ro /dev/sdb1 m
unknown=(--content ext4)
for uuid in $("$nacre" plan "$disk" -o json | jq -r '.[0].refusals[].message' | grep -oE '[0-9a-f-]{36}'); do unknown+=(--unknown-osd "$uuid"); done
refuses "a partition that is mounted by the other node is refused" "'sdb1' is mounted at" zap "${unknown[@]}"
refuses "also when it is named itself" "'sdb1' is the same disk" "$nacre" zap /dev/sda1 --serial "$proof" "${unknown[@]}"
umount m
check "its disk is zapped" zap "${unknown[@]}"
check "and both nodes have forgotten the partitions" bash -c '! compgen -G "/sys/class/block/sd[ab][0-9]"'

dd if="$fixtures/bluestore-single.bin" of="$disk" conv=fsync status=none
blockdev --flushbufs "$other"
check "a cluster's disk of two nodes is torn down once" "$nacre" teardown --fsid "$cluster" --confirm "$cluster"
check "and nothing is left by either" bash -c "$nacre inspect $disk | grep -q 'nothing on it' && $nacre inspect $other | grep -q 'nothing on it'"

modprobe -a target_core_mod target_core_file tcm_loop
mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
target=/sys/kernel/config/target
truncate -s 64M back.img
mkdir -p $target/core/fileio_0/d0
echo "fd_dev_name=/tmp/lab/back.img,fd_dev_size=67108864" > $target/core/fileio_0/d0/control
echo ACE0001 > $target/core/fileio_0/d0/wwn/vpd_unit_serial
echo 1 > $target/core/fileio_0/d0/enable
for n in 1 2; do
    host=$target/loopback/naa.600140500000000$n/tpgt_1
    mkdir -p "$host"
    echo naa.600140510000000$n > "$host/nexus"
    mkdir -p "$host/lun/lun_0"
    ln -s $target/core/fileio_0/d0 "$host/lun/lun_0/d0"
done
appears 4
disk=/dev/sdd other=/dev/sdc proof=ACE0001
says "nobody has reserved it" 0 '"reservation": null' "$nacre" plan "$disk" -o json
check "an initiator registers" /usr/bin/python3 "$here/pr.py" "$other" register 0x1f2e
says "its key is told" 0 "other hosts may use it: registered key: 0x1f2e" "$nacre" plan "$disk"
kinds=("" "write exclusive" "exclusive access" "write exclusive, registrants only" "exclusive access, registrants only"
    "write exclusive, all registrants" "exclusive access, all registrants")
for kind in 1 2 3 4 5 6; do
    check "it reserves, type $kind" /usr/bin/python3 "$here/pr.py" "$other" reserve 0x1f2e $kind
    says "its reservation is told, type $kind" 77 "(${kinds[kind]}); registered key: 0x1f2e" "$nacre" plan "$disk"
    says "by the node of its holder, too, type $kind" 77 "(${kinds[kind]})" "$nacre" plan "$other"
    says "and refused, type $kind" 77 "'sdd' is reserved" zap --content unknown
    check "it releases, type $kind" /usr/bin/python3 "$here/pr.py" "$other" release 0x1f2e $kind
done
check "it goes" /usr/bin/python3 "$here/pr.py" "$other" clear 0x1f2e
check "what nobody has reserved any more is zapped" zap
echo 'done'
