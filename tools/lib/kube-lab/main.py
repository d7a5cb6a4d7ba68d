"""kube-lab's command line."""
import os
import sys

# Directories, ports and processes are handled as micro-cluster handles them.
sys.path.append(os.path.join(os.path.dirname(__file__), "..", "micro-cluster"))

# pylint: disable=wrong-import-position
import lab as labs  # noqa: E402
import lifecycle  # noqa: E402
import verbs  # noqa: E402
from lab import Lab, usage  # noqa: E402
from telling import guarded  # noqa: E402

DEFAULT_DIR = "/var/tmp/nacre-kube"
DEFAULT_VERSION = "1.20.2"

HELP = f"""\
kube-lab: a real Kubernetes on one machine, for tests

usage: kube-lab VERB [flags]

  up       start etcd, API server, controller manager and scheduler, RBAC on, and with --kubelet a node (or several);
           on a lab whose processes are gone: start them again on their data
  down     end them, remove the directory and all that the nodes hold of the kernel; fine if there is none
  status   its processes and whether they are ready; exit 0 if all is well, 1 if not, 3 if there is none
  env      print shell exports: eval "$(kube-lab env)"
  kubectl  run kubectl as the administrator: kube-lab kubectl get nodes
  exec     run a command with these variables, with --node in that node's mounts: kube-lab exec --node n1 -- findmnt
  load     import an OCI archive into the nodes' containerd: kube-lab load image.tar
  stop     SIGKILL processes              start    start stopped ones
  freeze   SIGSTOP processes              thaw     SIGCONT frozen ones
  restart  stop, then start
  build    build Kubernetes if it is not there (`up` does so too), and nothing else
  help     this text

flags of every verb
  --dir DIR            where the lab lives, under 80 characters ($NACRE_KUBE_DIR, else {DEFAULT_DIR})
  -q, --quiet          no progress lines
flags of up
  --version VERSION    of Kubernetes ({DEFAULT_VERSION}; see tools/lib/kube-lab/versions)
  --kubelet            a node n1 with containerd, runc, kubelet and the image docker.io/local/busybox:1
  --nodes N            that many nodes, n1 to nN
  --guests             each node is a guest of tools/kernel-lab, in whose world this runs: a kernel with rbd, nbd, dm
  --port PORT          first port of the block; by default a free block is found
  --gates A=true,B=false  feature gates of all
  --api-arg ARG        one more argument of kube-apiserver, as often as wanted; likewise
  --kcm-arg ARG        of kube-controller-manager, like --kcm-arg --kube-api-qps=300
  --no-scheduler       leave the scheduler out
  --timeout S          give up after (120; a build takes its own time before)
flags of the others
  down --keep          end the processes, keep the files
  status --output json
  start, restart, thaw --wait [--timeout S]   wait until all is ready again (60)

processes: etcd kube-apiserver kube-controller-manager kube-scheduler kubelet.n1 containerd.n1; a verb takes several

files in DIR
  admin.kubeconfig, pki/, log/, n1/var/lib/kubelet and the like: what the node sees as /var/lib/kubelet

The programs come from Debian's packages, Kubernetes from Debian's source package: about five minutes on two cores, once,
in /var/cache/nacre/kubernetes-VERSION ($NACRE_KUBE_CACHE/kubernetes-VERSION; for other users than root
$XDG_CACHE_HOME/nacre). $NACRE_DEBIAN_MIRROR names another mirror.

examples
  kube-lab up --kubelet
  kube-lab kubectl apply -f deploy/examples/block-pod.yaml
  kube-lab freeze etcd; sleep 5; kube-lab thaw etcd --wait
  ip netns exec lab kube-lab up --dir /var/tmp/lab
  kernel-lab world -- sh -c 'kube-lab up --guests && bash'
  kube-lab down

exit status: 0 done, 1 failed, 3 no lab there, 64 wrong usage, 69 something is not installed, 77 not root
"""

