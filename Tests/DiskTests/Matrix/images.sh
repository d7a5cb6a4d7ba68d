#!/bin/bash
# images.sh DIR: makes an image of each format in DIR, by the programs of whoever runs it (tools/lib/disk-tools), and prints
# "FILE" for each that was made and "failed FILE: WHY" for each that was not.
# shellcheck disable=SC2016 # the commands of images are expanded where they run
set -uo pipefail
export LC_ALL=C PATH=/usr/sbin:/usr/bin MKE2FS_SKIP_CHECK_MSG=1
cd "$1" || exit 1
mkdir -p tree && echo text > tree/file

# image NAME SIZE COMMAND: the command is a line of bash for which $f is the image.
image() {
    local f=$1.img
    truncate -s "$2" "$f"
    if eval "$3" > "$1.log" 2>&1 < /dev/null; then echo "$f"; else echo "failed $f: $(tail -n 3 "$1.log" | tr '\n' ' ')"; fi
}
# label NAME SIZE COMMANDS: a partition table by parted.
label() { image "$1" "$2" "parted -s \$f $3"; }
secret() { echo -n secret | cryptsetup -q luksFormat --key-file=- --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "$@"; }

file_systems() {
    image ext2 16M 'mke2fs -q -F -t ext2 $f'
    image ext3 16M 'mke2fs -q -F -t ext3 $f'
    image ext4 16M 'mke2fs -q -F -t ext4 $f'
    image ext4-test 16M 'mke2fs -q -F -t ext4 -E test_fs $f'
    image ext-journal 16M 'mke2fs -q -F -O journal_dev $f'
    image xfs 300M 'mkfs.xfs -q $f'
    image xfs-v4 300M 'mkfs.xfs -q -m crc=0 $f'
    truncate -s 64M xfs-log.img && image xfs-with-log 300M 'mkfs.xfs -q -l logdev=xfs-log.img $f' && echo xfs-log.img
    truncate -s 300M xfs-realtime.img && image xfs-with-realtime 300M 'mkfs.xfs -q -m metadir=1 -r rtdev=xfs-realtime.img $f' \
        && echo xfs-realtime.img
    image btrfs 128M 'mkfs.btrfs -q $f'
    image fat12 4M 'mkfs.fat -F 12 $f'
    image fat16 32M 'mkfs.fat -F 16 $f'
    image fat32 64M 'mkfs.fat -F 32 $f'
    image exfat 32M 'mkfs.exfat $f'
    image ntfs 16M 'mkntfs -F -Q -q $f'
    image udf 16M 'mkfs.udf --media-type=hd $f'
    image udf-512 16M 'mkfs.udf --media-type=hd --blocksize=512 $f'
    image iso9660 1M 'genisoimage -quiet -R -J -o $f tree && truncate -s 4M $f'
    image f2fs 64M 'mkfs.f2fs -q -f $f'
    image nilfs2 130M 'mkfs.nilfs2 -q $f'
    image jfs 32M 'mkfs.jfs -q $f'
    image squashfs 1M 'rm $f && mksquashfs tree $f -quiet -no-progress && truncate -s 4M $f'
    image erofs 1M 'rm $f && mkfs.erofs --quiet $f tree && truncate -s 4M $f'
    image cramfs 1M 'mkfs.cramfs tree $f && truncate -s 4M $f'
    image romfs 1M 'genromfs -d tree -f $f && truncate -s 4M $f'
    image minix1 8M 'mkfs.minix -1 $f'
    image minix2 8M 'mkfs.minix -2 $f'
    image minix3 8M 'mkfs.minix -3 $f'
    image bfs 8M 'mkfs.bfs $f'
    image ubifs 1M 'rm $f && mkfs.ubifs -r tree -m 2048 -e 129024 -c 100 -o $f && truncate -s 16M $f'
    image ubi 1M 'printf "[a]\nmode=ubi\nimage=ubifs.img\nvol_id=0\nvol_size=20MiB\nvol_type=dynamic\nvol_name=a\n" > ubi.ini
        rm $f && ubinize -o $f -m 2048 -p 128KiB ubi.ini && truncate -s 32M $f'
    image gfs2 64M 'mkfs.gfs2 -O -q -p lock_nolock -J 8 $f'
    image ocfs2 64M 'mkfs.ocfs2 -q -x -F -M local -N 1 -J size=4M --no-backup-super $f'
    image apfs 16M 'mkapfs $f'
    image swap 1M 'mkswap $f'
    image swap-64k 2M 'mkswap -p 65536 $f'
}

