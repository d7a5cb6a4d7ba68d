#!/bin/bash
# An etcd restored from a snapshot takes no writes, by the alarm of a member that it does not have.
#
# Versions: etcd, etcdctl and etcdutl 3.5.30 (Debian sid, seen on 30 Nov 2026).
# Expected: `etcdutl snapshot restore` makes a new cluster: new cluster id, new member ids, its own quota. An alarm is the
#   state of one member; that member is not in the new cluster, so its alarm is not either.
# Seen: the old cluster ran full (NOSPACE). The restored one, with a quota a hundred times as large and almost nothing in
#   use, answers each put with "database space exceeded". `alarm list` names an id that `member list` does not have.
#   Compaction and defragmentation, the two steps against a full etcd, change nothing. `alarm disarm` does.
# Why it matters: a full etcd is a common reason to restore into a larger one; Kubernetes on it can then delete and not
#   create, and `endpoint status` shows a database far below its quota.
# Needs root, for chroot and namespaces. Exit status: 0 as before, 1 changed, 77 the versions are not served any more.

# shellcheck source=findings/debian-root
. "$(dirname -- "$(readlink -f -- "$0")")/debian-root"
dir=$(mktemp -d)
trap 'rm -rf -- "$dir"' EXIT
debian_root sid "$dir" etcd-server=3.5.30-2 etcd-client=3.5.30-2

root=$dir/root
head -c 900000 /dev/zero | tr '\0' x > "$root/value"
export root
clusters() {
    set -uo pipefail
    # The loopback interface of the new network namespace.
    python3 -c 'import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh22x", b"lo", 0x41))'
    client=http://127.0.0.1:2379
    peer=http://127.0.0.1:2380
    ctl() { timeout 60 chroot "$root" etcdctl "$@" 2>&1; }
    # start FOLDER QUOTA: waits until it serves.
    start() {
        chroot "$root" etcd --data-dir "$1" --name a --quota-backend-bytes "$2" --initial-cluster "a=$peer" \
            --initial-advertise-peer-urls "$peer" --listen-peer-urls "$peer" --listen-client-urls "$client" \
            --advertise-client-urls "$client" > "$root$1.log" 2>&1 &
        server=$!
        for _ in {1..60}; do
            ! ctl get none > /dev/null || return 0
            sleep 1
        done
        tail -n 3 "$root$1.log"
    }
    # put KEY FILE: OK, or why not.
    put() { ctl put "$1" < "$root/$2" | grep -oE '^OK$|database space exceeded' | head -n 1; }
    member() { ctl member list | cut -d , -f 1; }
    alarmed() { ctl alarm list | sed -n 's/memberID:\([0-9]*\) alarm:NOSPACE */\1/p' | xargs -r printf '%x\n'; }

    echo little > "$root/little"
    start /old 2000000
    for key in 1 2 3; do echo "put $key of the old: $(put $key value)"; done
    old=$(member)
    echo "alarm is the old member's: $([[ $(alarmed) == "$old" ]] && echo yes)"
    ctl snapshot save /snapshot > /dev/null
    kill "$server"
    wait "$server"
    chroot "$root" etcdutl snapshot restore /snapshot --data-dir /new --name a --initial-cluster "a=$peer" \
        --initial-advertise-peer-urls "$peer" --initial-cluster-token other > /dev/null 2>&1
    start /new 200000000
    echo "the new member is another: $([[ $(member) != "$old" ]] && echo yes)"
    echo "alarm of the new cluster is the old member's: $([[ $(alarmed) == "$old" ]] && echo yes)"
    echo "put to the new: $(put 4 little)"
    ctl compact 3 > /dev/null
    ctl defrag > /dev/null
    echo "put after compaction and defragmentation: $(put 4 little)"
    ctl alarm disarm > /dev/null
    echo "put after alarm disarm: $(put 4 little)"
}
export -f clusters
timeout 300 unshare --mount --net --pid --fork --kill-child bash -c clusters > "$dir/answers" 2>&1 || true
seen "answers" "put 1 of the old: OK
put 2 of the old: OK
put 3 of the old: database space exceeded
alarm is the old member's: yes
the new member is another: yes
alarm of the new cluster is the old member's: yes
put to the new: database space exceeded
put after compaction and defragmentation: database space exceeded
put after alarm disarm: OK" "$(cat "$dir/answers")"
