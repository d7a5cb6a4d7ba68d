#!/bin/bash
# A whole copy of an ext4 by `e2image -ra` has no spare superblocks, and e2fsck calls it clean.
#
# Versions: e2fsprogs 1.47.4 (Debian sid, seen on 30 Nov 2026).
# Expected: the manual offers -a for "an image that is suitable to use to clone the entire FS or for backup purposes". The
#   copy should stand what the original stands: one bad block 0 or 1, of which e2fsck heals a file system by a spare
#   superblock.
# Seen: the copy names its spare superblocks and group descriptors, and holds zeros where they should be. `e2fsck -fn` ends
#   with 0. When the first superblock is lost, e2fsck restores the original (1) and can do nothing for the copy (8). A full
#   check that may write (`e2fsck -fy`) of the copy beforehand puts no spare superblock back either.
# Why it matters: e2image is also the way to move a file system to another disk. It arrives without its safety net, and no
#   check says so.
# Needs root, for chroot. Exit status: 0 as before, 1 changed, 77 the versions are not served any more.

# shellcheck source=findings/debian-root
. "$(dirname -- "$(readlink -f -- "$0")")/debian-root"
dir=$(mktemp -d)
trap 'rm -rf -- "$dir"' EXIT
debian_root sid "$dir" e2fsprogs=1.47.4-1+b2

tmp=$dir/root/tmp
truncate -s 64M "$tmp/original"
in_root "$dir" mkfs.ext4 -q -F -b 1024 /tmp/original
in_root "$dir" e2image -ra /tmp/original /tmp/copy 2> /dev/null
in_root "$dir" e2image -Qa /tmp/original /tmp/qcow2 2> /dev/null
in_root "$dir" e2image -r /tmp/qcow2 /tmp/through-qcow2 2> /dev/null

# check ARGUMENT...: the exit status of e2fsck.
check() {
    local status=0
    in_root "$dir" e2fsck "$@" > /dev/null 2>&1 || status=$?
    echo "$status"
}
# spares IMAGE: the blocks that should hold a spare superblock and do.
spares() {
    local block
    for block in $(in_root "$dir" dumpe2fs "/tmp/$1" 2> /dev/null | sed -n 's/.*Backup superblock at \([0-9]*\),.*/\1/p'); do
        [[ $(dd if="$tmp/$1" bs=1 skip=$((block * 1024 + 56)) count=2 status=none | od -An -tx1) != " 53 ef" ]] || echo "$block"
    done | paste -sd ' '
}

seen "spare superblocks of the original" "8193 24577 40961 57345" "$(spares original)"
seen "spare superblocks of the copy" "" "$(spares copy)"
seen "spare superblocks of the copy through qcow2" "" "$(spares through-qcow2)"
seen "e2fsck -fn of the copy" 0 "$(check -fn /tmp/copy)"
check -fy /tmp/copy > /dev/null
seen "spare superblocks of the copy after e2fsck -fy" "" "$(spares copy)"
for image in original copy; do dd if=/dev/zero of="$tmp/$image" bs=1024 seek=1 count=1 conv=notrunc status=none; done
seen "e2fsck -fy of the original without its first superblock" 1 "$(check -fy /tmp/original)"
seen "e2fsck -fy of the copy without its first superblock" 8 "$(check -fy /tmp/copy)"
