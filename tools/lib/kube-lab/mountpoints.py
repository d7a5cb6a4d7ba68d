"""The directories that every node binds its own over; made where the machine has none, and removed by the last node."""
import contextlib
import fcntl
import glob
import os

OF_A_NODE = ["/var/lib/kubelet", "/var/lib/nacre", "/var/log/pods", "/var/log/containers", "/run/containerd",
             "/run/nacre", "/usr/libexec/kubernetes"]
# Says that a directory was made by a lab. User attributes do not exist on tmpfs; trusted ones do, for root.
ATTRIBUTE = "trusted.nacre.kube-lab"


@contextlib.contextmanager
def locked():
    """One lab at a time makes, binds over or removes them."""
    fd = os.open("/run/nacre-kube-lab.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def make():
    for path in OF_A_NODE:
        missing = []
        while not os.path.isdir(path):
            missing.append(path)
            path = os.path.dirname(path)
        for directory in reversed(missing):
            os.mkdir(directory, 0o755)
            os.setxattr(directory, ATTRIBUTE, b"1")


def bound_somewhere():
    """Those that some namespace of this machine has something mounted on."""
    found = set()
    seen = set()
    for entry in glob.glob("/proc/[0-9]*"):
        try:
            namespace = os.readlink(entry + "/ns/mnt")
            if namespace in seen:
                continue
            seen.add(namespace)
            with open(entry + "/mountinfo", encoding="utf-8", errors="replace") as f:
                found.update(line.split()[4] for line in f)
        except OSError:
            continue
    return found.intersection(OF_A_NODE)


def remove_unused():
    """Removes what labs made and no node needs any more. Unmounted elsewhere silently otherwise: rmdir(2) of a mount
    point succeeds when the mount is in another namespace, and takes the mount away."""
    if bound_somewhere():
        return
    for path in OF_A_NODE:
        with contextlib.suppress(OSError):
            while os.getxattr(path, ATTRIBUTE):
                os.rmdir(path)
                path = os.path.dirname(path)
