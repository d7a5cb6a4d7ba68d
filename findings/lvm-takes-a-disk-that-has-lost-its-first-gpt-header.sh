#!/bin/bash
# A disk has lost its first GPT header: sfdisk, sgdisk, partx and blkid still list the partitions, Linux makes
# none, and `pvcreate -y`, which refuses any partitioned disk, takes it.
#
# Versions: lvm2 2.03.31, util-linux 2.42.4, gdisk 1.0.10, user-mode Linux 7.2 (Debian sid, seen on 30 Nov 2026).
# Expected: the second GPT exists for this case, so what lists partitions and what guards them agree about it.
# Seen, with sector 1 set to zeros and the rest whole:
#   - sfdisk, sgdisk and partx list both partitions by the second GPT; `blkid -p` answers PTTYPE="gpt".
#   - Linux makes no partition devices (it asks the second GPT with the boot parameter "gpt" alone); lsblk shows an empty disk.
#   - `pvcreate -y` refuses the whole disk with "device is partitioned", even with -ff. It refuses it with one wrong byte. It
#     takes it with zeros, and wipes the second GPT and the protective MBR on the way: nothing lists the partitions any more.
# Why it matters: "no partition in /sys/block" and "pvcreate would have refused" are both used as proof that a disk is free.
# Needs root, for chroot and a mount namespace. Exit status: 0 as before, 1 changed, 77 the versions are not served any more.

# shellcheck source=findings/debian-root
. "$(dirname -- "$(readlink -f -- "$0")")/debian-root"
dir=$(mktemp -d)
trap 'rm -rf -- "$dir"' EXIT
debian_root sid "$dir" lvm2=2.03.31-2+b2 util-linux=2.42.4-1 fdisk=2.42.4-1 gdisk=1.0.10-3 user-mode-linux=7.2um1 \
    mount bash coreutils grep kmod

root=$dir/root
mkdir -p "$root"/{proc,sys,dev/shm,answers}
cat > "$root/start" << 'END'
#!/bin/bash
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
insmod /usr/lib/uml/modules/*/kernel/drivers/md/dm-mod.ko
lvm=(--config 'devices { types = ["ubd", 16] use_devicesfile = 0 }')
for name in whole:b byte:c zeros:d; do
    disk=/dev/ubd${name#*:}
    exec > "/answers/${name%:*}" 2>&1
    echo "linux $(ls "$disk"[0-9] 2> /dev/null | wc -l)"
    echo "sfdisk $(sfdisk -d "$disk" 2> /dev/null | grep -c start=)"
    echo "sgdisk $(sgdisk -p "$disk" 2> /dev/null | grep -cE '^ +[0-9]')"
    echo "partx $(partx -g -o NR "$disk" | wc -l)"
    echo "blkid $(blkid -p -s PTTYPE -o value "$disk")"
    pvcreate -y "${lvm[@]}" "$disk" > /dev/null 2>&1
    echo "pvcreate $?"
    echo "afterwards $(sfdisk -d "$disk" 2> /dev/null | grep -c start=)"
done
echo o > /proc/sysrq-trigger
sleep 60
END
chmod +x "$root/start"

truncate -s 64M "$root/whole"
printf 'label: gpt\nsize=10M\nsize=20M\n' | in_root "$dir" sfdisk -q /whole
cp "$root/whole" "$root/byte"
cp "$root/whole" "$root/zeros"
printf X | dd of="$root/byte" bs=1 seek=$((512 + 60)) conv=notrunc status=none
dd if=/dev/zero of="$root/zeros" bs=512 seek=1 count=1 conv=notrunc status=none

# shellcheck disable=SC2016
timeout 240 unshare --mount bash -c 'mount -t proc proc "$1/proc" && mount -t tmpfs shm "$1/dev/shm" && exec chroot "$1" \
    env TMPDIR=/dev/shm linux.uml seccomp=on mem=256M root=/dev/root rootfstype=hostfs rootflags=/ rw init=/start quiet \
    con=null ubdb=/whole ubdc=/byte ubdd=/zeros' - "$root" > "$dir/linux" 2>&1 < /dev/null || true
answers() { paste -sd ';' "$root/answers/$1" || tail -n 5 "$dir/linux"; }

seen "partitions of the whole table, and pvcreate" \
    "linux 2;sfdisk 2;sgdisk 2;partx 2;blkid gpt;pvcreate 5;afterwards 2" "$(answers whole)"
seen "with one wrong byte in the first header" \
    "linux 0;sfdisk 2;sgdisk 2;partx 2;blkid gpt;pvcreate 5;afterwards 2" "$(answers byte)"
seen "with zeros for the first header" \
    "linux 0;sfdisk 2;sgdisk 2;partx 2;blkid gpt;pvcreate 0;afterwards 0" "$(answers zeros)"
