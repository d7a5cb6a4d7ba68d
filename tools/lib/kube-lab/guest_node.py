"""A node that is a guest of tools/kernel-lab, with a kernel, mounts, cgroups and an address of its own.

containerd and kubelet are, to this lab, the processes that run them there (`kernel-lab exec`): what they say is in the
lab's logs, and they end with them. The guest sees the lab's directory at the lab's own path.
"""
import contextlib
import os
import subprocess

import daemons
from layout import Failure, write_file
from node import Node

KERNEL_LAB = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "kernel-lab")
MEMORY = "2G"
# kubelet ends where it cannot find a processor's clock, and user-mode-linux tells none.
CLOCK = "cpu MHz\t\t: 1000.000\n"
ADD_CLOCK = 'cat /proc/cpuinfo > /run/cpuinfo; printf %s "$0" >> /run/cpuinfo; mount --bind /run/cpuinfo /proc/cpuinfo'


class GuestNode(Node):
    @property
    def state_directory(self):
        """In the guest's memory: an overlay's upper directory cannot lie on hostfs."""
        return "/run/nacre-kube-lab"

    @property
    def kubelet_flags(self):
        # It has no default route, by which kubelet would choose.
        return ["--node-ip=" + self._run("printenv", "NACRE_GUEST_ADDRESS")]

    def enter(self, *command):
        return [KERNEL_LAB, "exec", self.name, "--", *command]

    def hold(self, deadline):
        # A guest of that name which does not see this lab is another's, and `up` says so.
        ours = self.enter("test", "-e", self.lab.path(self.lab.marker))
        if subprocess.run(ours, capture_output=True, check=False).returncode == 0:
            return
        os.makedirs(self.directory, exist_ok=True)
        _kernel_lab("up", "--quiet", "--memory", MEMORY, "--share", self.lab.dir, self.name)
        write_file(self.path("booted"), "")
        self._run("sh", "-ec", ADD_CLOCK, CLOCK)

    def release(self):
        daemons.kill(self.lab, [f"kubelet.{self.name}", f"containerd.{self.name}"])
        # Not another's guest of that name; and the world may have ended, or someone the guest.
        world = os.environ.get("NACRE_LAB_DIR")
        if os.path.exists(self.path("booted")) and world and os.path.isdir(os.path.join(world, self.name)):
            _kernel_lab("down", self.name)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path("booted"))

    def _run(self, *command):
        result = subprocess.run(self.enter(*command), capture_output=True, text=True, check=False)
        if result.returncode:
            raise Failure(f"{command[0]} failed in the guest {self.name}", detail=result.stderr.strip())
        return result.stdout.strip()


def node(lab, name):
    """The node of that name, of the kind that the lab has."""
    return (GuestNode if lab.guests else Node)(lab, name)


def _kernel_lab(*words):
    result = subprocess.run([KERNEL_LAB, *words], capture_output=True, text=True, check=False)
    if result.returncode:
        raise Failure(f"kernel-lab {words[0]} failed", detail=result.stderr.strip())
