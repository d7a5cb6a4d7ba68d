"""The command line of tools/kernel-lab."""
import argparse
import os
import subprocess
import sys

import verbs
from lab import Failure

HELP = """kernel-lab: real Linux kernels (Debian's user-mode-linux) beside a real Ceph, for tests

usage: kernel-lab VERB [flags] [-- COMMAND...]

  world    make namespaces (network, processes, mounts) with a micro-cluster, run COMMAND there, take all of it down
  run      boot a guest, run COMMAND in it, end the guest; outside of a world in one of its own, without a cluster
  up       boot guests and leave them running: up NAME...; one that was killed comes back with its address
  exec     run COMMAND in a guest that is up: exec NAME -- COMMAND...
  freeze   stop guests where they are          thaw     let them go on
  kill     pull the plug of guests             down     end guests and forget them (all, when none is named)
  status   the guests and their states
  help     this text

flags of world
  --dir DIR        the lab's directory (a new one below /var/tmp); removed at the end
  --no-cluster     no Ceph
  --osds N         its OSDs (3)                --store TYPE   bluestore (default) or memstore
  --timeout S      end everything after S seconds with status 124
flags of run and up
  --memory SIZE    of each guest (1G)
  --share DIR      can be read and written in the guest too, at the same path; may be repeated
  --disk FILE      as /dev/ubdb, and so on; may be repeated
  --timeout S      of a run: end the guests after S seconds with status 124; of up: their longest life
  -q, --quiet      say nothing of one's own
flags of run
  --guests N       N guests, n1 to nN, each of which runs COMMAND (1)
  --cluster        outside of a world: with a cluster

A guest is a kernel of its own (rbd, nbd, device-mapper, loop, fuse are loaded), with one processor. It sees the host's
files and can write everywhere: what it writes is in its memory, except below a --share. /tmp, /var/tmp and /run are its
own; TMPDIR is /tmp. Its name is its host name; its address is 10.77.0.2 for the first, 10.77.0.3 for the second, ...; the
cluster and the host are 10.77.0.1. Of the environment it gets PATH, HOME, TERM, NACRE_*, CEPH_*, and NACRE_GUEST, its name.
NACRE_UML_ROOT=$(tools/lib/uml-release forky) in the environment boots the kernel of a later Debian.

examples
  tools/kernel-lab run -- uname -r
  tools/kernel-lab run --cluster -- sh -c 'ceph -c "$NACRE_CLUSTER_DIR/ceph.conf" status'
  tools/kernel-lab run --guests 2 -- ip -4 -brief address
  tools/kernel-lab world -- bash      # then: kernel-lab up a b; kernel-lab exec a -- bash -c '...'; kernel-lab freeze a

exit status: the command's; 1 failed, 64 wrong usage, 69 something is missing, 70 the guest ended first, 77 not root,
124 timed out
"""


def parse(words):
    parser = argparse.ArgumentParser(prog="kernel-lab", add_help=False, allow_abbrev=False)
    parser.error = lambda message: (_ for _ in ()).throw(Failure(f"{message}; see kernel-lab help", 64))
    kinds = parser.add_subparsers(dest="verb", required=True)
    for name in ("world", "_world", "run", "up", "exec", "freeze", "thaw", "kill", "down", "status", "help"):
        verb = kinds.add_parser(name, add_help=False, allow_abbrev=False)
        verb.error = parser.error
        if name in ("world", "_world", "run"):
            verb.add_argument("--dir")
            verb.add_argument("--osds", default="3")
            verb.add_argument("--store", default="bluestore")
        if name in ("world", "_world"):
            verb.add_argument("--no-cluster", action="store_true")
        if name in ("world", "_world", "run", "up"):
            verb.add_argument("--timeout", type=float)
            verb.add_argument("-q", "--quiet", action="store_true")
        if name in ("run", "up"):
            verb.add_argument("--memory", default="1G")
            verb.add_argument("--share", action="append", default=[])
            verb.add_argument("--disk", action="append", default=[])
        if name == "run":
            verb.add_argument("--guests", type=int, default=1)
            verb.add_argument("--cluster", action="store_true")
        if name in ("up", "freeze", "thaw", "kill"):
            verb.add_argument("names", nargs="+")
        if name == "down":
            verb.add_argument("names", nargs="*")
        if name == "exec":
            verb.add_argument("name")
    command = []
    if "--" in words:
        at = words.index("--")
        words, command = words[:at], words[at + 1:]
    options = parser.parse_args(words)
    options.command = command
    options.words = words
    if options.verb in ("world", "_world", "run", "exec") and not command:
        raise Failure(f"{options.verb} wants a command after --", 64)
    return options


def main():
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0 if words else 64
    options = parse(words)
    if os.geteuid() != 0:
        raise Failure("cannot start guests: not root", 77)
    return getattr(verbs, options.verb.replace("_world", "in_world"))(options)


try:
    sys.exit(main())
except Failure as failure:
    if failure.detail:
        print(failure.detail.rstrip(), file=sys.stderr)
    print(f"kernel-lab: {failure}", file=sys.stderr)
    sys.exit(failure.status)
except subprocess.SubprocessError as error:
    print(f"kernel-lab: {error}", file=sys.stderr)
    sys.exit(1)
