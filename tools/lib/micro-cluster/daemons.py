"""The daemons' processes: started apart from the caller, recorded, and signalled only if ours."""
import contextlib
import os
import select
import signal
import subprocess
import time

from layout import Failure, read_text, tail

PROGRAMS = {"mon": "ceph-mon", "mgr": "ceph-mgr", "osd": "ceph-osd"}

# The record must exist before the daemon does: else an `up` that is killed at
# the wrong moment leaves a process that nobody knows. So the new process
# writes its own line of /proc/PID/stat (pid and start time) and then becomes
# the daemon; exec changes neither.
RECORD_THEN_EXEC = 'read -r line < "/proc/$$/stat" && printf "%s\\n" "$line" > "$0" && exec "$@"'

# Variables by which a caller's shell would reach into our clients and daemons.
# CEPH_KEYRING overrides each daemon's own key, for one.
CEPH_VARIABLES = ("CEPH_ARGS", "CEPH_CONF", "CEPH_KEYRING")
# ceph-mgr runs Python in its process. These stay for what `exec` runs.
DAEMON_VARIABLES = ("LD_PRELOAD", "PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP")


def scrub_environment():
    for name in CEPH_VARIABLES:
        os.environ.pop(name, None)


def _record_path(cluster, name):
    return cluster.path("run", name + ".pid")


def _parse_stat(text):
    """(state, start time) of a /proc/PID/stat line; the command's name may hold blanks and brackets."""
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[19])


def _recorded(cluster, name):
    text = read_text(_record_path(cluster, name))
    if not text:
        return None
    try:
        return int(text.split(None, 1)[0]), _parse_stat(text)[1]
    except (IndexError, ValueError):
        return None


def _own_process(cluster, name):
    """(pid, kernel state letter) if the recorded process lives and is provably this daemon."""
    known = _recorded(cluster, name)
    if known is None:
        return None
    pid, start = known
    stat = read_text(f"/proc/{pid}/stat")
    cmdline = read_text(f"/proc/{pid}/cmdline")
    if not stat:
        return None
    letter, started = _parse_stat(stat)
    # A dead process that its parent has not collected has no cmdline.
    if started != start or letter in "XZ":
        return None
    # In the midst of an exec a process has none either, for a moment; its start time is proof enough.
    return (pid, letter) if not cmdline or cluster.dir + "/" in cmdline else None


def state(cluster, name):
    """(pid or None, "running" | "frozen" | "stopped")."""
    found = _own_process(cluster, name)
    if found is None:
        return None, "stopped"
    return found[0], "frozen" if found[1] == "T" else "running"


def recorded(cluster):
    """Names of all that was ever started, an osd's mkfs too."""
    try:
        files = os.listdir(cluster.path("run"))
    except FileNotFoundError:
        return []
    return [f.removesuffix(".pid") for f in files if f.endswith(".pid")]


def states(cluster):
    return {name: state(cluster, name) for name in cluster.daemons}


def argv(cluster, name):
    kind, _, ident = name.partition(".")
    return [PROGRAMS[kind], "-i", ident, "-c", cluster.conf, "-f"]


def log_tail(cluster, name):
    """The end of what it wrote last: its log, or what came out on its stderr."""
    return tail([cluster.path("log", name + ".log"), cluster.path("log", name + ".out")])


def check_namespace(cluster):
    """Daemons belong into one network namespace; the caller must be there too."""
    ours = os.stat("/proc/self/ns/net").st_ino
    for name, (pid, _) in states(cluster).items():
        with contextlib.suppress(OSError):
            if pid and os.stat(f"/proc/{pid}/ns/net").st_ino != ours:
                raise Failure(f"cannot reach the cluster in {cluster.dir}: {name} runs in another network"
                              f" namespace; go there: `nsenter --net=/proc/{pid}/ns/net`")


def start(cluster, name, command=None):
    """Starts a daemon in a session of its own, with nothing of the caller's open.
    Given a command (which must name a file of ours), runs and records that instead."""
    record = _record_path(cluster, name)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(record)
    environment = {k: v for k, v in os.environ.items() if k not in DAEMON_VARIABLES}
    with open(cluster.path("log", name + ".out"), "ab") as out:
        process = subprocess.Popen(
            ["/bin/sh", "-c", RECORD_THEN_EXEC, record, *(command or argv(cluster, name))],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/", env=environment, start_new_session=True)
    # Without its record a daemon counts as stopped.
    while _recorded(cluster, name) is None and process.poll() is None:
        time.sleep(0.001)
    return process


def died(cluster, name, status=None):
    how = ""
    if status is not None:
        how = f" (killed by signal {-status})" if status < 0 else f" (exit status {status})"
    return Failure(f"{name} ended by itself{how}", detail=log_tail(cluster, name))


def signal_daemon(cluster, name, signum):
    """Sends a signal; returns a pidfd of the process, or None if the daemon does not run."""
    found = _own_process(cluster, name)
    if found is None:
        return None
    try:
        fd = os.pidfd_open(found[0])
    except ProcessLookupError:
        return None
    # The pid may have passed to another process between the look and the open;
    # what the descriptor names cannot change any more, so look once again.
    if _own_process(cluster, name) is None:
        os.close(fd)
        return None
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(fd, signum)
    return fd


def kill(cluster, names, timeout=20):
    """SIGKILL, then waits until the processes are gone. A frozen one needs no SIGCONT for that."""
    waiting = {}
    for name in names:
        fd = signal_daemon(cluster, name, signal.SIGKILL)
        if fd is not None:
            waiting[fd] = name
    killed = list(waiting.values())
    deadline = time.monotonic() + timeout
    poller = select.poll()
    for fd in waiting:
        poller.register(fd, select.POLLIN)
    while waiting:
        for fd, _ in poller.poll(max(0, deadline - time.monotonic()) * 1000):
            poller.unregister(fd)
            os.close(fd)
            del waiting[fd]
        if waiting and time.monotonic() >= deadline:
            name = sorted(waiting.values())[0]
            raise Failure(f"cannot end {name}: it is still there {timeout} s after SIGKILL"
                          " (stuck in the kernel?); see its /proc/PID/stack and run `down` again")
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_record_path(cluster, name))
    return killed


def pause(cluster, name, signum, wanted, timeout=5):
    """SIGSTOP or SIGCONT, and waits until /proc shows the new state."""
    fd = signal_daemon(cluster, name, signum)
    if fd is None:
        return False
    os.close(fd)
    deadline = time.monotonic() + timeout
    while state(cluster, name)[1] != wanted:
        if state(cluster, name)[1] == "stopped":
            raise died(cluster, name)
        if time.monotonic() > deadline:
            raise Failure(f"cannot make {name} {wanted}: it did not change in {timeout} s")
        time.sleep(0.005)
    return True


def freeze(cluster, name):
    if not pause(cluster, name, signal.SIGSTOP, "frozen"):
        raise Failure(f"cannot freeze {name}: it does not run; start it first")
    print(f"{name} frozen")


def thaw(cluster, name):
    if not pause(cluster, name, signal.SIGCONT, "running"):
        raise Failure(f"cannot thaw {name}: it does not run; use `start {name}`")
    print(f"{name} thawed")
