"""A node: a mount namespace in which containerd and kubelet find the usual paths, each bound to the lab's directory.

So several nodes and several labs run on one machine, manifests with hostPath volumes mean what they say, and a node agent
that is started there (`kube-lab exec --node n1`) has a /run/nacre and a /var/lib/nacre of its own. What happens in it:

    node.NAME        holds the namespace, started first
    containerd.NAME  and its shims and containers
    kubelet.NAME     with the default directories
"""
import json
import os
import re
import subprocess

import control_plane
import daemons
import mountpoints
from layout import Failure, read_text, write_file

CGROUPS = "/sys/fs/cgroup"
SANDBOX_IMAGE = "docker.io/local/busybox:1"
CNI = {"cniVersion": "0.4.0", "name": "loopback", "plugins": [{"type": "loopback"}]}

# The lock says that a node needs the directory below its mount; no look into other namespaces could. Shared: a container
# with Bidirectional mount propagation passes its mounts on to kubelet's containers, as on a real node.
HOLD = """\
set -eu
for directory in $2; do
    exec {held}< "$directory"
    flock --shared "$held"
    mount --bind "$1$directory" "$directory"
done
mount --make-rshared /
exec -a "$1/namespace" sleep infinity
"""

CONTAINERD = """\
version = 2
root = "{state}/containerd/root"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
    "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.opt"]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{sandbox}"
  disable_apparmor = true
  # Root may lack CAP_SYS_RESOURCE, and without it nobody's score can be lowered.
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
  # Names only the loopback plugin, so that the runtime says NetworkReady; pods are on the host's network.
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni}"
    conf_dir = "{directory}/cni"
"""


def cgroup(lab, node):
    """Below the cgroup file system's root; no other lab's."""
    return f"nacre-kube-lab-{lab.state['port']}-{node}"


def hierarchies():
    """Where each cgroup hierarchy is mounted: one in version 2, one a controller in version 1."""
    if os.path.exists(os.path.join(CGROUPS, "cgroup.controllers")):
        return [CGROUPS]
    found = []
    for line in (read_text("/proc/self/mountinfo") or "").splitlines():
        fields = line.split()
        # Hybrid: runc makes its groups in version 2's hierarchy as well.
        if fields[fields.index("-") + 1] in ("cgroup", "cgroup2"):
            found.append(fields[4])
    return found


def make_cgroups(lab, node):
    for hierarchy in hierarchies():
        path = os.path.join(hierarchy, cgroup(lab, node))
        os.makedirs(path, exist_ok=True)
        # Version 1 starts a cpuset empty, and nothing can run in it then.
        for name in ("cpuset.cpus", "cpuset.mems"):
            above = os.path.join(hierarchy, name)
            if os.path.exists(above):
                with open(os.path.join(path, name), "w", encoding="utf-8") as f:
                    f.write(read_text(above))


def remove_cgroups(lab, node):
    for hierarchy in hierarchies():
        top = os.path.join(hierarchy, cgroup(lab, node))
        for directory, _, _ in os.walk(top, topdown=False):
            os.rmdir(directory)


def contained_processes(lab, node):
    """Of all containers, which are in mount namespaces of their own."""
    found = set()
    for hierarchy in hierarchies():
        for directory, _, _ in os.walk(os.path.join(hierarchy, cgroup(lab, node))):
            found.update(int(n) for n in (read_text(os.path.join(directory, "cgroup.procs")) or "").split())
    return found


def kubelet_configuration(lab, node):
    pki = lab.path("pki")
    configuration = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "address": "0.0.0.0" if lab.guests else "127.0.0.1", "port": lab.port(node), "readOnlyPort": 0, "healthzPort": 0,
        "authentication": {
            "anonymous": {"enabled": False}, "webhook": {"enabled": True}, "x509": {"clientCAFile": f"{pki}/ca.crt"}},
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs", "cgroupRoot": "/" if lab.guests else "/" + cgroup(lab, node),
        "cgroupsPerQOS": True,
        "enforceNodeAllocatable": [],
        "failSwapOn": False, "makeIPTablesUtilChains": False,
        # The machine's disk may be nearly full of build products; that is not the lab's business.
        "evictionHard": {"memory.available": "1Mi", "nodefs.available": "1%", "imagefs.available": "1%",
                         "nodefs.inodesFree": "0%"},
        "imageGCHighThresholdPercent": 100, "cpuManagerPolicy": "none",
        "syncFrequency": "10s", "nodeStatusUpdateFrequency": "1s", "resolvConf": "/dev/null",
    }
    if lab.state["gates"]:
        configuration["featureGates"] = {
            name: value == "true" for name, _, value in (g.partition("=") for g in lab.state["gates"].split(","))}
    return configuration


