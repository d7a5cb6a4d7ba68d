"""The lab's places, its guests' numbers, and how failures are told."""
import contextlib
import fcntl
import os
import tempfile

HOST_ADDRESS = "10.77.0.1"
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

    @staticmethod
    def current():
        """The lab of the world that we are in, or None."""
        directory = os.environ.get("NACRE_LAB_DIR")
        return Lab(directory) if directory else None

    @staticmethod
    def make():
        return Lab(tempfile.mkdtemp(prefix="nacre-lab.", dir="/var/tmp"))

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
