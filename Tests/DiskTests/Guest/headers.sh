#!/bin/bash
# Runs in a guest of tools/kernel-lab: members of RAIDs, bcache, integrity and encrypted devices as the real tools and the
# real kernel make them, on disks whose data begin behind everything that a zap erases at a disk's ends.
# $1 is nacre-disk, $2 the directory of fixtures.
nacre=$1 fixtures=$2
other=99999999-2222-3333-4444-555555555555
# shellcheck source=Tests/DiskTests/Guest/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
for module in md-mod raid1 bcache dm-integrity dm-crypt; do modprobe "$module" || fail "modprobe $module" "it is missing"; done

partner() {
    rm -f second.img
    truncate -s "$1" second.img
    second=$(losetup -f --show second.img)
}
# raid ARGUMENTS...: a mirror of the disk and its partner as /dev/md0, without a first resync.
raid() {
    mdadm --zero-superblock "$second" 2> /dev/null
    timeout 60 mdadm --quiet --create /dev/md0 --run --assume-clean --level=1 --raid-devices=2 "$@" "$disk" "$second"
}
stop_raid() { timeout 60 mdadm --quiet --stop /dev/md0; }
# Written as whole blocks: what integrity has not written yet cannot be read.
osd_in() { dd if="$fixtures/bluestore-single.bin" of="$1" bs=4096 conv=sync oflag=direct status=none; }
# What an OSD wrote, anywhere on the disk.
holds_osd() {
    blockdev --flushbufs "$disk"
    sync
    grep -q 'bluestore block device' disk.img
}
no_osd() { ! holds_osd; }

for version in 0.90 1.0 1.1 1.2; do
    for bitmap in none internal; do
        name="RAID $version, bitmap $bitmap"
        fresh 64M
        partner 64M
        check "$name: it is made" raid --metadata="$version" --bitmap="$bitmap"
        refuses "$name: a running member" "it is a member of the software RAID" zap --content linux_raid_member
        stop_raid
        check "$name: blkid sees it" bash -c "[[ \$(blkid -p -o value -s TYPE $disk) == linux_raid_member ]]"
        refuses "$name: a stopped member is named" "holds linux_raid_member" zap
        check "$name: its version is told" bash -c "$nacre inspect $disk | grep -q 'linux_raid_member.*version $version'"
        # A boot record in front, as a tool leaves that did not look.
        [[ $version == 1.1 ]] || printf '\x55\xaa' | dd of="$disk" bs=1 seek=510 conv=notrunc,fsync status=none
        refuses "$name: also behind 55 AA" "holds linux_raid_member" zap
        check "$name: it is erased when named" zap --content linux_raid_member
        check "$name: wipefs finds nothing then" bash -c "[[ -z \$(wipefs $disk) ]]"
        check "$name: mdadm finds nothing then" bash -c "! mdadm --examine $disk"
        losetup -d "$second"
    done
done

# The first member of an array that is larger than it shows the array's table, as one of a larger disk: its partition reaches over
# the member's super block, and would fit. It is no copy on a smaller disk, and a table made to fit would be the array's no more.
# mdadm 4.2 makes no RAID 0 of metadata 0.90 any more; stripes over three halves and disks in a row show the same.
for array in "linear 128M" "10 64M"; do
    read -r level size <<< "$array"
    name="a RAID 0.90 of level $level, larger than its first disk"
    modprobe "raid$level" 2> /dev/null || modprobe "$level" || fail "modprobe for level $level" "it is missing"
    fresh 64M
    partner "$size"
    members=("$disk" "$second")
    if [[ $level == 10 ]]; then
        truncate -s "$size" third.img
        members+=("$(losetup -f --show third.img)")
    fi
    check "$name: it is made" timeout 60 mdadm --quiet --create /dev/md0 --run --assume-clean --level="$level" --metadata=0.90 \
        --raid-devices="${#members[@]}" "${members[@]}"
    check "$name: a table on it" sgdisk -n 1:2048:131000 /dev/md0
    table=$(sgdisk -p /dev/md0)
    stop_raid
    refuses "$name: gpt repair leaves its table" "holds linux_raid_member" "$nacre" gpt repair "$disk" --serial "$proof"
    refuses "$name: gpt name leaves its table" "holds linux_raid_member" "$nacre" gpt name "$disk" --serial "$proof" \
        --number 1 --name x
    check "$name: it is put together" timeout 60 mdadm --quiet --assemble /dev/md0 --run "${members[@]}"
    check "$name: the table is as it was" test "$(sgdisk -p /dev/md0)" = "$table"
    stop_raid
    for member in "${members[@]:1}"; do losetup -d "$member"; done
done

fresh 400M
partner 400M
away=(--metadata=1.2 --bitmap=none --data-offset=129M)
check "a RAID with its data 129 MiB away" raid "${away[@]}"
lvm pvcreate -q -q -y /dev/md0 && lvm vgcreate -q -q ceph-raid /dev/md0 &&
    lvm lvcreate -q -q -y -Wn -L 64M -n osd --addtag ceph.osd_id=7 --addtag ceph.type=block \
        --addtag ceph.osd_fsid=aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee --addtag "ceph.cluster_fsid=$other" ceph-raid
