"""micro-cluster's command line."""
import os
import sys

import bringup
import daemons
import release
import teardown
import verbs
from layout import Cluster, usage
from telling import guarded

DEFAULT_DIR = "/var/tmp/nacre-cluster"

HELP = f"""\
micro-cluster: a real Ceph (1 mon, 1 mgr, N osds) on one address, for tests

usage: micro-cluster VERB [flags]

  up       make a cluster and wait until it is HEALTH_OK with all pgs active+clean;
           on a cluster whose daemons are gone: start them again on their data
  down     end its daemons and remove its directory; fine if there is none
  status   its daemons, health and pgs; exit 0 if all is well, 1 if not, 3 if there is none
  env      print shell exports: eval "$(micro-cluster env)"
  exec     run a command with these variables: micro-cluster exec -- ceph -s
  stop     SIGKILL daemons              start    start stopped daemons
  freeze   SIGSTOP daemons              thaw     SIGCONT frozen daemons
  restart  stop, then start
  help     this text

flags of every verb
  --dir DIR            where the cluster lives, under 80 characters
                       ($NACRE_CLUSTER_DIR, else {DEFAULT_DIR})
  -q, --quiet          no progress lines
flags of up
  --osds N             how many osds (3)
  --store TYPE         bluestore (a sparse file) or memstore (memory; dies with its osd)
  --addr ADDR          IPv4 address of all daemons (127.0.0.1)
  --port PORT          first port of the block; by default a free block is found:
                       monitor msgr2 PORT and msgr1 PORT+1, the rest up to PORT+99
  --size SIZE          of each osd, sparse (10G)
  --replicas R         of the pools (3, or as many as there are osds)
  --pools "A B"        pools to create and initialise for rbd ("rbd replicapool")
  --heartbeat-grace S  seconds until a silent osd is marked down (Ceph's: 20)
  --release NAME       pacific (16.2), reef (18.2) or tentacle (20.2): by this machine's own
                       programs, or by Debian's, fetched once into /var/cache/nacre and run with
                       only /usr exchanged; by default whatever is installed here
  --key-type TYPE      aes (every client can have it), or aes256k (tentacle alone; what it uses
                       by itself, and clients before 19.2.6 and 20.2.4 cannot)
  --timeout S          give up after (60)
flags of the others
  down --keep          end the daemons, keep the files; `up` brings bluestore back
  status --output json
  exec --own           with the programs and libraries of the cluster's release
  env, exec --as USER  client.admin, client.csi-rbd-provisioner or client.csi-rbd-node
  start, restart, thaw --wait [--timeout S]
                       wait until the daemons serve again and all pgs are active+clean (120)

$NACRE_CEPH_RELEASE and $NACRE_CEPH_KEY_TYPE stand for --release and --key-type.

daemons: mon.x, mgr.x, osd.0, osd.1, ...; a verb takes several

files in DIR
  ceph.conf, fsid, config.json (ceph-csi's form), log/, keys/client.NAME.key,
  keys/ceph.client.NAME.keyring, secrets/csi-rbd-{{provisioner,node}}/{{userID,userKey}}

examples
  micro-cluster up
  micro-cluster up --dir /var/tmp/c2 --store memstore --osds 1
  micro-cluster exec --as client.csi-rbd-provisioner -- rbd create rbd/one --size 1G
  micro-cluster freeze osd.0; sleep 30; micro-cluster thaw osd.0 --wait
  ip netns exec lab micro-cluster up --dir /var/tmp/lab --addr 10.77.0.1
  micro-cluster down

exit status: 0 done, 1 failed, 3 no cluster there, 64 wrong usage, 69 Ceph is not installed, or
Debian has another version of it by now, 77 not root
"""

FLAGS = {  # verb -> its flags; True: takes a value
    "up": {"osds": True, "store": True, "addr": True, "port": True, "size": True, "replicas": True,
           "pools": True, "heartbeat-grace": True, "release": True, "key-type": True, "timeout": True},
    "down": {"keep": False},
    "status": {"output": True, "timeout": True},
    "env": {"as": True},
    "exec": {"as": True, "own": False},
    "stop": {},
    "freeze": {},
    "start": {"wait": False, "timeout": True},
    "restart": {"wait": False, "timeout": True},
    "thaw": {"wait": False, "timeout": True},
}
COMMON = {"dir": True, "quiet": False, "help": False}
SHORT = {"-q": "--quiet", "-h": "--help"}


