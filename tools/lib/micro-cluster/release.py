"""Which release of Ceph a cluster is of, and running where its programs are."""
import os
import subprocess
import sys

from layout import Failure

RELEASES = ("pacific", "reef", "tentacle")
KEY_TYPES = ("aes", "aes256k")
# This machine's own, whatever that is; also what is recorded of clusters made before there was a choice.
OWN = "own"
TOOLS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
IN_ROOT = os.path.join(TOOLS, "in-root")
ENTERED = "NACRE_MICRO_CLUSTER_ROOT"


def of(cluster):
    return cluster.state.get("release", OWN)


def root(cluster):
    return cluster.state.get("root", "/")


def find(name):
    """The folder of a release's programs, fetched if need be."""
    if name in (None, OWN):
        return "/"
    found = subprocess.run([os.path.join(TOOLS, "ceph-release"), name], stdout=subprocess.PIPE, check=False,
                           stdin=subprocess.DEVNULL)
    if found.returncode:
        raise Failure(f"cannot bring up a cluster of release {name}: its programs cannot be had",
                      found.returncode if found.returncode > 0 else 1)
    return os.fsdecode(found.stdout).strip()


def entered():
    """The root that this process runs in."""
    return os.environ.get(ENTERED, "/")


def enter(path):
    """Starts this program again where a release's programs and libraries are; returns if that is here."""
    if path == entered():
        return
    if os.geteuid() != 0:
        raise Failure("cannot use another release's programs: not root", 77)
    if not os.path.isdir(os.path.join(path, "usr")):
        raise Failure(f"cannot work on the cluster: its programs in {path} are gone; take it down, and make it anew", 69)
    os.environ[ENTERED] = path
    os.execv(IN_ROOT, [IN_ROOT, path, sys.executable, "-E", "-s", "-B", *sys.argv])