ONE, MANY, NONE = "one", "many", "none"  # values that a flag takes
FLAGS = {
    "up": {"version": ONE, "kubelet": NONE, "nodes": ONE, "guests": NONE, "port": ONE, "gates": ONE,
           "api-arg": MANY, "kcm-arg": MANY, "no-scheduler": NONE, "timeout": ONE},
    "down": {"keep": NONE},
    "status": {"output": ONE},
    "env": {},
    "kubectl": {},
    "exec": {"node": ONE},
    "load": {},
    "stop": {},
    "freeze": {},
    "start": {"wait": NONE, "timeout": ONE},
    "restart": {"wait": NONE, "timeout": ONE},
    "thaw": {"wait": NONE, "timeout": ONE},
    "build": {"version": ONE},
}
COMMON = {"dir": ONE, "quiet": NONE, "help": NONE}
SHORT = {"-q": "--quiet", "-h": "--help"}
RUNNERS = ("exec", "kubectl")  # whose further words belong to the program that they run


def parse(verb, arguments):
    """({flag: value}, the rest)."""
    known = {**COMMON, **FLAGS[verb]}
    options, rest = {}, []
    arguments = list(arguments)
    while arguments:
        word = arguments.pop(0)
        if word == "--":
            return options, rest + arguments
        name, equals, value = SHORT.get(word, word).removeprefix("--").partition("=")
        is_flag = SHORT.get(word, word).startswith("--") and name in known
        if verb in RUNNERS and not is_flag:
            return options, [word, *arguments]
        if not word.startswith("-"):
            rest.append(word)
            continue
        if not is_flag:
            raise usage(f"{verb} has no flag {word}")
        if known[name] == NONE:
            if equals:
                raise usage(f"--{name} takes no value")
            options[name] = True
            continue
        if not equals and arguments:
            value = arguments.pop(0)
        if not value:
            raise usage(f"--{name} wants a value")
        if known[name] == MANY:
            options.setdefault(name, []).append(value)
        else:
            options[name] = value
    return options, rest


def number(options, name, low, high, default=None):
    if name not in options:
        return default
    text = options[name]
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise usage(f"--{name} {text} is not a number from {low} to {high}")
    return int(text)


def wanted(options):
    return {
        "version": options.get("version", DEFAULT_VERSION),
        "nodes": number(options, "nodes", 1, labs.MAX_NODES, 1 if {"kubelet", "guests"} & options.keys() else 0),
        "guests": "guests" in options,
        "wanted_port": number(options, "port", 1024, 65000),
        "gates": options.get("gates", ""),
        "api_args": options.get("api-arg", []),
        "kcm_args": options.get("kcm-arg", []),
        "scheduler": "no-scheduler" not in options,
    }


def run(arguments):
    if not arguments:
        raise usage("no verb given")
    verb = arguments[0]
    if verb in ("help", "--help", "-h"):
        print(HELP, end="")
        return 0
    if verb not in FLAGS:
        raise usage(f"no verb {verb}")
    options, rest = parse(verb, arguments[1:])
    if "help" in options:
        print(HELP, end="")
        return 0
    if rest and verb not in (*verbs.FAULTS, *RUNNERS, "load"):
        raise usage(f"{verb} takes no argument {rest[0]}")
    if not rest and verb in (*verbs.FAULTS, "exec", "load"):
        raise usage(f"{verb} wants {'a command' if verb == 'exec' else 'a file' if verb == 'load' else 'a process'}")

    lab = Lab(options.get("dir") or os.environ.get("NACRE_KUBE_DIR") or DEFAULT_DIR)
    quiet = "quiet" in options
    if verb == "build":
        labs.build(options.get("version", DEFAULT_VERSION))
        print(labs.cache_directory(options.get("version", DEFAULT_VERSION)))
    elif verb == "up":
        lifecycle.up(lab, wanted(options), quiet, number(options, "timeout", 1, 3600, 120))
    elif verb == "down":
        lifecycle.down(lab, "keep" in options, quiet)
    elif verb == "status":
        if options.get("output", "text") not in ("text", "json"):
            raise usage(f"--output {options['output']} is neither text nor json")
        return verbs.status(lab, options.get("output", "text"))
    elif verb == "env":
        verbs.print_env(lab)
    elif verb == "kubectl":
        verbs.execute(lab, None, ["kubectl", *rest])
    elif verb == "exec":
        verbs.execute(lab, options.get("node"), rest)
    elif verb == "load":
        verbs.load(lab, rest)
    else:
        verbs.fault(lab, verb, rest, "wait" in options, number(options, "timeout", 1, 3600, 60))
    return 0


sys.exit(guarded("kube-lab", "lab", run))
