"""The data path benchmark: the same fio on each way to make a block device of an image, by turns, on one cluster.

usage: datapath.py WHERE --cluster DIR --work DIR --nacre FILE --out FILE [options]; WHERE is host or guest.
"""
import argparse
import base64
import http.client
import json
import os
import socket
import subprocess
import sys
import time
import uuid

import rados
import rbd

POOL = "rbd"
FEATURES = rbd.RBD_FEATURE_LAYERING | rbd.RBD_FEATURE_EXCLUSIVE_LOCK | rbd.RBD_FEATURE_OBJECT_MAP \
    | rbd.RBD_FEATURE_FAST_DIFF | rbd.RBD_FEATURE_DEEP_FLATTEN
# As FileSystemOptions has them, for ext4.
MKFS = ["-m0", "-Enodiscard,lazy_itable_init=1,lazy_journal_init=1"]


class Failure(Exception):
    """One line for the reader."""


def say(text):
    print(f"   {text}", file=sys.stderr, flush=True)


def run(*words, limit=120):
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=limit)
    if done.returncode != 0:
        raise Failure(f"{' '.join(words)} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-600:]}")
    return done.stdout


class Nacre:
    """`nacre serve` of one mapper, and its Node service."""

    def __init__(self, options, mounter):
        self.options, self.name, self.mounter = options, f"nacre {mounter}", mounter
        self.work = f"{options.work}/{mounter}"
        os.makedirs(f"{self.work}/stage", exist_ok=True)
        self.socket = f"{self.work}/s"
        with open(f"{options.cluster}/config.json", encoding="utf-8") as file:
            self.cluster_id = json.load(file)[0]["clusterID"]
        secret = f"{options.cluster}/secrets/csi-rbd-node"
        with open(f"{secret}/userID", encoding="utf-8") as user, open(f"{secret}/userKey", encoding="utf-8") as key:
            self.secrets = {"userID": user.read().strip(), "userKey": key.read().strip()}
        with open(f"{self.work}/log", "ab") as log:
            self.process = subprocess.Popen(
                [options.nacre, "serve", "--socket", self.socket, "--config", f"{options.cluster}/config.json",
                 "--state-dir", f"{self.work}/state", "--node-id", f"bench-{mounter}", "--mounter", mounter],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not os.path.exists(self.socket):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise Failure(f"nacre serve does not start: {open(f'{self.work}/log', encoding='utf-8').read()[-800:]}")
            time.sleep(0.05)

    def call(self, method, body):
        connection = http.client.HTTPConnection("nacre", timeout=120)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(120)
        connection.sock.connect(self.socket)
        connection.request("POST", f"/csi.v1.Node/{method}", json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status != 200:
            raise Failure(f"{method}: {text}")

    def stage(self, image, access):
        path = f"{self.work}/stage/{image}"
        os.makedirs(path, exist_ok=True)
        self.call("NodeStageVolume", {
            "volumeId": f"{self.cluster_id}/{POOL}//{image}", "stagingTargetPath": path, "secrets": self.secrets,
            "volumeCapability": {**access, "accessMode": {"mode": "SINGLE_NODE_WRITER"}}})
        return path

    def map(self, image):
        return f"{self.stage(image, {'block': {}})}/device"

    def unmap(self, image):
        path = f"{self.work}/stage/{image}"
        self.call("NodeUnstageVolume", {"volumeId": f"{self.cluster_id}/{POOL}//{image}", "stagingTargetPath": path})

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


class Command:
    """A device made by Ceph's own programs, as the same user."""

    def __init__(self, options, name):
        self.name = name
        self.ceph = ["--conf", f"{options.cluster}/ceph.conf", "--id", "csi-rbd-node"]
        self.devices = {}

    def stop(self):
        pass


class KernelRBD(Command):
    def map(self, image):
        self.devices[image] = run("rbd", *self.ceph, "map", "-o", "noudev,ms_mode=prefer-crc", f"{POOL}/{image}").strip()
        return self.devices[image]

    def unmap(self, image):
        run("rbd", *self.ceph, "unmap", "-o", "noudev", self.devices.pop(image))


class RBDNBD(Command):
    def map(self, image):
        self.devices[image] = run("rbd-nbd", *self.ceph, "map", "--try-netlink", f"{POOL}/{image}").strip()
        return self.devices[image]

    def unmap(self, image):
        run("rbd-nbd", *self.ceph, "unmap", self.devices.pop(image))


class RBDFuse(Command):
    """rbd-fuse serves the whole pool; each image of it gets a loop device."""

    def __init__(self, options, name):
        super().__init__(options, name)
        self.mount = f"{options.work}/rbd-fuse"
        os.makedirs(self.mount, exist_ok=True)
        self.process = None

    def map(self, image):
        # It reads the pool's directory at each look, but opens what it was asked for by its first caller alone.
        self.process = subprocess.Popen(["rbd-fuse", "-f", "-c", f"{self.ceph[1]}", "-p", POOL, self.mount],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while not os.path.exists(f"{self.mount}/{image}"):
            if time.monotonic() > deadline:
                raise Failure("rbd-fuse does not show the image")
            time.sleep(0.01)
        self.devices[image] = run("losetup", "--direct-io=on", "-f", "--show", f"{self.mount}/{image}").strip()
        return self.devices[image]

    def unmap(self, image):
        run("losetup", "-d", self.devices.pop(image))
        deadline = time.monotonic() + 10
        while subprocess.run(["umount", self.mount], capture_output=True, check=False).returncode != 0:
            if time.monotonic() > deadline:
                run("umount", "-l", self.mount)
                break
            time.sleep(0.02)
        self.process.wait(30)


class RBDBench(Command):
    """The ceiling: librbd in the process that wants the I/O, no device at all."""

    def measure(self, image, job, seconds):
        pattern, size = ("rand", "4K") if job["bs"] == "4k" else ("seq", "1M")
        kind = "write" if "write" in job["rw"] else "read"
        total = "2G" if job["bs"] == "4k" else "16G"
        words = ["timeout", "-s", "INT", str(seconds), "rbd", *self.ceph, "bench", f"{POOL}/{image}", "--io-type", kind,
                 "--io-pattern", pattern, "--io-size", size, "--io-threads", str(job["depth"]), "--io-total", total]
        output = subprocess.run(words, capture_output=True, text=True, check=False, timeout=seconds + 60).stdout
        # Lines of: second, operations, operations/s, bytes/s.
        rows = [line.split() for line in output.splitlines() if line.strip()[:1].isdigit()]
        # On a busy guest it may not get to say anything; it is no bar.
        return float(rows[-1][1]) / max(1.0, float(rows[-1][0])) if rows else 0.0


def jobs(depths):
    for rw in ("randwrite", "randread"):
        for depth in depths:
            yield {"name": f"{rw} 4k qd{depth}", "rw": rw, "bs": "4k", "depth": depth}
    for rw in ("write", "read"):
        yield {"name": f"{rw} 1M qd4", "rw": rw, "bs": "1M", "depth": 4}


def fio(device, job, size, seconds):
    words = ["fio", "--name=b", f"--filename={device}", "--direct=1", "--ioengine=libaio", f"--rw={job['rw']}",
             f"--bs={job['bs']}", f"--iodepth={job['depth']}", f"--size={size}M", "--time_based",
             f"--runtime={seconds}", "--ramp_time=1", "--randrepeat=0", "--end_fsync=1", "--output-format=json"]
    result = json.loads(run(*words, limit=seconds + 120))["jobs"][0]
    side = result["write" if "write" in job["rw"] else "read"]
    if result["error"]:
        raise Failure(f"fio on {device}: error {result['error']}")
    return side["iops"]


def latencies(context, contender, rounds):
    times = {"map_ms": [], "unmap_ms": []}
    image = f"lat-{contender.name.replace(' ', '-')}"
    rbd.RBD().create(context, image, 1 << 30, old_format=False, features=FEATURES)
    for _ in range(rounds):
        for verb in ("map", "unmap"):
            begin = time.monotonic()
            getattr(contender, verb)(image)
            times[f"{verb}_ms"].append((time.monotonic() - begin) * 1000)
    return {name: round(sorted(values)[len(values) // 2], 1) for name, values in times.items()}


def stage_overhead(context, contender, rounds):
    """What a stage of a blank 10 GiB ext4 volume takes, beside map, mkfs with our options and mount, one by one."""
    rows = []
    for number in range(rounds):
        image = f"stage-{contender.mounter}-{number}"
        row = {}

        def timed(name, action, *words):
            begin = time.monotonic()
            result = action(*words)
            row[name] = (time.monotonic() - begin) * 1000
            return result

        for kind in ("whole", "parts") if number % 2 == 0 else ("parts", "whole"):
            rbd.RBD().create(context, f"{image}-{kind}", 10 << 30, old_format=False, features=FEATURES)
        for kind in ("whole", "parts") if number % 2 == 0 else ("parts", "whole"):
            if kind == "whole":
                timed("stage", contender.stage, f"{image}-whole", {"mount": {"fsType": "ext4"}})
            else:
                device = timed("map", contender.map, f"{image}-parts")
                place = f"{contender.work}/bare"
                os.makedirs(place, exist_ok=True)
                timed("mkfs", run, "mkfs.ext4", "-q", *MKFS, device)
                timed("mount", run, "mount", device, place)
                run("umount", place)
            contender.unmap(f"{image}-{kind}")
        row["overhead"] = row["stage"] - row["map"] - row["mkfs"] - row["mount"]
        rows.append(row)
    return {name: round(sorted(row[name] for row in rows)[len(rows) // 2], 1) for name in rows[0]}


def make_contenders(options):
    if options.where == "host":
        return [Nacre(options, "fuse"), RBDFuse(options, "rbd-fuse + loop")], RBDBench(options, "rbd bench"), (1, 16)
    return ([Nacre(options, "nbd"), RBDNBD(options, "rbd-nbd"), Nacre(options, "krbd"), KernelRBD(options, "rbd map")],
            RBDBench(options, "rbd bench"), (1, 32))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("where", choices=["host", "guest"])
    for word in ("--cluster", "--work", "--nacre", "--out"):
        parser.add_argument(word, required=True)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--cycles", type=int, default=5)
    options = parser.parse_args()
    os.makedirs(options.work, exist_ok=True)
    cluster = rados.Rados(conffile=f"{options.cluster}/ceph.conf", name="client.admin")
    cluster.connect()
    context = cluster.open_ioctx(POOL)
    contenders, ceiling, depths = make_contenders(options)
    result = {"where": options.where, "kernel": os.uname().release, "cores": os.cpu_count(),
              "load_at_start": os.getloadavg()[0], "iops": {}, "latency": {}, "stage": {}}
    for contender in contenders:
        result["latency"][contender.name] = latencies(context, contender, options.cycles)
        say(f"{contender.name}: {result['latency'][contender.name]}")
    for contender in contenders:
        if isinstance(contender, Nacre):
            result["stage"][contender.name] = stage_overhead(context, contender, options.cycles)
            say(f"{contender.name}, stage: {result['stage'][contender.name]}")
    devices, images = {}, {}
    for contender in contenders + [ceiling]:
        images[contender.name] = f"{options.where}-{uuid.uuid4().hex[:8]}"
        # rbd bench takes all of an image, where the others stay in what was written.
        size = options.size << 20 if contender is ceiling else 1 << 30
        rbd.RBD().create(context, images[contender.name], size, old_format=False, features=FEATURES)
        with rbd.Image(context, images[contender.name]) as image:
            block = base64.b64encode(os.urandom(3 << 20))[:4 << 20]
            for offset in range(0, options.size << 20, 4 << 20):
                image.write(block, offset)
    for contender in contenders:
        devices[contender.name] = contender.map(images[contender.name])
        # librbd's cache writes through until it has seen a flush, which every file system sends.
        descriptor = os.open(devices[contender.name], os.O_RDWR)
        os.fsync(descriptor)
        os.close(descriptor)
    for number in range(options.rounds):
        for job in jobs(depths):
            row = result["iops"].setdefault(job["name"], {})
            turn = contenders if number % 2 == 0 else contenders[::-1]
            for contender in turn:
                row.setdefault(contender.name, []).append(
                    fio(devices[contender.name], job, options.size, options.seconds))
            row.setdefault(ceiling.name, []).append(
                ceiling.measure(images[ceiling.name], job, options.seconds))
            say(f"round {number + 1}, {job['name']}: "
                + ", ".join(f"{name} {values[-1]:.0f}" for name, values in row.items()))
    for contender in contenders:
        contender.unmap(images[contender.name])
        contender.stop()
    result["load_at_end"] = os.getloadavg()[0]
    with open(options.out, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failure, subprocess.TimeoutExpired) as e:
        print(f"bench: {e}", file=sys.stderr)
        sys.exit(1)
