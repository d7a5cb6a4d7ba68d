"""The directories that every node binds its own over; made where the machine has none, and removed by the last node."""
import contextlib
import fcntl
import os

from layout import same_file

OF_A_NODE = ["/var/lib/kubelet", "/var/lib/nacre", "/var/log/pods", "/var/log/containers", "/run/containerd",
             "/run/nacre", "/usr/libexec/kubernetes"]
LOCK = "/run/nacre-kube-lab.lock"
# Says that a directory was made by a lab. User attributes do not exist on tmpfs; trusted ones do, for root.
ATTRIBUTE = "trusted.nacre.kube-lab"


@contextlib.contextmanager
def locked():
    """One lab at a time makes, binds over or removes them."""
    while True:
        fd = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX)
        if same_file(fd, LOCK):
            break
        os.close(fd)  # whoever had it removed it
    try:
        yield
    finally:
        os.unlink(LOCK)
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


def remove_unused():
    """Removes what labs made and no node needs any more. A node holds a shared lock on each: rmdir(2) of what is a mount
    point in another namespace only would succeed, and take the mount away there."""
    for path in OF_A_NODE:
        with contextlib.suppress(OSError):
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                while os.getxattr(path, ATTRIBUTE):
                    os.rmdir(path)
                    path = os.path.dirname(path)
            finally:
                os.close(fd)
