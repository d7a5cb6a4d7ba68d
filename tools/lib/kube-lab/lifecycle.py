"""`up` and `down`."""
import contextlib
import os
import shutil
import time

import control_plane
import credentials
import daemons
import lab as labs
import ports
import release
from layout import LOCK, Failure, Gone
from guest_node import node as node_of
from telling import Progress

ROOT_PROGRAMS = {"unshare": "util-linux", "nsenter": "util-linux", "mount": "mount", "losetup": "mount"}


def check_host(nodes, guests):
    if guests and "NACRE_LAB_DIR" not in os.environ:
        raise Failure("cannot start guests: this is no world of tools/kernel-lab;"
                      " run `kernel-lab world -- kube-lab up --guests`", 64)
    if not nodes:
        return
    if os.getuid() != 0:
        raise Failure("cannot start a node: not root; leave --kubelet out or run as root", 77)
    missing = [p for p in ROOT_PROGRAMS if not shutil.which(p)]
    if missing:
        raise Failure(f"cannot start a node: missing {', '.join(missing)};"
                      f" apt-get install {' '.join({ROOT_PROGRAMS[p] for p in missing})}", 69)


def up(lab, wanted, quiet, timeout):
    """wanted: the state of a new lab."""
    labs.build(wanted["version"])
    progress = Progress(quiet)
    deadline = time.monotonic() + timeout
    check_host(wanted["nodes"], wanted["guests"])
    fresh = not os.path.isdir(lab.dir)
    try:
        os.makedirs(lab.dir, mode=0o700, exist_ok=True)
    except OSError as e:
        raise Failure(f"cannot make {lab.dir}: {(e.strerror or str(e)).lower()}") from None
    lab.load()
    check_ours(lab)
    with lab.locked():
        if not (lab.load() and lab.state["phase"] == "made"):
            check_ours(lab)
            if lab.state:
                progress("an `up` that did not finish left files here: starting over")
                remove_contents(lab)
            prepare(lab, wanted, fresh)
        daemons.check_namespace(lab)
        try:
            start(lab, progress, deadline)
        except BaseException as e:
            end_processes(lab)
            if isinstance(e, Failure):
                raise Failure(f"cannot bring up the lab in {lab.dir}: {e}; its processes are ended,"
                              f" logs are in {lab.path('log')}", e.code, e.detail) from None
            raise
        lab.state["phase"] = "made"
        lab.save()
    print(f"up in {progress.elapsed:.2f} s: Kubernetes {lab.state['version']} at {lab.server} in {lab.dir}"
          + (f", nodes {' '.join(lab.nodes)}" if lab.nodes else ""))


def prepare(lab, wanted, fresh):
    """Takes the ports and writes the credentials."""
    lab.state = {"phase": "making", **wanted}
    port = lab.state.pop("wanted_port")
    try:
        os.chmod(lab.dir, 0o700)
        lab.save()
        # One unit of the registry's: far more ports than a lab has.
        lab.state["port"], lab.state["ports"] = ports.choose(lab, osds=1, port=port)
        lab.save()
        control_plane.make_directories(lab)
        credentials.Authority(lab).make()
    except BaseException:
        remove_contents(lab)
        if fresh:
            with contextlib.suppress(OSError):
                os.unlink(lab.path(LOCK))
                os.rmdir(lab.dir)
        raise


def start(lab, progress, deadline):
    # All at once: they wait for each other.
    for name in lab.daemons:
        if "." not in name and daemons.state(lab, name)[1] == "stopped":
            daemons.start(lab, name, control_plane.argv(lab, name))
    nodes = [node_of(lab, name) for name in lab.nodes]
    for node in nodes:
        node.start(deadline)
        progress(f"containerd of {node.name} ready")
    control_plane.wait_ready(lab, deadline, progress)
    api = control_plane.API(lab)
    for node in nodes:
        control_plane.wait(lab, f"node {node.name}", [f"containerd.{node.name}", f"kubelet.{node.name}"],
                           lambda n=node: n.is_ready(api), deadline)
        progress(f"node {node.name} ready")


def check_ours(lab):
    if not lab.state and set(os.listdir(lab.dir)) - {LOCK}:
        raise Failure(f"cannot use {lab.dir}: it is neither empty nor a kube-lab; pick another --dir")


def end_processes(lab):
    """Of the control plane, and all of the nodes with what they hold of the kernel."""
    for name in lab.nodes:
        if lab.guests:
            node_of(lab, name).release()
        else:
            release.release_node(lab, name)
    daemons.kill(lab, daemons.recorded(lab))


def remove_contents(lab):
    """The marker goes last, so that a `down` that is cut short can be run again."""
    end_processes(lab)
    release.check_unused(lab)
    ports.release_block(lab)
    for name in os.listdir(lab.dir):
        if name in (LOCK, lab.marker):
            continue
        path = lab.path(name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    os.unlink(lab.path(lab.marker))


def down(lab, keep, quiet):
    try:
        text = take_down(lab, keep, time.monotonic())
    except Gone:
        text = f"nothing to take down: {lab.dir} was removed just now"
    if not quiet:
        print(text)


def take_down(lab, keep, begin):
    if not os.path.isdir(lab.dir):
        return f"nothing to take down: {lab.dir} does not exist"
    if not lab.load():
        if set(os.listdir(lab.dir)) - {LOCK}:
            raise Failure(f"cannot take down {lab.dir}: it is not a kube-lab (no {lab.marker}); nothing was touched")
        return f"nothing to take down: {lab.dir} is empty"
    with lab.locked():
        if not lab.load():
            return f"nothing to take down: {lab.dir} is empty"
        if keep:
            end_processes(lab)
            return f"down in {time.monotonic() - begin:.2f} s; files kept in {lab.dir}"
        remove_contents(lab)
        os.unlink(lab.path(LOCK))
        with contextlib.suppress(OSError):  # a mount point, or a file that someone put there just now
            os.rmdir(lab.dir)
    return f"down in {time.monotonic() - begin:.2f} s"