def parse(verb, arguments):
    """({flag: value}, the rest)."""
    known = {**COMMON, **FLAGS[verb]}
    options, rest = {}, []
    arguments = list(arguments)
    while arguments:
        word = arguments.pop(0)
        if word == "--":
            rest += arguments
            break
        word = SHORT.get(word, word)
        if not word.startswith("-"):
            rest.append(word)
            if verb == "exec":  # the command's own flags are not ours
                rest += arguments
                break
            continue
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or name not in known:
            raise usage(f"{verb} has no flag {word}")
        if not known[name]:
            if equals:
                raise usage(f"--{name} takes no value")
            options[name] = True
            continue
        if not equals:
            if not arguments:
                raise usage(f"--{name} wants a value")
            value = arguments.pop(0)
        if not value:
            raise usage(f"--{name} wants a value")
        options[name] = value
    return options, rest


def number(options, name, low, high, default=None):
    if name not in options:
        return default
    text = options[name]
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise usage(f"--{name} {text} is not a number from {low} to {high}")
    return int(text)


def choice(options, name, values, default=None):
    if name in options and options[name] not in values:
        raise usage(f"--{name} {options[name]} is none of {', '.join(values)}")
    return options.get(name, default)


def kind(options):
    """Release and type of keys, by flags or, so that clusters within tests are as the tests' own, by the environment."""
    for name in ("release", "key-type"):
        said = os.environ.get("NACRE_CEPH_" + name.upper().replace("-", "_"))
        if said and said != release.OWN:
            options.setdefault(name, said)
    name, keys = choice(options, "release", release.RELEASES), choice(options, "key-type", release.KEY_TYPES)
    if keys == "aes256k" and name in ("pacific", "reef"):
        raise usage(f"--key-type {keys}: Ceph of release {name} has no such keys")
    return {"release": name, "key_type": keys}


def wanted(options):
    pools = options.get("pools", "").replace(",", " ").split() or None
    if pools and len(set(pools)) != len(pools):
        raise usage("--pools names a pool twice")
    return {
        "osds": number(options, "osds", 1, 50),
        "store": choice(options, "store", ("bluestore", "memstore")),
        "addr": options.get("addr"),
        "port": number(options, "port", 1024, 65000),
        "size": bringup.parse_size(options["size"]) if "size" in options else None,
        "replicas": number(options, "replicas", 1, 10),
        "pools": pools,
        "heartbeat_grace": number(options, "heartbeat-grace", 2, 3600),
        **kind(options),
    }


# These start its programs, or ask the cluster by its own librados.
ASK_CEPH = ("up", "status", *verbs.FAULTS)


def enter_release(cluster, name):
    """Goes on where the cluster's release is; a cluster that is there has one already."""
    made = cluster.load() and cluster.state["phase"] == "made"
    release.enter(release.root(cluster) if made else release.find(name))


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
    takes_names = verb in verbs.FAULTS
    if rest and not takes_names and verb != "exec":
        raise usage(f"{verb} takes no argument {rest[0]}")
    if not rest and takes_names:
        raise usage(f"{verb} wants a daemon, like osd.0")
    if not rest and verb == "exec":
        raise usage("exec wants a command, like exec -- ceph -s")

    cluster = Cluster(options.get("dir") or os.environ.get("NACRE_CLUSTER_DIR") or DEFAULT_DIR)
    daemons.scrub_environment()
    quiet = "quiet" in options
    if verb in ASK_CEPH:
        enter_release(cluster, wanted(options)["release"] if verb == "up" else None)
    if verb == "up":
        bringup.up(cluster, wanted(options), quiet, number(options, "timeout", 1, 3600, 60))
    elif verb == "down":
        teardown.down(cluster, "keep" in options, quiet)
    elif verb == "status":
        return verbs.status(cluster, choice(options, "output", ("text", "json"), "text"),
                            number(options, "timeout", 1, 3600, 5))
    elif verb == "env":
        verbs.print_env(cluster, options.get("as", "client.admin"))
    elif verb == "exec":
        verbs.execute(cluster, options.get("as", "client.admin"), rest, "own" in options)
    else:
        verbs.fault(cluster, verb, rest, "wait" in options, number(options, "timeout", 1, 3600, 120))
    return 0


def main():
    code = guarded("micro-cluster", "cluster", run)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        pass
    # A thread may hang in librados (a frozen monitor); the usual exit would wait for it.
    os._exit(code)


main()
