"""One lab: its directory, its processes and its ports."""
import os
import re
import subprocess
import sys

from layout import Cluster, Failure

BUILD = os.path.join(os.path.dirname(__file__), "build")
CONTROL_PLANE = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]
PORTS = ["etcd", "etcd-peer", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]
MAX_NODES = 8


def usage(message):
    return Failure(f"{message}; see `kube-lab help`", 64)


class Lab(Cluster):
    program = "kube-lab"
    format = "nacre-kube-lab/1"
    marker = "kube-lab.json"

    @property
    def daemons(self):
        """Names of all daemons, in the order in which they start."""
        names = [n for n in CONTROL_PLANE if n != "kube-scheduler" or self.state["scheduler"]]
        for node in self.nodes:
            kinds = ("containerd", "kubelet") if self.guests else ("node", "containerd", "kubelet")
            names += [f"{kind}.{node}" for kind in kinds]
        return names

    @property
    def nodes(self):
        return [f"n{i + 1}" for i in range(self.state["nodes"])]

    def port(self, name):
        """The port of a daemon of the control plane, or of a node's kubelet."""
        offset = PORTS.index(name) if name in PORTS else len(PORTS) + self.nodes.index(name)
        return self.state["port"] + offset

    @property
    def server(self):
        return f"https://{self.address}:{self.port('kube-apiserver')}"

    @property
    def guests(self):
        """Whether the nodes are guests of tools/kernel-lab, in whose world we are."""
        return self.state.get("guests", False)

    @property
    def address(self):
        """Where the API server listens."""
        return "10.77.0.1" if self.guests else "127.0.0.1"

    @property
    def version(self):
        """(1, 20), of which flags depend."""
        return tuple(int(n) for n in self.state["version"].split(".")[:2])

    def program_path(self, name):
        return os.path.join(cache_directory(self.state["version"]), "bin", name)

    def kubeconfig(self, user="admin"):
        return self.path(user + ".kubeconfig")


def cache_directory(version):
    """Where a version's programs are, outside the repository: they are the same for every clone."""
    if not re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", version):
        raise usage(f"--version {version} is not a version like 1.20.2")
    base = os.environ.get("NACRE_KUBE_CACHE")
    if not base:
        base = "/var/cache/nacre" if os.getuid() == 0 else os.path.join(
            os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "nacre")
    return os.path.join(base, f"kubernetes-{version}")


def build(version):
    """Builds that version unless it is there; its progress goes to stderr."""
    result = subprocess.run([BUILD, version, cache_directory(version)], stdout=sys.stderr, check=False)
    if result.returncode != 0:
        raise Failure(f"Kubernetes {version} was not built (exit status {result.returncode}); its words are above",
                      result.returncode if result.returncode in (64, 69) else 1)
