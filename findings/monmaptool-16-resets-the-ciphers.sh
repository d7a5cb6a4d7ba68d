#!/bin/bash
# monmaptool 16 adds a monitor to a map of Ceph 20 and sets the map's ciphers back, without a word.
#
# Versions: Ceph 20.2.4 (Debian sid) and Ceph 16.2.15 (Debian bookworm), seen on 30 Nov 2026.
# Expected: a tool that cannot keep what a newer release wrote refuses to write, above all where the map itself says
#   min_mon_release 20. (monmaptool 16 prints that line, as "20 (unknown)".)
# Seen: `monmaptool --add` of 16 ends with 0. The address is there, and the service cipher and the preferred cipher went
#   from aes256k to aes; the allowed ciphers from aes256k alone to both. Adding by monmaptool 20 keeps all three.
# Why it matters: rescue work with monmaps is done from whatever host still runs, with what is installed there.
# Needs root, for chroot. Exit status: 0 as before, 1 changed, 77 the versions are not served any more.

# shellcheck source=findings/debian-root
. "$(dirname -- "$(readlink -f -- "$0")")/debian-root"
dir=$(mktemp -d)
trap 'rm -rf -- "$dir"' EXIT
debian_root sid "$dir/20" ceph-base=20.2.4+ds-2
debian_root bookworm "$dir/16" ceph-base=16.2.15+ds-0+deb12u2

# monmap RELEASE ARGUMENT...: that release's tool on the one map.
monmap() {
    local release=$1
    shift
    [[ ! -e $dir/map ]] || cp "$dir/map" "$dir/$release/root/tmp/map"
    in_root "$dir/$release" monmaptool "$@" /tmp/map || echo "exit status $?"
    cp "$dir/$release/root/tmp/map" "$dir/map"
}
ciphers() { monmap 20 --print | sed -n 's/^auth_\([a-z]*\)_ciphers* /\1: /p' | paste -sd ';'; }
monitors() { monmap 20 --print | grep -cE '^[0-9]+: '; }

monmap 20 --create --add a 192.0.2.1:6789 > /dev/null
new='service: aes256k;allowed: aes256k;preferred: aes256k'
seen "ciphers of the map as it was made" "$new" "$(ciphers)"
monmap 20 --add b 192.0.2.2:6789 > /dev/null
seen "ciphers after monmaptool 20 added a monitor" "$new" "$(ciphers)"
seen "monmaptool 16 reads" "min_mon_release 20 (unknown)" "$(monmap 16 --print | grep min_mon_release)"
seen "it adds a monitor" "monmaptool: writing epoch 0 to /tmp/map (3 monitors)" "$(monmap 16 --add c 192.0.2.3:6789 | tail -n 1)"
seen "monitors in the map" 3 "$(monitors)"
seen "ciphers after monmaptool 16 added a monitor" 'service: aes;allowed: aes, aes256k;preferred: aes' "$(ciphers)"
