"""A guest: a user-mode-linux kernel in a process namespace of its own, so that ending its process 1 ends all of it."""
import contextlib
import ctypes
import glob
import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import time

import channel
from lab import HOST_ADDRESS, LIBRARY, REPOSITORY, Failure, address, tail

# Where another Debian's user-mode-linux is unpacked (tools/lib/uml-release); empty for what is installed here.
ROOT = os.environ.get("NACRE_UML_ROOT", "").rstrip("/")
KERNEL = ROOT + "/usr/bin/linux.uml"
MODULES = ROOT + "/usr/lib/uml/modules"
LOAD = "rbd nbd loop dm-mod fuse"
PR_SET_PDEATHSIG = 1


def register_state_library():
    """register_state.c, compiled where builds are kept, once for each version of its source."""
    source = os.path.join(LIBRARY, "register_state.c")
    with open(source, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()[:12]
    directory = os.path.join(REPOSITORY, ".build", "kernel-lab")
    library = os.path.join(directory, f"register_state-{digest}.so")
    if not os.path.exists(library):
        os.makedirs(directory, exist_ok=True)
        made = f"{library}.{os.getpid()}"
        result = subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", made, source],
                                capture_output=True, text=True, check=False)
        if result.returncode:
            raise Failure("cannot compile register_state.c", 69, result.stderr)
        os.replace(made, library)
    return library


def modules():
    found = glob.glob(MODULES + "/*/modules.dep")
    if not os.path.exists(KERNEL) or not found:
        raise Failure("user-mode-linux is not installed: apt-get install user-mode-linux", 69)
    return os.path.dirname(found[0])


def _start():
    """The words that start the kernel."""
    if not ROOT:
        return [KERNEL]
    # It wants a newer C library than this machine's, and its loader is named as one in this directory.
    libraries = f"{ROOT}/usr/lib/x86_64-linux-gnu"
    return ["env", f"--chdir={libraries}", f"LD_LIBRARY_PATH={libraries}", KERNEL]


