"""What the provisioning benchmark runs on: the cluster, the service, the floor and the load generator."""
import http.client
import json
import os
import socket
import struct
import subprocess
import sys
import time

import rados
import rbd

POOL = "replicapool"
EMPTY_POOL = "rbd"  # nobody else of the bench uses it


class Failure(Exception):
    """One line for the reader."""


def say(text):
    print(f"   {text}", file=sys.stderr, flush=True)


class Samples:
    """Times of one verb at one concurrency, of several rounds."""

    def __init__(self):
        self.ms = []
        self.wall_ms = 0.0

    def add(self, run):
        self.ms += run["ms"]
        self.wall_ms += run["wall_ms"]

    def percentile(self, p):
        ordered = sorted(self.ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))]

    @property
    def per_second(self):
        return len(self.ms) / self.wall_ms * 1000

    def summary(self):
        return {"count": len(self.ms), **{f"p{p}_ms": round(self.percentile(p), 3) for p in (50, 95, 99)},
                "per_second": round(self.per_second, 2)}


class Lab:
    """A cluster that is up, and the programs that work on it."""

    def __init__(self, cluster, programs, work):
        self.cluster, self.programs, self.work = cluster, programs, work
        with open(f"{cluster}/config.json", encoding="utf-8") as file:
            entry = json.load(file)[0]
        self.cluster_id, self.monitors = entry["clusterID"], ",".join(entry["monitors"])
        self.secret = f"{cluster}/secrets/csi-rbd-provisioner"
        self.names = 0
        self.connection = rados.Rados(conffile=f"{cluster}/ceph.conf", name="client.admin")
        self.connection.connect()
        self.contexts = {pool: self.connection.open_ioctx(pool) for pool in (POOL, EMPTY_POOL)}

    def fresh(self):
        """A number that no earlier run used for its names."""
        self.names += 1
        return self.names

    @staticmethod
    def _measured(words):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failure(done.stderr.strip() or f"{words[0]} ended with {done.returncode}")
        return json.loads(done.stdout)

    def floor(self, verb, prefix, count, threads, pool=POOL):
        return self._measured([f"{self.programs}/floor", self.monitors, self.secret, pool, prefix, verb,
                               str(count), str(threads)])

    def rbd(self, verb, prefix, count, threads):
        """The command line, `threads` of it at once; timed from outside, as a script that calls it sees it."""
        command = {"create": ["create", "--size", "1G", "--image-feature",
                              "layering,exclusive-lock,object-map,fast-diff,deep-flatten"], "trash": ["trash", "mv"]}
        words = ["rbd", "--conf", f"{self.cluster}/ceph.conf", "--id", "csi-rbd-provisioner", *command[verb]]
        times, begun, running, begin = [0.0] * count, {}, {}, time.monotonic()
        index = 0
        while index < count or running:
            while index < count and len(running) < threads:
                begun[index] = time.monotonic()
                child = subprocess.Popen([*words, f"{POOL}/{prefix}-{index}"],
                                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                running[child.pid] = (child, index)
                index += 1
            pid, status = os.wait()
            if pid not in running:
                continue
            child, i = running.pop(pid)
            child.returncode = os.waitstatus_to_exitcode(status)
            times[i] = (time.monotonic() - begun[i]) * 1000
            if child.returncode != 0:
                raise Failure(f"rbd {verb}: {child.stderr.read().decode().strip()}")
            child.stderr.close()
        return {"verb": verb, "threads": threads, "wall_ms": (time.monotonic() - begin) * 1000, "ms": times}

    def trash_count(self, prefix=""):
        return sum(1 for context in self.contexts.values() for entry in rbd.RBD().trash_list(context)
                   if entry["name"].startswith(prefix))

    def wait_trash_empty(self, prefix, limit=120):
        """Seconds until nothing that starts with `prefix` is in the trash."""
        begin = time.monotonic()
        while self.trash_count(prefix):
            if time.monotonic() - begin > limit:
                raise Failure(f"the trash still holds {self.trash_count(prefix)} images named {prefix}… "
                              f"after {limit} s")
            time.sleep(0.1)
        return time.monotonic() - begin

    def osd_ops(self):
        """Client operations that the OSDs took, all of them together (perf counter osd.op)."""
        return self.osd_counts("op")[0]

    def osd_counts(self, *counters):
        """Counters of the OSDs (perf counters osd.NAME), each summed over all of them."""
        places = [self._perf(f"{self.cluster}/run/{name}")["osd"] for name in os.listdir(f"{self.cluster}/run")
                  if name.startswith("osd.") and name.endswith(".asok")]
        return [sum(place[counter] for place in places) for counter in counters]

    @staticmethod
    def _perf(path):
        with socket.socket(socket.AF_UNIX) as asok:
            asok.connect(path)
            asok.sendall(b'{"prefix":"perf dump"}\0')
            size, answer = struct.unpack(">I", asok.recv(4))[0], b""
            while len(answer) < size:
                part = asok.recv(size - len(answer))
                if not part:
                    raise Failure(f"'{path}' ended its answer early")
                answer += part
        return json.loads(answer)


class Service:
    """`nacre serve`, release build, with what calls it."""

    def __init__(self, lab, nacre, name="nacre", words=()):
        self.lab, self.nacre, self.words = lab, nacre, words
        self.socket, self.log = f"{lab.work}/{name}.sock", f"{lab.work}/{name}.log"
        self.state = f"{lab.work}/state-{name}"
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.nacre, "serve", "--socket", self.socket, "--config", f"{self.lab.cluster}/config.json",
                 "--secret-dir", self.lab.secret, "--state-dir", self.state, *self.words],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            try:
                with socket.socket(socket.AF_UNIX) as door:
                    door.connect(self.socket)
                return
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                with open(self.log, encoding="utf-8", errors="replace") as log:
                    raise Failure(f"nacre serve does not answer on '{self.socket}':\n{log.read()[-2000:]}")
            time.sleep(0.02)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def load(self, verb, run, count, threads, pool=POOL):
        return Lab._measured([f"{self.lab.programs}/load", self.socket, self.lab.secret, self.lab.cluster_id, pool,
                              f"{self.lab.work}/handles-{run}", str(run), verb, str(count), str(threads)])

    def call(self, method, body, limit=120):
        """One call by a connection of its own: its answer and how many milliseconds it took."""
        door = http.client.HTTPConnection("localhost")
        door.sock = socket.socket(socket.AF_UNIX)
        door.sock.settimeout(limit)
        door.sock.connect(self.socket)
        begin = time.monotonic()
        door.request("POST", f"/csi.v1.{method}", json.dumps(body), {"Content-Type": "application/json"})
        answer = door.getresponse()
        text = answer.read()
        took = (time.monotonic() - begin) * 1000
        door.close()
        if answer.status != 200:
            raise Failure(f"{method} was refused: {text.decode(errors='replace')}")
        return json.loads(text), took

    def secrets(self, user="csi-rbd-provisioner"):
        """The user's Secret as a call carries it."""
        values = {}
        for name in ("userID", "userKey"):
            with open(f"{self.lab.cluster}/secrets/{user}/{name}", encoding="utf-8") as file:
                values[name] = file.read().strip()
        return values

    def memory_mib(self):
        """Resident memory now and at its highest, MiB."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            fields = dict(line.split(":", 1) for line in file)
        return {name: int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM")}
