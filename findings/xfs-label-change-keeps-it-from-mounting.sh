#!/bin/bash
# `xfs_admin -L` of an XFS with a realtime device ends with 0 and leaves a file system that Linux does not mount.
#
# Versions: xfsprogs 7.2.0, user-mode Linux 7.2 (Debian sid, seen on 30 Nov 2026).
# Expected: as for a log device, xfs_admin either needs no realtime device to change a label, or refuses without it.
# Seen: mkfs.xfs -m metadir=1 -r rtdev=… keeps label and UUID in a superblock on the realtime device too. `xfs_admin -L`
#   (and -U) without `-r` cannot write that one. It prints "write error: Structure needs cleaning", then the new label, and
#   ends with 0. The data device has the new label, the realtime device the old. Linux compares the two and does not
#   mount: "Metadata corruption detected at xfs_rtsb_verify_all". `xfs_repair -r` brings it back; a second xfs_admin with
#   `-r` and the same label does too.
# Why it matters: scripts that name or clone volumes take the exit status for success. The next mount is the one after a
#   reboot.
# Needs root, for chroot and a mount namespace. Exit status: 0 as before, 1 changed, 77 the versions are not served any more.

# shellcheck source=findings/debian-root
. "$(dirname -- "$(readlink -f -- "$0")")/debian-root"
dir=$(mktemp -d)
trap 'rm -rf -- "$dir"' EXIT
debian_root sid "$dir" xfsprogs=7.2.0-1 user-mode-linux=7.2um1 mount util-linux bash coreutils dash sed

root=$dir/root
cat > "$root/start" << 'END'
#!/bin/bash
mount -t proc proc /proc
mount -t devtmpfs dev /dev
mount -t xfs -o rtdev=/dev/ubdc /dev/ubdb /tmp
echo $? > /result
umount /tmp
echo o > /proc/sysrq-trigger
sleep 60
END
chmod +x "$root/start"
mkdir -p "$root"/{proc,dev/shm}

# mounted: the exit status of mount in a Linux whose root is this root.
mounted() {
    rm -f "$root/result"
    # shellcheck disable=SC2016
    timeout 120 unshare --mount bash -c 'mount -t proc proc "$1/proc" && mount -t tmpfs shm "$1/dev/shm" && exec chroot "$1" \
        env TMPDIR=/dev/shm linux.uml seccomp=on mem=256M root=/dev/root rootfstype=hostfs rootflags=/ rw init=/start quiet \
        con=null con0=fd:0,fd:1 ubdb=/data ubdc=/realtime' - "$root" > "$dir/linux" 2>&1 < /dev/null || true
    cat "$root/result" 2> /dev/null || { echo "Linux did not start:"; tail -n 5 "$dir/linux"; }
}
label_of_realtime() { dd if="$root/realtime" bs=1 skip=12 count=12 status=none | tr -d '\0'; }
admin() {
    local status=0
    in_root "$dir" xfs_admin "$@" > "$dir/admin" 2>&1 || status=$?
    echo "$status"
}

truncate -s 600M "$root/data" "$root/realtime"
in_root "$dir" mkfs.xfs -q -L old -m metadir=1 -r rtdev=/realtime /data
seen "mount of the file system as it was made" 0 "$(mounted)"
seen "xfs_admin -L without -r ends with" 0 "$(admin -L new /data)"
seen "its messages" "writing all SBs;write error: Structure needs cleaning;new label = \"new\"" \
    "$(grep -E '^(writing|write|new)' "$dir/admin" | paste -sd ';')"
seen "label of the realtime device" old "$(label_of_realtime)"
seen "mount after xfs_admin -L" 32 "$(mounted)"
seen "what Linux says" xfs_rtsb_verify_all "$(grep -o xfs_rtsb_verify_all "$dir/linux" | head -n 1)"
in_root "$dir" xfs_repair -r /realtime /data > /dev/null 2>&1
seen "label of the realtime device after xfs_repair" new "$(label_of_realtime)"
seen "mount after xfs_repair" 0 "$(mounted)"
seen "xfs_admin -r -L ends with" 0 "$(admin -r /realtime -L newer /data)"
seen "mount after xfs_admin -r -L" 0 "$(mounted)"
seen "xfs_admin -U without -r ends with" 0 "$(admin -U generate /data)"
seen "mount after xfs_admin -U" 32 "$(mounted)"
