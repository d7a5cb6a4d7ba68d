#!/bin/bash
# Of one ext4 with a wrong superblock checksum, blkid says that there is nothing and wipefs says that it is ext4.
#
# Versions: util-linux 2.42.4, e2fsprogs of the same suite (Debian sid, seen on 29 Nov 2026). blkid 2.38.1 names it.
# Behaviour: the label in the superblock is changed without the superblock's checksum, as an interrupted write may
#   leave it. `blkid -p` ends with 2, as on a blank device. `wipefs` lists ext4, its UUID and the changed label.
#   The data of the file system are all there; e2fsck mends it from a copy of the superblock.
# Why it matters: a program that formats what blkid calls blank destroys a file system that one e2fsck brings back; and
#   two views of one library are not one truth.
# Needs root, for chroot. Exit status: 0 as before, 1 changed, 77 the versions are not served any more.

# shellcheck source=findings/debian-root
. "$(dirname -- "$(readlink -f -- "$0")")/debian-root"
dir=$(mktemp -d)
trap 'rm -rf -- "$dir"' EXIT
debian_root sid "$dir" util-linux=2.42.4-1 e2fsprogs

disk=$dir/root/tmp/disk
truncate -s 1G "$disk"
in_root "$dir" mkfs.ext4 -q -F -L torn /tmp/disk
type_by_blkid() { in_root "$dir" blkid -p -s TYPE -o value /tmp/disk || echo "exit status $?"; }
type_by_wipefs() { in_root "$dir" wipefs --noheadings --output TYPE /tmp/disk | tr -d ' '; }

seen "blkid of the file system as it was made" ext4 "$(type_by_blkid)"
printf X | dd of="$disk" bs=1 seek=$((1024 + 120)) conv=notrunc status=none
seen "blkid with a wrong checksum" "exit status 2" "$(type_by_blkid)"
seen "wipefs with a wrong checksum" ext4 "$(type_by_wipefs)"
in_root "$dir" e2fsck -fy /tmp/disk > /dev/null 2>&1 || true
seen "blkid after e2fsck" ext4 "$(type_by_blkid)"
