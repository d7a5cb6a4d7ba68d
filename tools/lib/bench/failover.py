"""How long a volume is away when its node stops dead: from the kill to a write that another node has on stable storage.

tools/lib/bench/failover starts it beside a cluster; see `tools/bench failover --help`.
"""
import argparse
import concurrent.futures
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time

# kubelet's: it asks again after half a second, and doubles that after each failure.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 122
LIMIT_S = 180
BAR_S = 45


class Failure(Exception):
    """One line for the reader."""


def say(text):
    print(f"   {text}", file=sys.stderr, flush=True)


def arguments():
    parser = argparse.ArgumentParser(prog="tools/bench failover")
    for name in ("--cluster", "--nodes", "--node-program", "--nacre"):
        parser.add_argument(name, required=True)
    parser.add_argument("--volumes", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json")
    return parser.parse_args()


class Node:
    """A machine with `nacre serve`: processes, mounts, network and boot of its own."""

    def __init__(self, options, name, number):
        self.options, self.name, self.number = options, name, number
        self.directory = f"{options.nodes}/{name}"
        self.socket = f"{self.directory}/nacre.sock"
        self.process = None
        for part in ("state", "staging", "pods"):
            os.makedirs(f"{self.directory}/{part}", exist_ok=True)

    def boot(self):
        options = self.options
        with open(f"{self.directory}/boot.log", "ab") as log:
            self.process = subprocess.Popen(
                [options.node_program, self.directory, str(self.number), options.nacre, "serve", "--socket", self.socket,
                 "--config", f"{options.cluster}/config.json", "--state-dir", f"{self.directory}/state",
                 "--secret-dir", f"{options.cluster}/secrets/csi-rbd-provisioner", "--node-id", self.name,
                 "--mounter", "fuse"], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                self.call("Identity/Probe", {}, 2)
                return
            except (OSError, Failure):
                time.sleep(0.1)
        raise Failure(f"{self.name}'s service does not answer; see {self.directory}/log")

    @property
    def init(self):
        with open(f"{self.directory}/init", encoding="ascii") as file:
            return int(file.read())

    def unplug(self):
        """Ends all its processes at once, and takes what the one kernel of all nodes still has of it."""
        os.kill(self.init, signal.SIGKILL)
        self.process.wait(30)
        os.unlink(f"{self.directory}/init")

    def inside(self, line):
        done = subprocess.run(["nsenter", "--target", str(self.init), "--mount", "--pid", "--net", "/bin/sh", "-c", line],
                              capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise Failure(f"{self.name}: {line}: {done.stderr.strip()}")
        return done.stdout

    def call(self, method, body, limit=60):
        door = http.client.HTTPConnection("localhost")
        door.sock = socket.socket(socket.AF_UNIX)
        door.sock.settimeout(limit + 5)
        try:
            door.sock.connect(self.socket)
            door.request("POST", f"/csi.v1.{method}", json.dumps(body),
                         {"Content-Type": "application/json", "Connect-Timeout-Ms": str(limit * 1000)})
            answer = door.getresponse()
            text = answer.read().decode(errors="replace")
        except http.client.HTTPException as e:
            raise Failure(f"{method} has no answer: {e!r}") from e
        finally:
            door.close()
        if answer.status != 200:
            raise Failure(f"{method} was refused: {text}")
        return json.loads(text)


class Volume:
    """A volume, as calls name it."""

    def __init__(self, options, name):
        self.options, self.name = options, name
        self.handle, self.context = "", {}

    def secrets(self, user):
        values = {}
        for key in ("userID", "userKey"):
            with open(f"{self.options.cluster}/secrets/{user}/{key}", encoding="utf-8") as file:
                values[key] = file.read().strip()
        return values

    CAPABILITY = {"mount": {"fsType": "ext4"}, "accessMode": {"mode": "SINGLE_NODE_WRITER"}}

    def create(self, node, cluster_id):
        made = node.call("Controller/CreateVolume", {
            "name": self.name, "capacityRange": {"requiredBytes": str(64 << 20)}, "volumeCapabilities": [self.CAPABILITY],
            "parameters": {"clusterID": cluster_id, "pool": "replicapool"},
            "secrets": self.secrets("csi-rbd-provisioner")})["volume"]
        self.handle, self.context = made["volumeId"], made.get("volumeContext", {})

    def mount(self, node):
        """Stages and publishes it, until that is done; how many calls of each it took."""
        place = {"volumeId": self.handle, "stagingTargetPath": f"{node.directory}/staging/{self.name}",
                 "volumeCapability": self.CAPABILITY, "volumeContext": self.context}
        os.makedirs(place["stagingTargetPath"], exist_ok=True)
        pause, calls, end = FIRST_PAUSE_S, 0, time.monotonic() + LIMIT_S
        while True:
            calls += 1
            try:
                node.call("Node/NodeStageVolume", {**place, "secrets": self.secrets("csi-rbd-node")})
                node.call("Node/NodePublishVolume", {**place, "targetPath": f"{node.directory}/pods/{self.name}"})
                return calls
            except (Failure, OSError):
                if time.monotonic() > end:
                    raise
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    def write(self, node, text):
        node.inside(f"echo {text} > '{node.directory}/pods/{self.name}/{text}' && "
                    f"sync -f '{node.directory}/pods/{self.name}/{text}'")

    def read(self, node, text):
        return node.inside(f"cat '{node.directory}/pods/{self.name}/{text}'").strip() == text

    def delete(self, node):
        node.call("Node/NodeUnpublishVolume", {"volumeId": self.handle, "targetPath": f"{node.directory}/pods/{self.name}"})
        node.call("Node/NodeUnstageVolume",
                  {"volumeId": self.handle, "stagingTargetPath": f"{node.directory}/staging/{self.name}"})
        node.call("Controller/DeleteVolume", {"volumeId": self.handle, "secrets": self.secrets("csi-rbd-provisioner")})


def fail_over(options, turn, cluster_id, crew):
    """One round: volumes that are written on one node, which stops; each taken by the other at once."""
    dead, heir = Node(options, f"a{turn}", 2 * turn + 1), Node(options, f"b{turn}", 2 * turn + 2)
    dead.boot()
    heir.boot()
    volumes = [Volume(options, f"failover-{turn}-{n}") for n in range(options.volumes)]
    for volume in volumes:
        volume.create(dead, cluster_id)
        volume.mount(dead)
        volume.write(dead, "before")
    dead.unplug()
    begin = time.monotonic()

    def move(volume):
        calls = volume.mount(heir)
        volume.write(heir, "after")
        took = time.monotonic() - begin
        if not volume.read(heir, "before"):
            raise Failure(f"volume '{volume.name}' has lost what its first node had synchronized")
        return took, calls

    moved = list(crew.map(move, volumes))
    # The kernel that both nodes share; on machines of their own these went with the first.
    for line in subprocess.run(["losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE"], capture_output=True,
                               text=True, timeout=30, check=True).stdout.splitlines():
        device, _, file = line.partition(" ")
        if file.strip().startswith(f"{dead.directory}/"):
            subprocess.run(["losetup", "-d", device], timeout=30, check=False)
    for volume in volumes:
        volume.delete(heir)
    heir.unplug()
    return moved


def main():
    options = arguments()
    with open(f"{options.cluster}/config.json", encoding="utf-8") as file:
        cluster_id = json.load(file)[0]["clusterID"]
    moved = []
    try:
        with concurrent.futures.ThreadPoolExecutor(options.volumes) as crew:
            for turn in range(options.rounds):
                moved += fail_over(options, turn, cluster_id, crew)
                say(f"round {turn + 1}: {', '.join(f'{took:.1f}' for took, _ in moved[-options.volumes:])} s")
    except Failure as e:
        print(f"bench: {e}", file=sys.stderr)
        return 1
    times = sorted(took for took, _ in moved)

    def percentile(p):
        return times[min(len(times) - 1, int(len(times) * p / 100))]

    result = {"volumes": len(times), "least_s": round(times[0], 2), "p50_s": round(statistics.median(times), 2),
              "p95_s": round(percentile(95), 2), "most_s": round(times[-1], 2),
              "calls_most": max(calls for _, calls in moved), "all_s": [round(took, 2) for took in times],
              "load": os.getloadavg()[0]}
    print(f"fail-over of {len(times)} volumes, from the end of a node to a write on another: least {times[0]:.1f} s, "
          f"p50 {result['p50_s']:.1f} s, p95 {result['p95_s']:.1f} s, most {times[-1]:.1f} s (bar: {BAR_S} s); "
          f"at most {result['calls_most']} calls each; load {result['load']:.1f}")
    step = 2
    for low in range(int(times[0]) // step * step, int(times[-1]) + 1, step):
        count = sum(low <= took < low + step for took in times)
        print(f"  {low:3}–{low + step:<3} s {'█' * count} {count}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
            file.write("\n")
    return 0 if times[-1] <= BAR_S else 1


sys.exit(main())
