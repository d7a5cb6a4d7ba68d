"""The verbs that work on a lab that is up: status, env, kubectl, exec, load, and the faults."""
import json
import os
import shlex
import signal
import sys
import time

import control_plane
import daemons
from lab import usage
from layout import Failure
from guest_node import node as node_of


def is_ready(lab, states):
    api = control_plane.API(lab)
    return (all(s == "running" for _, s in states.values()) and api.get("/readyz")[0] == 200
            and all(node_of(lab, name).is_ready(api) for name in lab.nodes))


def status(lab, output):
    lab.need()
    daemons.check_namespace(lab)
    states = daemons.states(lab)
    ready = is_ready(lab, states)
    if output == "json":
        print(json.dumps({
            "ready": ready, "dir": lab.dir, "version": lab.state["version"], "server": lab.server,
            "kubeconfig": lab.kubeconfig(), "nodes": lab.nodes,
            "processes": [{"name": n, "pid": pid, "state": s} for n, (pid, s) in states.items()]}, indent=1))
    else:
        print(f"Kubernetes {lab.state['version']} at {lab.server} in {lab.dir}: {'ready' if ready else 'not ready'}")
        for name, (pid, state) in states.items():
            print(f"{name:24}{pid or '-':>8}  {state}")
    return 0 if ready else 1


def environment(lab):
    return {
        "KUBECONFIG": lab.kubeconfig(),
        "NACRE_KUBE_DIR": lab.dir,
        "PATH": f"{os.path.dirname(lab.program_path('kubectl'))}:{os.environ.get('PATH', '/usr/bin:/bin')}",
    }


def print_env(lab):
    lab.need()
    for name, value in environment(lab).items():
        print(f"export {name}={shlex.quote(value)}")


def execute(lab, node, command):
    lab.need()
    os.environ.update(environment(lab))
    if node is not None:
        check_node(lab, node)
        command = node_of(lab, node).enter(*command)
    # Python ignores SIGPIPE, and an ignored signal stays so in the program.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except FileNotFoundError:
        raise Failure(f"cannot run {command[0]}: no such program", 127) from None
    except OSError as e:
        raise Failure(f"cannot run {command[0]}: {e.strerror.lower()}", 126) from None


def check_node(lab, node):
    if node not in lab.nodes:
        raise usage(f"no node {node}: this lab has {' '.join(lab.nodes) or 'none, see up --kubelet'}")


def load(lab, archives):
    lab.need()
    for archive in archives:
        if not os.path.isfile(archive):
            raise usage(f"{archive} is no file")
        for name in lab.nodes:
            node_of(lab, name).import_image(archive)
            print(f"{archive} is in {name}")


def stop(lab, names):
    for name in names:
        print(f"{name} " + ("stopped" if daemons.kill(lab, [name]) else "was stopped already"))


def start(lab, names, timeout):
    for name in names:
        pid, state = daemons.state(lab, name)
        if state == "frozen":
            raise Failure(f"cannot start {name}: it is frozen (pid {pid}); use `thaw {name}`")
        if state == "running":
            print(f"{name} runs already (pid {pid})")
            continue
        kind, _, node = name.partition(".")
        if not node:
            daemons.start(lab, name, control_plane.argv(lab, name))
        elif kind == "node":
            node_of(lab, node).start_holder(time.monotonic() + timeout)
        elif kind == "containerd":
            daemons.start(lab, name, node_of(lab, node).containerd_command())
        else:
            daemons.start(lab, name, node_of(lab, node).kubelet_command())
        # Whatever fails at once should fail this command.
        for _ in range(10):
            time.sleep(0.02)
            if daemons.state(lab, name)[1] == "stopped":
                raise daemons.died(lab, name)
        print(f"{name} started (pid {daemons.state(lab, name)[0]})")


def freeze(lab, names):
    for name in names:
        if lab.guests and "." in name:
            raise usage(f"{name} is in a guest, which freezes as a whole: kernel-lab freeze {name.partition('.')[2]}")
        daemons.freeze(lab, name)


def thaw(lab, names):
    for name in names:
        daemons.thaw(lab, name)


FAULTS = ("stop", "start", "restart", "freeze", "thaw")


def fault(lab, verb, names, wait, timeout):
    begin = time.monotonic()
    lab.need()
    for name in names:
        if name not in lab.daemons:
            raise usage(f"no process {name}: this lab has {' '.join(lab.daemons)}")
    with lab.locked():
        daemons.check_namespace(lab)
        if verb in ("stop", "restart"):
            stop(lab, names)
        if verb in ("start", "restart"):
            start(lab, names, timeout)
        if verb == "freeze":
            freeze(lab, names)
        if verb == "thaw":
            thaw(lab, names)
    if not wait:
        return
    while not is_ready(lab, daemons.states(lab)):
        if time.monotonic() > begin + timeout:
            raise Failure(f"{', '.join(names)}: the lab is not ready after {timeout} s; see `kube-lab status`")
        time.sleep(0.1)
    print(f"ready after {time.monotonic() - begin:.2f} s")
    sys.stdout.flush()
