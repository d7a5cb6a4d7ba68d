#!/bin/bash
# The realtime device of an XFS file system looks blank to blkid and wipefs, and wipefs -a leaves it as it is.
#
# Versions: xfsprogs 7.2.0, util-linux 2.42.4 (Debian sid, seen on 29 Nov 2026).
# Behaviour: mkfs.xfs -m metadir=1 -r rtdev=… writes a superblock with the magic "Frog" at byte 0 of the realtime device.
#   libblkid does not know it. `blkid -p` ends with 2, as on a blank device; `wipefs` lists nothing.
# Why it matters: all file data of such a file system may lie on that device. A tool that asks libblkid before it writes
#   (mkfs, pvcreate, an OSD's preparation) takes the device for free.
# Needs root, for chroot. Exit status: 0 as before, 1 changed, 77 the versions are not served any more.

# shellcheck source=findings/debian-root
. "$(dirname -- "$(readlink -f -- "$0")")/debian-root"
dir=$(mktemp -d)
trap 'rm -rf -- "$dir"' EXIT
debian_root sid "$dir" xfsprogs=7.2.0-1 util-linux=2.42.4-1

truncate -s 1G "$dir/root/tmp/data" "$dir/root/tmp/realtime"
in_root "$dir" mkfs.xfs -q -m metadir=1 -r rtdev=/tmp/realtime /tmp/data

status=0
in_root "$dir" blkid -p /tmp/data > /dev/null || status=$?
seen "blkid -p of the data device ends with" 0 "$status"
seen "the realtime device begins with" Frog "$(head -c 4 "$dir/root/tmp/realtime")"
status=0
in_root "$dir" blkid -p /tmp/realtime || status=$?
seen "blkid -p of the realtime device ends with" 2 "$status"
seen "wipefs lists of the realtime device" "" "$(in_root "$dir" wipefs /tmp/realtime)"
in_root "$dir" wipefs -a /tmp/realtime
seen "after wipefs -a the realtime device begins with" Frog "$(head -c 4 "$dir/root/tmp/realtime")"
