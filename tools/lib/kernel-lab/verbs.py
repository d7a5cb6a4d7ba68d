"""What kernel-lab does."""
import os
import signal
import subprocess
import sys
import threading
import time

import channel
from guest import Guest, make_network
from lab import HOST_ADDRESS, LIBRARY, REPOSITORY, Failure, Lab

BOOT_LIMIT = 60
MICRO_CLUSTER = os.path.join(REPOSITORY, "tools", "micro-cluster")


def world(options):
    """Goes on as in_world, as process 1 of namespaces that end with it."""
    _enter_world(options.words[1:], options.command)


def _enter_world(flags, command):
    namespaces = ["unshare", "--net", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child=KILL",
                  "--mount-proc"]
    program = [sys.executable, "-E", "-s", "-B", os.path.join(LIBRARY, "main.py")]
    os.execvp("unshare", [*namespaces, *program, "_world", *flags, "--", *command])


def in_world(options):
    def end(number, _):
        raise SystemExit(124 if number == signal.SIGALRM else 128 + number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, end)
    if options.timeout:
        signal.setitimer(signal.ITIMER_REAL, options.timeout)
    lab = Lab(os.path.realpath(options.dir)) if options.dir else Lab.make()
    lab.claim()
    os.environ["NACRE_LAB_DIR"] = lab.directory
    cluster = lab.path("cluster")
    try:
        make_network()
        os.environ.pop("NACRE_CLUSTER_DIR", None)
        if not options.no_cluster:
            subprocess.run([MICRO_CLUSTER, "up", *(["--quiet"] if options.quiet else []), "--dir", cluster,
                            "--addr", HOST_ADDRESS, "--osds", options.osds, "--store", options.store],
                           check=True, stdout=sys.stderr)
            os.environ["NACRE_CLUSTER_DIR"] = cluster
        return _wait(subprocess.Popen(options.command))
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
        for name in lab.names():
            Guest(lab, name).forget()
        if os.path.isdir(cluster):
            subprocess.run([MICRO_CLUSTER, "down", "--quiet", "--dir", cluster], check=False, stdout=sys.stderr)
        lab.remove()


def _wait(process):
    """Its exit status; meanwhile collects orphans, as process 1 must."""
    while True:
        pid, status = os.wait()
        if pid == process.pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def run(options):
    lab = Lab.current()
    if lab is None:
        _enter_world(_world_flags(options), [os.path.join(REPOSITORY, "tools", "kernel-lab"), *sys.argv[1:]])
    names = [_free_name(lab, i + 1) for i in range(options.guests)]
    deadline = time.monotonic() + options.timeout if options.timeout else None
    guests = []

    def end(number, _):
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    try:
        guests = _boot(lab, names, options, None, dies_with_us=True)
        return _run_all(guests, options.command, deadline)
    finally:
        for guest in guests:
            guest.forget()


def _world_flags(options):
    flags = ["--osds", options.osds, "--store", options.store]
    if not options.cluster:
        flags.append("--no-cluster")
    if options.dir:
        flags += ["--dir", options.dir]
    return flags


def _free_name(lab, number):
    taken = set(lab.names())
    name = f"n{number}"
    return name if name not in taken else f"n{number}-{os.getpid()}"


def _boot(lab, names, options, limit, dies_with_us):
    begin = time.monotonic()
    # A guest's /tmp, /var/tmp and /run are its own; a checkout that lies there must be seen all the same.
    hidden = [REPOSITORY] if REPOSITORY.startswith(("/tmp/", "/var/tmp/", "/run/")) else []
    shares = [f"ro {directory}" for directory in hidden]
    shares += [f"rw {os.path.realpath(directory)}" for directory in options.share]
    if cluster := os.environ.get("NACRE_CLUSTER_DIR"):
        shares.insert(0, f"ro {os.path.realpath(cluster)}")
    guests = []
    try:
        for name in names:
            lab.reserve(name)
            guest = Guest(lab, name)
            if guest.state() != "gone":
                raise Failure(f"there is a guest {name} already; see kernel-lab status")
            guests.append(guest)
            guest.boot(options.memory, shares, [os.path.realpath(disk) for disk in options.disk], limit, dies_with_us)
        for guest in guests:
            guest.wait(BOOT_LIMIT)
            if not options.quiet:
                print(f"guest {guest.name} is up at {guest.address} after {time.monotonic() - begin:.1f} s",
                      file=sys.stderr)
    except BaseException:
        for guest in guests:
            guest.forget()
        raise
    return guests


def _environment():
    kept = ("PATH", "HOME", "TERM")
    environment = {name: value for name, value in os.environ.items()
                   if name in kept or name.startswith(("NACRE_", "CEPH_"))}
    return {"LC_ALL": "C.UTF-8", "TMPDIR": "/tmp", "DM_DISABLE_UDEV": "1", **environment}


def _run_all(guests, command, deadline):
    """Runs it in all of them at once; the highest status."""
    results = {}

    def work(guest):
        write = channel.pass_through if len(guests) == 1 else channel.Prefixed(guest.name)
        try:
            results[guest.name] = guest.run(command, _environment(), _cwd(), write)
        except (Failure, OSError) as e:
            results[guest.name] = getattr(e, "status", 70)
            print(f"kernel-lab: guest {guest.name}: {e}", file=sys.stderr)
        finally:
            if len(guests) > 1:
                write.end()

    threads = [threading.Thread(target=work, args=(guest,), daemon=True) for guest in guests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(None if deadline is None else max(0, deadline - time.monotonic()))
    if any(thread.is_alive() for thread in threads):
        raise Failure("the guests were ended after --timeout", 124)
    return max(results.values())


def _cwd():
    """Ours, unless the guest has something else there."""
    here = os.getcwd()
    return "/" if here.startswith(("/tmp/", "/var/tmp/", "/run/")) else here


def _current():
    lab = Lab.current()
    if lab is None:
        raise Failure("there is no world here: NACRE_LAB_DIR is not set; start one: kernel-lab world -- COMMAND", 64)
    return lab


def up(options):
    _boot(_current(), options.names, options, options.timeout, dies_with_us=False)
    return 0


def exec(options):  # named as the verb
    guest = Guest(_current(), options.name)
    return guest.run(options.command, _environment(), _cwd())


def _each(options, action):
    lab = _current()
    for name in options.names or lab.names():
        action(Guest(lab, name))
    return 0


def freeze(options):
    return _each(options, lambda guest: guest.pause(True))


def thaw(options):
    return _each(options, lambda guest: guest.pause(False))


def kill(options):
    return _each(options, Guest.kill)


def down(options):
    return _each(options, Guest.forget)


def status(_):
    lab = _current()
    for name in lab.names():
        guest = Guest(lab, name)
        print(f"{name:12} {guest.address:14} {guest.state()}")
    return 0
