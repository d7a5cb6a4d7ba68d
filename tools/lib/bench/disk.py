"""nacre-disk beside the script that Rook's documentation has people paste: time, bytes written, what is left.

usage: disk.py SCRATCH NACRE-DISK [--rounds N] [--json FILE]
Loop devices of 4 GiB below SCRATCH; by turns, so that a busy machine is busy for both.
"""
import argparse
import json
import os
import statistics
import subprocess
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


def probing(scratch, program, count=100):
    """Signatures of images, one process an image, as scripts do it."""
    disks = [Disk(scratch, f"image{index}") for index in range(4)]
    try:
        for disk in disks:
            disk.make_osd()
        result = {}
        for name, words in (("nacre-disk inspect", [program, "inspect"]), ("wipefs", ["wipefs"]), ("blkid -p", ["blkid", "-p"])):
            times = []
            for index in range(count):
                begin = time.monotonic()
                run(*words, disks[index % len(disks)].loop, check=False)
                times.append((time.monotonic() - begin) * 1000)
            result[name] = statistics.median(times)
        report = json.loads(run(program, "inspect", "-o", "json", disks[0].loop).stdout)
        return {"p50_ms": result, "bytes_read": report[0]["bytesRead"]}
    finally:
        for disk in disks:
            disk.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("scratch")
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json")
    given = parser.parse_args()
    runs = {}
    for _ in range(given.rounds):
        for count in (1, 8):
            for name, way in (("script", script), ("nacre", nacre)):
                runs.setdefault(f"{name} {count}", []).append(measure(given.scratch, given.program, count, way))
    best = {name: min(r["seconds"] for r in found) for name, found in runs.items()}
    probe = probing(given.scratch, given.program)
    for name, found in runs.items():
        mib = found[0]["bytes_written"] / (1 << 20)
        print(f"{name:>9} disks: {best[name]:6.2f} s at best, {mib:7.0f} MiB written, left on the first: {found[0]['left']}")
    print(f"probing, p50: {', '.join(f'{name} {ms:.1f} ms' for name, ms in probe['p50_ms'].items())}; "
          f"inspect reads {probe['bytes_read'] / (1 << 20):.2f} MiB")
    bars = [
        ("one disk, against the script", best["nacre 1"] / best["script 1"], 1.0),
        ("eight disks, against one", best["nacre 8"] / best["nacre 1"], 1.5),
        ("inspect, ms", probe["p50_ms"]["nacre-disk inspect"], 20),
        ("inspect, MiB read", probe["bytes_read"] / (1 << 20), 2),
        ("magics left by nacre-disk", len(runs["nacre 1"][0]["left"]), 0),
    ]
    for text, value, limit in bars:
        print(f"{'PASS' if value <= limit else 'FAIL'}  {text}: {value:.2f} (at most {limit})")
    if given.json:
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump({"runs": runs, "probing": probe}, file, indent=1)
    return 0 if all(value <= limit for _, value, limit in bars) else 1


raise SystemExit(main())
