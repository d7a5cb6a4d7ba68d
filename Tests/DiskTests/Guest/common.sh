#!/bin/bash
# What the scripts for guests of tools/kernel-lab share: "ok NAME" or "not ok NAME: WHY" for each case.
set -uo pipefail
cluster=11111111-2222-3333-4444-555555555555
export LVM_SUPPRESS_FD_WARNINGS=1 DM_DISABLE_UDEV=1
mkdir -p /tmp/lab && cd /tmp/lab || exit 1

ok() { echo "ok $1"; }
fail() { echo "not ok $1: $(tr '\n' ' ' <<< "$2")"; }
# check NAME COMMAND...: the command has to work.
check() {
    local name=$1 said
    shift
    if said=$("$@" 2>&1); then ok "$name"; else fail "$name" "$said"; fi
}
# refuses NAME WORDS COMMAND...: the command has to end with 77, say so, and change nothing on the disk.
refuses() {
    local name=$1 words=$2 said status before after
    shift 2
    sync
    before=$(sha256sum < disk.img)
    said=$("$@" 2>&1)
    status=$?
    blockdev --flushbufs "$disk" 2> /dev/null
    sync
    after=$(sha256sum < disk.img)
    if [[ $status != 77 ]]; then fail "$name" "status $status: $said"
    elif [[ $said != *"$words"* ]]; then fail "$name" "$said"
    elif [[ $before != "$after" ]]; then fail "$name" "the disk was changed"
    else ok "$name"; fi
}
# says NAME STATUS WORDS COMMAND...: the command has to end so, and say so.
says() {
    local name=$1 wanted=$2 words=$3 said status
    shift 3
    said=$("$@" 2>&1)
    status=$?
    if [[ $status == "$wanted" && $said == *"$words"* ]]; then ok "$name"; else fail "$name" "status $status: $said"; fi
}
# fresh SIZE: a blank disk, $disk, of which $proof is the proof.
fresh() {
    [[ -z ${disk:-} ]] || losetup -d "$disk"
    rm -f disk.img
    truncate -s "$1" disk.img
    disk=$(losetup -P -f --show disk.img)
    proof=$(readlink -f disk.img)
}
lvm() { command "$@" --config "devices{use_devicesfile=0 filter=[\"a|^/dev/loop|\",\"a|^/dev/md|\",\"r|.*|\"]} activation{udev_sync=0 udev_rules=0}"; }
zap() { "${nacre:?}" zap "$disk" --serial "$proof" --fsid "$cluster" "$@"; }
