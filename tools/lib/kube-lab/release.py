"""What a node leaves in the kernel, and how it is taken away: processes, mounts, loop devices, cgroups."""
import contextlib
import os
import signal
import subprocess
import time

import daemons
import mountpoints
import teardown
from layout import Failure, read_text
from node import Node, contained_processes, processes_of_namespace, remove_cgroups

check_unused = teardown.check_unused
LIMIT = 20


def mounts_of(pid):
    """[(mount point, type, source)], the latest first."""
    found = []
    for line in (read_text(f"/proc/{pid}/mountinfo") or "").splitlines():
        fields = line.split()
        dash = fields.index("-")
        # mountinfo writes blanks and the like as \040
        point = fields[4].encode().decode("unicode_escape")
        found.append((point, fields[dash + 1], fields[dash + 2]))
    return found[::-1]


def kill_all(find):
    """SIGKILL to all that find() names, until there are none."""
    deadline = time.monotonic() + LIMIT
    while pids := find():
        if time.monotonic() > deadline:
            raise Failure(f"cannot end process {min(pids)}: it is still there {LIMIT} s after SIGKILL"
                          " (stuck in the kernel?); see its /proc/PID/stack and run `down` again")
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def serves_images(pid):
    """A server of ours, or libfuse's helper: mounts below it must go first."""
    return "image-server" in (read_text(f"/proc/{pid}/cmdline") or "")


def release_node(lab, name):
    """Ends a node, whatever ran in it, and takes its mounts, devices and cgroups away. Fine if there is nothing."""
    node = Node(lab, name)
    daemons.kill(lab, [f"kubelet.{name}", f"containerd.{name}"])
    holder = node.holder
    if holder is not None:
        namespace = os.readlink(f"/proc/{holder}/ns/mnt")
        inside = lambda: [p for p in processes_of_namespace(namespace) if p != holder]
        # Shims first: they would start no more, but they hold what their containers leave.
        kill_all(lambda: [p for p in inside() if not serves_images(p)])
        kill_all(lambda: [p for p in contained_processes(lab, name) if not serves_images(p)])
        detach_images(node, holder)
        kill_all(inside)
    kill_all(lambda: contained_processes(lab, name))
    daemons.kill(lab, [f"node.{name}"])
    remove_cgroups(lab, name)
    if os.getuid() == 0:
        with mountpoints.locked():
            mountpoints.remove_unused()


def detach_images(node, holder):
    """Unmounts and detaches the loop devices on served images while their servers live: later nobody can tell whose a
    device is, and a write to it would wait for nobody."""
    mounts = mounts_of(holder)
    served = [point for point, kind, _ in mounts if kind.startswith("fuse.nacre")]
    inside = lambda *command: subprocess.run(
        ["timeout", "10", *node.enter(*command)], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    for point, kind, _ in mounts:
        # Its process ends with it, also one that an agent in a container has left.
        if kind == "fuse.nacre-gate":
            inside("umount", "--lazy", point)
    if not served:
        return
    listed = inside("losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE").stdout
    for device, file in (line.split(None, 1) for line in listed.splitlines() if " " in line.strip()):
        if not any(file.startswith(point + "/") for point in served):
            continue
        for point, _, source in mounts:
            if source == device and inside("umount", point).returncode != 0:
                inside("umount", "--lazy", point)
        inside("losetup", "--detach", device)