class Guest:
    """One guest of a lab; `name` is its host name."""

    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.number = lab.number(name)
        self.address = address(self.number)
        self.tap = f"tap{self.number}"

    def path(self, *parts):
        return self.lab.path(self.name, *parts)

    def boot(self, memory, shares, disks, limit=None, dies_with_us=False):
        """Starts it and returns; wait() says when it can be used."""
        self._write_boot(shares)
        subprocess.run(["ip", "link", "del", self.tap], capture_output=True, check=False)
        _ip("tuntap", "add", "dev", self.tap, "mode", "tap")
        _ip("link", "set", self.tap, "mtu", "9000", "master", "lab", "up")
        kernel = [
            *_start(), f"mem={memory}", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "quiet",
            f"init={LIBRARY}/init", "con=null", "con0=null,fd:1", "ssl=null", f"umid=lab{os.getpid()}-{self.number}",
            f"uml_dir={self.path()}/", f"vec0:transport=tap,ifname={self.tap},depth=128,gro=1,mtu=9000",
            f"NACRE_GUEST_DIR={self.path()}", *(f"ubd{i + 1}={disk}" for i, disk in enumerate(disks)),
        ]
        command = ["unshare", "--pid", "--fork", "--kill-child=KILL", *kernel]
        if limit:
            command = ["timeout", "--signal=KILL", str(limit), *command]
        environment = {"PATH": os.environ["PATH"], "LD_PRELOAD": register_state_library()}

        def in_child():
            if dies_with_us:
                ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

        with open(self.path("console"), "ab") as console:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, cwd="/",
                                       env=environment, start_new_session=True, preexec_fn=in_child)
        with open(self.path("pid"), "w", encoding="ascii") as file:
            file.write(f"{process.pid} {_start_time(process.pid)}\n")
        self.process = process

    def _write_boot(self, shares):
        def quoted(words):
            return "(" + " ".join(shlex.quote(word) for word in words) + ")"

        with open(self.path("boot"), "w", encoding="utf-8") as file:
            file.write(f"GUEST_NAME={self.name}\nGUEST_ADDRESS={self.address}\nGUEST_MODULES={modules()}\n"
                       f"GUEST_LOAD='{LOAD}'\nGUEST_AGENT={LIBRARY}/agent.py\nGUEST_SHARES={quoted(shares)}\n")

    def wait(self, limit):
        """Until it does what it is told."""
        deadline = time.monotonic() + limit
        while not channel.answers(self.address):
            if not self.is_alive():
                raise Failure(f"guest {self.name} ended while it started", detail=tail(self.path("console")))
            if time.monotonic() > deadline:
                raise Failure(f"guest {self.name} is not up after {limit} s", detail=tail(self.path("console")))
            time.sleep(0.02)

    def run(self, argv, environment, cwd, write=channel.pass_through):
        """Runs a command in it; the exit status is the command's."""
        environment = {**environment, "NACRE_GUEST": self.name, "NACRE_GUEST_ADDRESS": self.address}
        return channel.run(self.address, argv, environment, cwd, self.is_alive, write)

    def _recorded(self):
        try:
            with open(self.path("pid"), encoding="ascii") as file:
                pid, start = file.read().split()
        except (OSError, ValueError):
            return None
        return int(pid) if _start_time(int(pid)) == start else None

    def _chain(self):
        """Our process and its descendants up to the kernel's main process: timeout, unshare, linux.uml."""
        pid, chain = self._recorded(), []
        while pid:
            chain.append(pid)
            if _program(pid) == os.path.basename(KERNEL):
                break
            children = _children(pid)
            pid = children[0] if children else None
        return chain

    def kernel_process(self):
        chain = self._chain()
        if chain and _program(chain[-1]) == os.path.basename(KERNEL):
            return chain[-1]
        return None

    def is_alive(self):
        process = getattr(self, "process", None)
        if process is not None:
            return process.poll() is None
        return self._recorded() is not None

    def state(self):
        kernel = self.kernel_process()
        if kernel is None:
            return "gone"
        return "frozen" if _stat(kernel)[0] == "T" else "running"

    def pause(self, freeze):
        """Stops the whole guest, or lets it go on: nothing in it runs while its kernel is stopped."""
        kernel = self.kernel_process()
        if kernel is None:
            raise Failure(f"guest {self.name} does not run")
        os.kill(kernel, signal.SIGSTOP if freeze else signal.SIGCONT)
        deadline = time.monotonic() + 5
        while self.state() != ("frozen" if freeze else "running"):
            if time.monotonic() > deadline:
                raise Failure(f"guest {self.name} did not {'freeze' if freeze else 'thaw'} within 5 s")
            time.sleep(0.002)

    def kill(self):
        """Pulls the plug. The number and the directory stay until forget()."""
        for pid in reversed(self._chain()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while self._recorded() is not None and self.is_alive():
            if time.monotonic() > deadline:
                raise Failure(f"guest {self.name} does not end after SIGKILL")
            time.sleep(0.005)

    def forget(self):
        """Also removes what it was."""
        self.kill()
        subprocess.run(["ip", "link", "del", self.tap], capture_output=True, check=False)
        shutil.rmtree(self.path(), ignore_errors=True)


def make_network():
    """In a new network namespace: a bridge that the guests' taps join, with our address."""
    _ip("link", "set", "lo", "up")
    _ip("link", "add", "lab", "type", "bridge")
    _ip("addr", "add", f"{HOST_ADDRESS}/24", "dev", "lab")
    _ip("link", "set", "lab", "mtu", "9000", "up")


def _ip(*words):
    result = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if result.returncode:
        raise Failure(f"cannot make the lab's network: ip {' '.join(words)}: {result.stderr.strip()}")


def _stat(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return file.read().rpartition(")")[2].split()


def _start_time(pid):
    try:
        fields = _stat(pid)
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def _program(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        return os.path.basename(file.read().split(b"\0")[0].decode(errors="replace"))
    return ""


def _children(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]
    return []