osd_in /dev/ceph-raid/osd 2> /dev/null || osd_in /dev/mapper/ceph--raid-osd
lvm vgchange -q -q -an ceph-raid
stop_raid
refuses "what is in a RAID has an owner" "says two things about its owner" zap --content linux_raid_member --content LVM2_member
fresh 400M
raid "${away[@]}"
lvm pvcreate -q -q -y /dev/md0 && lvm vgcreate -q -q ceph-raid /dev/md0 &&
    lvm lvcreate -q -q -y -Wn -L 64M -n osd --addtag ceph.osd_id=7 --addtag ceph.type=block \
        --addtag ceph.osd_fsid=aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee --addtag "ceph.cluster_fsid=$cluster" ceph-raid
osd_in /dev/mapper/ceph--raid-osd
lvm vgchange -q -q -an ceph-raid
stop_raid
refuses "an OSD of another cluster in a volume in a RAID" "the volume ceph-raid/osd belongs to osd.7 of the cluster $cluster" \
    "$nacre" zap "$disk" --serial "$proof" --fsid "$other" --content linux_raid_member
check "it was there" holds_osd
check "an OSD in a volume in a RAID is erased" zap --content linux_raid_member
check "nothing of it is left on the disk" no_osd

check "the RAID is made again" raid "${away[@]}"
check "it gives no volume back" bash -c "! pvs --config 'devices{use_devicesfile=0}' --noheadings /dev/md0"
check "it gives no label back" bash -c "[[ -z \$(wipefs /dev/md0) ]]"
stop_raid
losetup -d "$second"

fresh 64M
partner 64M
truncate -s 64M third.img
third=$(losetup -f --show third.img)
osd_in "$third"
check "a blank RAID is made" raid --metadata=1.2 --bitmap=none
check "it takes a failed disk's place" "$nacre" replace "$third" --new /dev/md0
mkfs.ext4 -qF /dev/md0
# No advice has its disks erased: they hold more than it.
says "a RAID that holds something is no new disk" 77 "blkdiscard --zeroout /dev/md0" "$nacre" replace "$third" --new /dev/md0
check "it is made blank so" blkdiscard --zeroout /dev/md0
check "it takes a failed disk's place then" "$nacre" replace "$third" --new /dev/md0
stop_raid
losetup -d "$second"
losetup -d "$third"
rm -f third.img

fresh 400M
check "bcache with its data 129 MiB away" make-bcache -q -B -o 264192 "$disk"
echo "$disk" > /sys/fs/bcache/register
for _ in {1..100}; do [[ ! -b /dev/bcache0 ]] || break; sleep 0.1; done
osd_in /dev/bcache0
refuses "a running bcache" "stands on it" zap --content bcache
echo 1 > /sys/block/bcache0/bcache/stop
for _ in {1..100}; do [[ -b /dev/bcache0 ]] || break; sleep 0.1; done
refuses "an OSD of another cluster in bcache" "the data of bcache belongs to osd.7" \
    "$nacre" zap "$disk" --serial "$proof" --fsid "$other" --content bcache
check "it was in bcache" holds_osd
check "an OSD in bcache is erased" zap --content bcache
check "nothing of it is left behind bcache" no_osd

# The data begin behind the journal, in whose size is the distance.
for tag in crc32c sha256; do
    fresh 400M
    check "integrity with $tag" integritysetup format -q --no-wipe --journal-size 125829120 --integrity "$tag" "$disk"
    integritysetup open --integrity "$tag" "$disk" checked
    osd_in /dev/mapper/checked
    integritysetup close checked
    refuses "an OSD of another cluster behind $tag" "the data of DM_integrity belongs to osd.7" \
        "$nacre" zap "$disk" --serial "$proof" --fsid "$other" --content DM_integrity
    check "it was behind $tag" holds_osd
    check "an OSD behind $tag is erased" zap --content DM_integrity
    check "nothing of it is left behind $tag" no_osd
done

for kind in luks1 luks2; do
    fresh 400M
    check "$kind with its data 129 MiB away" bash -c "echo -n secret | cryptsetup -q luksFormat --type $kind --offset 264192 \
        --pbkdf pbkdf2 --pbkdf-force-iterations 1000 $disk -"
    cryptsetup -q luksHeaderBackup "$disk" --header-backup-file header.img
    echo -n secret | cryptsetup -q open "$disk" sealed --key-file -
    osd_in /dev/mapper/sealed
    cryptsetup close sealed
    check "$kind is erased" zap --content crypto_LUKS
    cryptsetup -q luksHeaderRestore "$disk" --header-backup-file header.img
    echo -n secret | cryptsetup -q open "$disk" sealed --key-file -
    check "$kind: with its header back there is no OSD in it" bash -c '! grep -q "bluestore block device" /dev/mapper/sealed'
    cryptsetup close sealed
    rm -f header.img
done
losetup -d "$disk"
echo 'done'
