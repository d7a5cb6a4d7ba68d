"""The lab's places, its guests' numbers, and how failures are told."""
import contextlib
import fcntl
import os
import shutil
import tempfile

HOST_ADDRESS = "10.77.0.1"
# In the directory of every lab, and locked while its world is there: what has none is not ours to remove.
MARKER = ".kernel-lab"
MOST_GUESTS = 200
LIBRARY = os.path.dirname(os.path.realpath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(LIBRARY)))


class Failure(Exception):
    """What could not be done, with an exit status and, if there is one, the end of a log."""

    def __init__(self, message, status=1, detail=""):
        super().__init__(message)
        self.status = status
        self.detail = detail


class Lab:
    """A directory with a subdirectory for each guest. All guests of a lab are in one network namespace."""

    def __init__(self, directory):
        self.directory = directory
        self.marker = None
        self.is_made_here = False

    @staticmethod
    def current():
        """The lab of the world that we are in, or None."""
        directory = os.environ.get("NACRE_LAB_DIR")
        return Lab(directory) if directory else None

    @staticmethod
    def make():
        lab = Lab(tempfile.mkdtemp(prefix="nacre-lab.", dir="/var/tmp"))
        lab.is_made_here = True
        return lab

    def claim(self):
        """Makes the directory, or takes an empty one or what is left of a lab; refuses all others untouched."""
        try:
            if not os.path.isdir(self.directory):
                os.makedirs(self.directory, mode=0o700)
                self.is_made_here = True
            names = os.listdir(self.directory)
            if names and MARKER not in names:
                raise Failure(f"cannot use {self.directory}: it is neither empty nor a kernel-lab's; pick another --dir", 64)
            self.marker = os.open(self.path(MARKER), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            fcntl.flock(self.marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure(f"cannot use {self.directory}: another world is in it; pick another --dir", 64) from None
        except OSError as e:
            raise Failure(f"cannot use {self.directory}: {(e.strerror or str(e)).lower()}", 64) from None

    def remove(self):
        """Removes what the lab holds, the marker last, and the directory unless it was there before."""
        for name in os.listdir(self.directory):
            path = self.path(name)
            if name == MARKER:
                continue
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path, ignore_errors=True)
            else:
                os.unlink(path)
        os.unlink(self.path(MARKER))
        if self.is_made_here:
            with contextlib.suppress(OSError):
                os.rmdir(self.directory)

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def names(self):
        """Guests by name, in the order of their numbers."""
        found = []
        for name in os.listdir(self.directory):
            with contextlib.suppress(OSError, ValueError), open(self.path(name, "number"), encoding="ascii") as file:
                found.append((int(file.read()), name))
        return [name for _, name in sorted(found)]

    def reserve(self, name):
        """Makes a guest's directory and gives it the lowest free number; a guest that was there keeps its own."""
        if not name.replace("-", "").isalnum():
            raise Failure(f"a guest cannot be called '{name}'; use letters, digits and '-'", 64)
        with self.locked():
            taken = {self.number(other) for other in self.names()}
            if name in self.names():
                return
            os.makedirs(self.path(name), exist_ok=True)
            number = min(set(range(1, MOST_GUESTS + 1)) - taken)
            with open(self.path(name, "number"), "w", encoding="ascii") as file:
                file.write(f"{number}\n")

    def number(self, name):
        try:
            with open(self.path(name, "number"), encoding="ascii") as file:
                return int(file.read())
        except (OSError, ValueError):
            raise Failure(f"no guest {name}; see kernel-lab status", 64) from None

    @contextlib.contextmanager
    def locked(self):
        with open(self.path(".lock"), "w", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def address(number):
    return f"10.77.0.{number + 1}"


def tail(path, lines=20):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-lines:])
    except OSError:
        return ""
