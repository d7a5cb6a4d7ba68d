"""Where a cluster's files are, what is recorded about it, and who may change it."""
import contextlib
import fcntl
import json
import os
import re

MARKER = "micro-cluster.json"
# kube-lab's directories are of the same kind, and its ports come from the same range.
MARKERS = (MARKER, "kube-lab.json")
LOCK = ".lock"
# A unix socket's path has at most 107 bytes, and the longest that a daemon
# makes below the directory is "/run/osd.NN.asok" (plus room for clients).
MAX_DIR = 79


class Gone(Exception):
    """The directory was removed while we waited for its lock."""


class Failure(Exception):
    """Something could not be done: one line for the reader, perhaps with a log's tail."""

    def __init__(self, message, code=1, detail=None):
        super().__init__(message)
        self.code = code
        self.detail = detail


def usage(message):
    return Failure(f"{message}; see `micro-cluster help`", 64)


class Cluster:
    """One cluster's directory. Nothing is read before load()."""

    program = "micro-cluster"
    format = "nacre-micro-cluster/1"
    marker = MARKER

    def __init__(self, directory):
        self.dir = os.path.realpath(directory)
        self.state = {}
        if len(os.fsencode(self.dir)) > MAX_DIR:
            raise Failure(
                f"cannot use {self.dir}: it has {len(os.fsencode(self.dir))} characters and unix sockets"
                f" leave room for {MAX_DIR}; pick a shorter --dir", 64)
        if not re.fullmatch(r"[A-Za-z0-9._/+@-]+", self.dir):
            # ceph.conf has no quoting that all its readers agree on.
            raise Failure(
                f"cannot use {self.dir!r}: ceph.conf takes only letters, digits and ._/+@- in a path;"
                " pick another --dir", 64)
        if self.dir == "/":
            raise Failure("cannot use /: it is the root directory; pick another --dir", 64)

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    @property
    def conf(self):
        return self.path("ceph.conf")

    @property
    def daemons(self):
        """Names of all daemons, in the order in which they start."""
        return ["mon.x", "mgr.x"] + self.osds

    @property
    def osds(self):
        return [f"osd.{i}" for i in range(self.state["osds"])]

    @property
    def monitor(self):
        return f"{self.state['addr']}:{self.state['port']}"

    def load(self):
        """Reads what is recorded; False if the directory holds no micro-cluster."""
        try:
            with open(self.path(self.marker), encoding="utf-8") as f:
                state = json.load(f)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except ValueError:
            state = None
        if not isinstance(state, dict) or state.get("format") != self.format:
            raise Failure(
                f"cannot use {self.dir}: its {self.marker} is not of this tool's format ({self.format});"
                " remove the directory by hand or pick another --dir")
        self.state = state
        return True

    def need(self):
        """load(), for a verb that works only on a cluster that `up` has finished."""
        if not self.load():
            raise Failure(f"no cluster in {self.dir}; make one with `{self.program} up --dir {self.dir}`", 3)
        if self.state["phase"] != "made":
            raise Failure(f"the cluster in {self.dir} is half made (its `up` did not finish);"
                          f" run `{self.program} up --dir {self.dir}` again", 3)

    def save(self):
        self.state["format"] = self.format
        write_file(self.path(self.marker), json.dumps(self.state, indent=1) + "\n")

    @contextlib.contextmanager
    def locked(self):
        """One verb at a time may start, signal or remove this cluster's daemons."""
        while True:
            try:
                fd = os.open(self.path(LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:
                raise Gone from None
            fcntl.flock(fd, fcntl.LOCK_EX)
            if same_file(fd, self.path(LOCK)):
                break
            os.close(fd)  # `down` removed the file that we waited for
        try:
            yield
        finally:
            os.close(fd)


def same_file(fd, path):
    """Whether path still names the file that fd has open (a lock on a removed file locks nothing)."""
    try:
        a, b = os.fstat(fd), os.stat(path)
    except FileNotFoundError:
        return False
    return (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)


def write_file(path, text, mode=0o600):
    """Writes a file that no reader ever sees half written; secrets are never wider than mode."""
    new = path + ".new"
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with open(fd, "w", encoding="utf-8") as f:
        f.write(text)
    os.rename(new, path)


def read_text(path):
    """The text of a small file, or None if it is gone (files of /proc go at any moment)."""
    try:
        with open(path, "rb") as f:
            return f.read().decode("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return None


def tail(paths, lines=12):
    """The last lines of the file of paths that was written last, or None if all are empty."""
    for path in sorted(filter(os.path.exists, paths), key=os.path.getmtime, reverse=True):
        text = (read_text(path) or "").rstrip()
        if text:
            last = text.splitlines()[-lines:]
            return f"last lines of {path}:\n" + "\n".join("  " + line for line in last)
    return None
