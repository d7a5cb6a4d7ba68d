"""nacre-disk beside the script that Rook's documentation has people paste, and beside ceph-volume lvm zap: time, bytes
written, what is left; signatures of a hundred images beside wipefs and blkid.

usage: disk.py SCRATCH NACRE-DISK [--rounds N] [--json FILE]
Loop devices of 4 GiB below SCRATCH; by turns, so that a busy machine is busy for both.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import threading
import time

GIB = 1 << 30
SIZE = 4 * GIB
FSID = "11111111-2222-3333-4444-555555555555"
MAGICS = (b"bluestore block device", b"EFI PART", b"LVM2 001", b"LABELONE")
FIXTURE = os.path.join(os.path.dirname(__file__), "../../../Tests/BlockDevicesTests/Fixtures/bluestore-single.bin")


def run(*words, check=True):
    return subprocess.run(words, check=check, capture_output=True, text=True, timeout=600)


class Disk:
    """A sparse file with a loop device on it."""

    def __init__(self, scratch, name):
        self.file = os.path.join(scratch, name)
        with open(self.file, "wb") as file:
            file.truncate(SIZE)
        self.loop = run("losetup", "-f", "--show", "--direct-io=on", self.file).stdout.strip()

    def close(self):
        run("losetup", "-d", self.loop, check=False)
        os.unlink(self.file)

    def make_osd(self):
        """A GPT of an old life, and an OSD of 19.2.1 with its copies."""
        run("sgdisk", "-o", "-n", "1:0:0", self.loop)
        with open(FIXTURE, "rb") as file:
            label = file.read(8192)
        with open(self.loop, "r+b") as disk:
            for offset, length in ((0, 8192), (GIB, 4096)):
                disk.seek(offset)
                disk.write(label[:length])
            disk.flush()
            os.fsync(disk.fileno())
        run("blockdev", "--flushbufs", self.loop)

    def written(self):
        with open(f"/sys/block/{os.path.basename(self.loop)}/stat", encoding="ascii") as file:
            fields = file.read().split()
        return int(fields[6]) * 512

    def left(self):
        """Places of every magic on the whole disk, holes of the file left out."""
        run("blockdev", "--flushbufs", self.loop)
        found, at = [], 0
        descriptor = os.open(self.file, os.O_RDONLY)
        while at < SIZE:
            try:
                at = os.lseek(descriptor, at, os.SEEK_DATA)
            except OSError:
                break
            end = os.lseek(descriptor, at, os.SEEK_HOLE)
            while at < end:
                data = os.pread(descriptor, min(end - at, 8 << 20) + 32, at)
                found += [(magic.decode(), at + data.index(magic)) for magic in MAGICS if magic in data]
                at += min(end - at, 8 << 20)
        os.close(descriptor)
        return found


def script(disks, _):
    """What is pasted: sgdisk, dd and wipefs, one disk after the other."""
    for disk in disks:
        run("sgdisk", "--zap-all", disk.loop, check=False)
        run("dd", "if=/dev/zero", f"of={disk.loop}", "bs=1M", "count=100", "oflag=direct,dsync")
        run("wipefs", "-a", disk.loop)


def nacre(disks, program):
    words = [program, "zap", "--fsid", FSID]
    for disk in disks:
        words += [disk.loop, "--serial", disk.file]
    # --content: what an old table leaves in a disk's tail.
    run(*words, "--content", "partition", "--content", "unknown")


def ceph_volume(disks, _):
    """It takes several devices in one call, one after the other: wipefs, then 10 MiB of zeros."""
    run("ceph-volume", "lvm", "zap", *[disk.loop for disk in disks])


def floor(disks, _):
    """The same zeros made and read back by the simplest programs, all disks at once: what the device allows."""
    def one(disk):
        for offset, length in ((0, 100 << 20), (SIZE - (32 << 20), 32 << 20)):
            run("blkdiscard", "-f", "-z", "-o", str(offset), "-l", str(length), disk.loop)
            run("dd", f"if={disk.loop}", "of=/dev/null", "bs=4M", "iflag=direct,skip_bytes,count_bytes",
                f"skip={offset}", f"count={length}")
        run("sync", disk.loop)
    threads = [threading.Thread(target=one, args=(disk,)) for disk in disks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def allow_ceph_volume(scratch):
    """Whether ceph-volume runs here. It wants udevadm, whose answers it does not need for a loop device."""
    if not shutil.which("ceph-volume"):
        return False
    os.environ["CEPH_VOLUME_ALLOW_LOOP_DEVICES"] = "true"
    os.environ["CEPH_VOLUME_SKIP_RESTORECON"] = "yes"
    if not shutil.which("udevadm"):
        directory = os.path.join(scratch, "bin")
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, "udevadm"), "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nexit 0\n")
        os.chmod(file.name, 0o755)
        os.environ["PATH"] += f":{directory}"
    return True


def measure(scratch, program, count, way):
    disks = [Disk(scratch, f"disk{index}") for index in range(count)]
    try:
        for disk in disks:
            disk.make_osd()
        before = sum(disk.written() for disk in disks)
        begin = time.monotonic()
        way(disks, program)
        seconds = time.monotonic() - begin
        return {
            "seconds": seconds,
            "bytes_written": sum(disk.written() for disk in disks) - before,
            "left": [list(place) for place in disks[0].left()],
        }
    finally:
        for disk in disks:
            disk.close()


def put(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def fixture(name):
    return lambda path: put(path, 0, open(os.path.join(os.path.dirname(FIXTURE), name + ".bin"), "rb").read())


def made(*words):
    return lambda path: run(*words, path)


# What to put on an image; each is made by the real program, or was recorded from one.
IMAGES = [
    ("blank", lambda path: None),
    ("ext2", made("mkfs.ext2", "-q", "-F")), ("ext3", made("mkfs.ext3", "-q", "-F")),
    ("ext4", made("mkfs.ext4", "-q", "-F")), ("xfs", made("mkfs.xfs", "-q")), ("swap", made("mkswap", "-q")),
    ("LUKS1", fixture("luks1")), ("LUKS2", fixture("luks2")), ("LVM2", fixture("lvm")),
    ("BlueStore", fixture("bluestore-single")), ("BlueStore db", fixture("bluestore-block.db")),
    ("GPT", made("sgdisk", "-o", "-n", "1:0:0")), ("DOS", lambda path: run("parted", "-s", path, "mklabel", "msdos", "mkpart", "primary", "1MiB", "100%")),
    ("btrfs", lambda path: put(path, 0x10040, b"_BHRfS_M")),
    ("RAID 1.2", lambda path: put(path, 4096, bytes.fromhex("fc4e2ba901000000"))),
    ("ISO 9660", lambda path: put(path, 0x8000, b"\x01CD001\x01")),
    ("squashfs", lambda path: put(path, 0, b"hsqs" + bytes(24) + b"\x04\x00\x00\x00")),
    ("unknown data", lambda path: put(path, 12345, b"something")),
]


def probing(scratch, program, count=100):
    """Signatures of images, one process an image, as scripts do it; and whether the types that blkid sees are seen."""
    times, missed, read = {}, [], 0
    for index in range(count):
        name, make = IMAGES[index % len(IMAGES)]
        path = os.path.join(scratch, f"image{index}")
        with open(path, "wb") as file:
            file.truncate(320 << 20)
        make(path)
        loop = run("losetup", "-f", "--show", "--direct-io=on", path).stdout.strip()
        try:
            said = {}
            for tool, words in (
                ("nacre-disk inspect", [program, "inspect", "-o", "json"]), ("wipefs", ["wipefs", "-J"]),
                ("blkid -p", ["blkid", "-p", "-o", "export"]),
            ):
                begin = time.monotonic()
                said[tool] = run(*words, loop, check=False).stdout
                times.setdefault(tool, []).append((time.monotonic() - begin) * 1000)
            report = json.loads(said["nacre-disk inspect"])[0]
            read = max(read, report["bytesRead"])
            types = {line.split("=", 1)[1] for line in said["blkid -p"].splitlines() if line.startswith(("TYPE=", "PTTYPE="))}
            types |= {entry["type"] for entry in json.loads(said["wipefs"] or "{}").get("signatures", [])}
            ours = json.dumps(report)
            missed += [f"{name}: {kind}" for kind in types if f'"{kind}"' not in ours]
        finally:
            run("losetup", "-d", loop, check=False)
            os.unlink(path)
    return {
        "p50_ms": {tool: statistics.median(found) for tool, found in times.items()},
        "bytes_read": read,
        "missed": sorted(set(missed)),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("scratch")
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json")
    given = parser.parse_args()
    ways = [("script", script), ("nacre", nacre), ("floor", floor)]
    if allow_ceph_volume(given.scratch):
        ways.append(("ceph-volume", ceph_volume))
    else:
        print("there is no ceph-volume here: it is left out")
    runs = {}
    for _ in range(given.rounds):
        for count in (1, 8):
            for name, way in ways:
                runs.setdefault(f"{name} {count}", []).append(measure(given.scratch, given.program, count, way))
    best = {name: min(r["seconds"] for r in found) for name, found in runs.items()}
    probe = probing(given.scratch, given.program)
    for name, found in sorted(runs.items()):
        mib = found[0]["bytes_written"] / (1 << 20)
        print(f"{name:>13} disks: {best[name]:6.2f} s at best, {mib:7.0f} MiB written, left on the first: {found[0]['left']}")
    print(f"probing 100 images, p50: {', '.join(f'{name} {ms:.1f} ms' for name, ms in probe['p50_ms'].items())}; "
          f"inspect reads {probe['bytes_read'] / (1 << 20):.2f} MiB at most; seen by them and not by it: {probe['missed']}")
    # Eight disks take at most 1.5 times one, where the device allows it: the same zeros and reads alone say what it does.
    ratio = {name: best[f"{name} 8"] / best[f"{name} 1"] for name in ("nacre", "floor")}
    bars = [
        ("one disk, against the script", best["nacre 1"] / best["script 1"], 1.0),
        ("eight disks, against the script", best["nacre 8"] / best["script 8"], 1.0),
        ("eight disks, times one (1.5, or a quarter more than the device alone)", ratio["nacre"],
         max(1.5, 1.25 * ratio["floor"])),
        ("inspect, ms", probe["p50_ms"]["nacre-disk inspect"], 20),
        ("inspect, MiB read", probe["bytes_read"] / (1 << 20), 2),
        ("signatures that wipefs or blkid see and inspect does not", len(probe["missed"]), 0),
        ("magics left by nacre-disk", len(runs["nacre 1"][0]["left"]), 0),
    ]
    print(f"eight disks take {ratio['nacre']:.1f} times one; on the device alone they take {ratio['floor']:.1f} times one")
    for text, value, limit in bars:
        print(f"{'PASS' if value <= limit else 'FAIL'}  {text}: {value:.2f} (at most {limit:.2f})")
    if given.json:
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump({"runs": runs, "probing": probe}, file, indent=1)
    return 0 if all(value <= limit for _, value, limit in bars) else 1


raise SystemExit(main())
