#!/bin/bash
# One key of a new type in a keyring, and Ceph 16 cannot use the other, old keys in it.
#
# Versions: Ceph 20.2.4 (Debian sid) and Ceph 16.2.15 (Debian bookworm), seen on 30 Nov 2026.
# Expected: the keyring is a list of sections; a reader that does not know the type of one user's key still has the keys of
#   all others. An error about that key would name its user.
# Seen: ceph-authtool 20 makes keys of type aes256k (60 characters, beginning with "Ag") unless it is told `-t aes`. As soon
#   as one stands in a keyring, ceph-authtool 16 ends with 1 for every user of the file: "error reading file". It neither
#   lists the file nor adds to it. Without the new key the same file works again.
# Why it matters: a keyring that several users share (client.admin and the pods' users in one file) stops working for old
#   clients when an administrator adds one user, and the message points at the file.
# Needs root, for chroot. Exit status: 0 as before, 1 changed, 77 the versions are not served any more.

# shellcheck source=findings/debian-root
. "$(dirname -- "$(readlink -f -- "$0")")/debian-root"
dir=$(mktemp -d)
trap 'rm -rf -- "$dir"' EXIT
debian_root sid "$dir/20" ceph-common=20.2.4+ds-2
debian_root bookworm "$dir/16" ceph-common=16.2.15+ds-0+deb12u2

# authtool RELEASE ARGUMENT...: the tool on the one file; its messages are in $dir/message.
authtool() {
    local release=$1
    shift
    cp "$dir/keyring" "$dir/$release/root/tmp/keyring"
    in_root "$dir/$release" ceph-authtool /tmp/keyring "$@" 2> "$dir/message" || echo "exit status $?"
    cp "$dir/$release/root/tmp/keyring" "$dir/keyring"
}
: > "$dir/keyring"
authtool 16 -n client.old --gen-key > /dev/null
key=$(sed -n 's/.*key = //p' "$dir/keyring")

seen "the keyring as Ceph 16 made it, to Ceph 20" "$key" "$(authtool 20 -p -n client.old)"
seen "the same, to Ceph 16" "$key" "$(authtool 16 -p -n client.old)"
authtool 20 -n client.new --gen-key > /dev/null
seen "characters of the key that Ceph 20 made" 60 "$(sed -n '/client.new/,/key/s/.*key = //p' "$dir/keyring" | tr -d '\n' | wc -c)"
seen "the old key, to Ceph 20" "$key" "$(authtool 20 -p -n client.old)"
seen "the old key, to Ceph 16" "exit status 1" "$(authtool 16 -p -n client.old)"
seen "what Ceph 16 says" "error reading file /tmp/keyring" "$(cat "$dir/message")"
seen "a further key by Ceph 16" "exit status 1" "$(authtool 16 -n client.third --gen-key)"
sed -i '/client.new/,/key/d' "$dir/keyring"
seen "the old key, to Ceph 16, without the new one" "$key" "$(authtool 16 -p -n client.old)"
authtool 20 -n client.new -t aes --gen-key > /dev/null
seen "the old key, to Ceph 16, beside a new one of type aes" "$key" "$(authtool 16 -p -n client.old)"