others() {
    image luks1 16M 'secret --type luks1 $f'
    image luks2 32M 'secret --type luks2 $f'
    image luks2-second 32M 'secret --type luks2 $f && dd if=/dev/zero of=$f bs=4096 count=1 conv=notrunc'
    image verity 4M 'truncate -s 8M verity.data && veritysetup format verity.data $f'
    image bcache 64M 'make-bcache -B $f'
    image bcache-cache 64M 'make-bcache -C $f'
    image drbd8 64M 'drbdmeta --force 0 v08 $PWD/$f internal create-md'
    image drbd9 64M 'drbdmeta --force 0 v09 $PWD/$f internal create-md 1'
    image vdo 6G 'loop=$(losetup -f --show $f) && { vdoformat --force $loop; status=$?; losetup -d $loop; test $status = 0; }'
    local version
    for version in 1.0 1.1 1.2 0.90; do
        # mdadm makes one with a kernel only, so these are bytes that it wrote in one.
        case $version in 1.1) at=0 ;; 1.2) at=4096 ;; 1.0) at=67100672 ;; *) at=67043328 ;; esac
        image "md-$version" 64M "dd if=$fixtures/md-$version.bin of=\$f bs=512 seek=$((at / 512)) conv=notrunc"
    done
    # zpool needs a kernel with ZFS, or a daemon of FUSE.
    for recorded in zfs reiserfs-journal-apart; do
        image "$recorded" 1M "python3 -c 'import lzma, sys; sys.stdout.buffer.write(lzma.open(sys.argv[1]).read())' $fixtures/$recorded.img.xz > \$f"
    done
    image lvm2 1M "dd if=$fixtures/lvm.bin of=\$f conv=notrunc && truncate -s 64M \$f"
    image bluestore 1M "dd if=$fixtures/bluestore-single.bin of=\$f conv=notrunc && truncate -s 64M \$f"
}

tables() {
    image gpt 8M 'sgdisk -o -n 1:0:+1M $f'
    image gpt-backup 8M 'sgdisk -o -n 1:0:+1M $f && dd if=/dev/zero of=$f bs=512 count=2 conv=notrunc'
    image gpt-hybrid 8M 'sgdisk -o -n 1:0:+1M -h 1 $f'
    image dos 8M 'sfdisk -q $f <<< ",2M,83"'
    image dos-blank 8M 'sfdisk -q $f <<< "label: dos"'
    image dos-logical 16M 'printf ",2M,83\n,,E\n,2M,83\n" | sfdisk -q $f'
    image sgi 64M 'printf "label: sgi\n,20M\n" | sfdisk -q $f'
    image sun 64M 'printf "label: sun\n,20M\n" | sfdisk -q $f'
    label dvh 16M 'mklabel dvh mkpart primary 4MiB 8MiB'
    label mac 16M 'mklabel mac mkpart a 1MiB 4MiB'
    label mac-blank 16M 'mklabel mac'
    label amiga 16M 'mklabel amiga mkpart ext2 1MiB 4MiB'
    label amiga-blank 16M 'mklabel amiga'
    label atari 16M 'mklabel atari mkpart primary ext2 1MiB 4MiB'
    label atari-blank 16M 'mklabel atari'
    label pc98 16M 'mklabel pc98 mkpart ext2 1MiB 4MiB'
    label pc98-blank 16M 'mklabel pc98'
    label loop 16M 'mklabel loop'
}

fixtures=$2
file_systems & others & tables
wait