class Node:
    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.directory = lab.path(name)

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    @property
    def holder(self):
        return daemons.state(self.lab, f"node.{self.name}")[0]

    def enter(self, *command):
        """The words that run command in the node's mount namespace."""
        if self.holder is None:
            raise Failure(f"node {self.name} does not run; run `kube-lab up --dir {self.lab.dir}` again", 3)
        return ["nsenter", f"--mount=/proc/{self.holder}/ns/mnt", "--wd=/", "--", *command]

    def start(self, deadline):
        self.hold(deadline)
        containerd = f"containerd.{self.name}"
        if daemons.state(self.lab, containerd)[1] == "stopped":
            self.write_containerd_files()
            daemons.start(self.lab, containerd, self.containerd_command())
        control_plane.wait(self.lab, f"containerd of {self.name}", [containerd],
                           lambda: self.ctr("version").returncode == 0, deadline)
        self.import_images()
        kubelet = f"kubelet.{self.name}"
        if daemons.state(self.lab, kubelet)[1] == "stopped":
            write_file(self.path("kubelet.json"), json.dumps(kubelet_configuration(self.lab, self.name), indent=1))
            daemons.start(self.lab, kubelet, self.kubelet_command())

    @property
    def state_directory(self):
        """Where containerd keeps images and containers."""
        return self.directory

    @property
    def kubelet_flags(self):
        return []

    def hold(self, deadline):
        """Makes what containerd and kubelet run in, if it is not there."""
        self.start_holder(deadline)
        make_cgroups(self.lab, self.name)

    def start_holder(self, deadline):
        holder = f"node.{self.name}"
        if daemons.state(self.lab, holder)[1] != "stopped":
            return
        for directory in mountpoints.OF_A_NODE:
            os.makedirs(self.directory + directory, exist_ok=True)
        with mountpoints.locked():
            mountpoints.make()
            daemons.start(self.lab, holder, [
                "unshare", "--mount", "--propagation", "private",
                "bash", "-c", HOLD, "node", self.directory, " ".join(mountpoints.OF_A_NODE)])
            control_plane.wait(self.lab, f"the mounts of {self.name}", [holder], self.is_held, deadline)

    def is_held(self):
        words = (read_text(f"/proc/{self.holder}/cmdline") or "").split("\0")
        return words[0] == self.path("namespace")

    def write_containerd_files(self):
        os.makedirs(self.path("cni"), exist_ok=True)
        write_file(self.path("cni", "10-loopback.conflist"), json.dumps(CNI))
        write_file(self.path("containerd.toml"), CONTAINERD.format(
            directory=self.directory, state=self.state_directory, sandbox=SANDBOX_IMAGE,
            cni=os.path.dirname(self.lab.program_path("")[:-1]) + "/root/cni"))

    def containerd_command(self):
        # It finds its shim, and the shim runc, by PATH.
        search = f"{os.path.dirname(self.lab.program_path('ctr'))}:{os.environ.get('PATH', '/usr/bin:/bin')}"
        return self.enter("env", f"PATH={search}", "containerd", "--config", self.path("containerd.toml"))

    def kubelet_command(self):
        lab = self.lab
        return self.enter(
            # Its pull credentials of Amazon's registry are asked for by HTTP at start-up, and nobody answers for 4 s.
            "env", "AWS_EC2_METADATA_DISABLED=true", lab.program_path("kubelet"), f"--kubeconfig={lab.kubeconfig(self.name)}",
            f"--config={self.path('kubelet.json')}", "--cert-dir=/var/lib/kubelet/pki",
            *(["--container-runtime=remote"] if lab.version < (1, 27) else []),
            "--container-runtime-endpoint=unix:///run/containerd/containerd.sock",
            f"--hostname-override={self.name}", *self.kubelet_flags, "--v=2")

    def ctr(self, *words):
        return subprocess.run(
            self.enter(self.lab.program_path("ctr"), "-n", "k8s.io", *words),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)

    def import_images(self):
        have = self.ctr("images", "ls", "-q").stdout.split()
        if SANDBOX_IMAGE not in have:
            self.import_image(os.path.join(os.path.dirname(self.lab.program_path("")[:-1]), "images", "busybox.tar"))

    def import_image(self, archive):
        result = self.ctr("images", "import", os.path.abspath(archive))
        if result.returncode != 0:
            raise Failure(f"cannot import {archive} into {self.name}", detail=result.stderr.strip())

    def is_ready(self, api):
        status, body = api.get(f"/api/v1/nodes/{self.name}")
        if status != 200:
            return False
        conditions = json.loads(body)["status"].get("conditions", [])
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def processes_of_namespace(namespace):
    """Who is in a mount namespace, by the link's text."""
    found = []
    for entry in os.listdir("/proc"):
        if not re.fullmatch("[0-9]+", entry):
            continue
        try:
            if os.readlink(f"/proc/{entry}/ns/mnt") == namespace:
                found.append(int(entry))
        except OSError:
            continue
    return found
