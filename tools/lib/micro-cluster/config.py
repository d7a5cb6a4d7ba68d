"""Every file a cluster is made from: ceph.conf, keys, mgr modules, and what Nacre reads."""
import base64
import json
import os
import struct
import time

from layout import Failure, write_file

MGR_MODULES = "/usr/share/ceph/mgr"
# rbd_support runs `rbd task ...`, which CSI drivers use to empty the trash; its
# task thread dies at the first task if progress is not a real module.
REAL_MODULES = ("progress", "rbd_support")
# The other modules that Ceph will not do without. Each costs start time and
# memory (2-4 s and 190 MB together); disabling them is HEALTH_ERR, so empty
# modules stand in.
STUB_MODULES = ("balancer", "crash", "devicehealth", "orchestrator", "pg_autoscaler",
                "status", "telemetry", "volumes")
STUB = """from mgr_module import MgrModule


class Module(MgrModule):
    # Ceph 18 and later ask for it.
    NOTIFY_TYPES = []

    def serve(self):
        pass

    def shutdown(self):
        pass
"""

PGS = 8  # a pool

# The least caps with which every verb of an RBD CSI driver works (16.2.15).
# mgr "profile rbd" lets a client schedule the rbd_support module's tasks.
CSI_USERS = ("csi-rbd-provisioner", "csi-rbd-node")
CAPS = {
    "mon.": {"mon": "allow *"},
    "mgr.x": {"mon": "allow profile mgr", "osd": "allow *", "mds": "allow *"},
    "client.admin": {"mon": "allow *", "mgr": "allow *", "osd": "allow *", "mds": "allow *"},
    "client.csi-rbd-provisioner": {"mon": "profile rbd", "mgr": "profile rbd", "osd": "profile rbd"},
    "client.csi-rbd-node": {"mon": "profile rbd", "mgr": "profile rbd", "osd": "profile rbd"},
}
OSD_CAPS = {"mon": "allow profile osd", "mgr": "allow profile osd", "osd": "allow *"}

CEPH_CONF = """\
# Written by micro-cluster; `micro-cluster down` removes it.
[global]
fsid = {fsid}
mon host = [v2:{addr}:{port},v1:{addr}:{port1}]
public addr = {addr}
cluster addr = {addr}
keyring = {dir}/keys/$cluster.$name.keyring
run dir = {dir}/run
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
# The safe setting, and what keeps AUTH_INSECURE_GLOBAL_ID_RECLAIM_ALLOWED away.
auth allow insecure global id reclaim = false
ms bind msgr1 = true
ms bind msgr2 = true
ms bind port min = {port_min}
ms bind port max = {port_max}
# All osds are on one host.
osd crush chooseleaf type = 0
osd pool default size = {replicas}
osd pool default pg num = {pgs}
osd pool default pgp num = {pgs}
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon allow pool delete = true
mon warn on pool no redundancy = false
# The host's disk is none of the tests' business until it is full.
mon data avail warn = 2
mon data avail crit = 1
debug default = 0/0
{heartbeat}{more}
[mon]
admin socket = {dir}/run/$name.asok
log file = {dir}/log/$name.log
mon data = {dir}/mon
mon cluster log file = {dir}/log/cluster.log
debug mon = 0/0
debug paxos = 0/0
debug rocksdb = 0/0
# A monitor gathers changes for 1 s before it commits; without peers or load
# that is only waiting (12 s to start the cluster instead of 4.5 s).
paxos propose interval = 0.05
paxos min wait = 0.02
mon tick interval = 1
# Reports count by host as shipped, and there is one host. One reporter is
# enough, so that with three osds two may be frozen and still go down.
mon osd reporter subtree level = osd
mon osd min down reporters = 1
# Never stretch the grace after a freeze: each test sees the same time.
mon osd adjust heartbeat grace = false
mon osd adjust down out interval = false
mon osd down out interval = 3600

[mgr]
admin socket = {dir}/run/$name.asok
log file = {dir}/log/$name.log
mgr data = {dir}/mgr
mgr module path = {dir}/mgr-modules
mgr initial modules =
mgr stats period = 1
mgr tick period = 1

[osd]
admin socket = {dir}/run/$name.asok
log file = {dir}/log/$name.log
osd data = {dir}/osd/$id
osd objectstore = {store}
debug osd = 0/0
debug rocksdb = 0/0
debug bluestore = 0/0
debug bluefs = 0/0
debug bdev = 0/0
ms async op threads = 2
osd op num shards = 2
osd op num threads per shard = 1
osd memory target autotune = false
osd max pg log entries = 500
osd min pg log entries = 100
osd op complaint time = 120
osd scrub load threshold = 1000
# An osd that was thawed often must go on coming back, not give up.
osd max markdown count = 100000
bluestore cache autotune = false
bluestore cache size = 33554432
bluestore block size = {size}
bluestore block create = true
bluestore block preallocate file = false
bluestore fsck on mount = false
bluestore fsck on mkfs = false
memstore device bytes = {size}
"""


def allows_old_keys(cluster):
    """Whether it must be told so: from 20.2.4 on a new monmap permits the new keys alone."""
    return (cluster.state["release"], cluster.state["key_type"]) == ("tentacle", "aes")


# What 20.2.4 says of a cluster that permits them.
OLD_KEY_ALERTS = tuple("AUTH_INSECURE_" + what for what in (
    "CLIENT_KEY_TYPE", "KEYS_ALLOWED", "KEYS_CREATABLE", "ROTATING_SERVICE_KEY_TYPE", "SERVICE_KEY_TYPE",
    "SERVICE_TICKETS"))


def monmap_options(cluster):
    if not allows_old_keys(cluster):
        return []
    return ["--auth-service-cipher", "aes", "--auth-allowed-ciphers", "aes,aes256k", "--auth-preferred-cipher", "aes"]


def make_tree(cluster):
    for part in ("run", "log", "keys", "mon", "mgr", "mgr-modules", "osd", "secrets",
                 *(f"osd/{i}" for i in range(cluster.state["osds"])),
                 *(f"secrets/{user}" for user in CSI_USERS)):
        os.makedirs(cluster.path(part), mode=0o700, exist_ok=True)


def write_conf(cluster):
    state = cluster.state
    heartbeat = ""
    if state["heartbeat_grace"]:
        grace = state["heartbeat_grace"]
        # In [global], for monitors judge by it too.
        heartbeat = (f"osd heartbeat grace = {grace}\n"
                     f"osd heartbeat interval = {max(1, min(6, grace // 3))}\n")
    write_file(cluster.conf, CEPH_CONF.format(
        dir=cluster.dir, fsid=state["fsid"], addr=state["addr"], port=state["port"],
        port1=state["port"] + 1, port_min=state["port"] + 10,
        port_max=state["port"] + state["ports"] - 1, replicas=state["replicas"], pgs=PGS,
        store=state["store"], size=state["size"], heartbeat=heartbeat,
        more="mon auth allow insecure key = true\n" if allows_old_keys(cluster) else ""))


def write_mgr_modules(cluster):
    target = cluster.path("mgr-modules")
    for shared in ("mgr_module.py", "mgr_util.py"):
        os.symlink(os.path.join(MGR_MODULES, shared), os.path.join(target, shared))
    for name in REAL_MODULES:
        if not os.path.isdir(os.path.join(MGR_MODULES, name)):
            raise Failure(f"cannot find the mgr module {name} in {MGR_MODULES};"
                          " install it: apt-get install ceph-mgr-modules-core", 69)
        os.symlink(os.path.join(MGR_MODULES, name), os.path.join(target, name))
    # Debian's 18.2.7: the real one cannot be imported twice in one process, and each module is an interpreter of its own.
    write_file(os.path.join(target, "bcrypt.py"), "")
    for name in STUB_MODULES:
        os.mkdir(os.path.join(target, name))
        write_file(os.path.join(target, name, "__init__.py"), "from .module import Module\n")
        write_file(os.path.join(target, name, "module.py"), STUB)


def new_key(key_type):
    """A cephx key as ceph-authtool makes it: type, time, length, random bytes."""
    number, length = {"aes": (1, 16), "aes256k": (2, 32)}[key_type]
    now = time.time_ns()
    head = struct.pack("<HIIH", number, now // 10**9, now % 10**9, length)
    return base64.b64encode(head + os.urandom(length)).decode()


def write_keys(cluster):
    """Makes all keys; returns the path of the keyring from which the monitor is made."""
    everything = []
    caps_of = dict(CAPS)
    caps_of.update((osd, OSD_CAPS) for osd in cluster.osds)
    for name, caps in caps_of.items():
        key = new_key(cluster.state["key_type"])
        section = f"[{name}]\n\tkey = {key}\n"
        everything.append(section + "".join(f'\tcaps {k} = "{v}"\n' for k, v in caps.items()))
        if name == "mon.":
            # The only daemon whose key is not under its own name: mon.x uses "mon.".
            write_file(cluster.path("mon.keyring"), section)
            continue
        write_file(cluster.path("keys", f"ceph.{name}.keyring"), section)
        if name.startswith("client."):
            write_file(cluster.path("keys", name + ".key"), key)
        if name.startswith("client.csi-"):
            user = name.partition(".")[2]
            write_file(cluster.path("secrets", user, "userID"), user)
            write_file(cluster.path("secrets", user, "userKey"), key)
    path = cluster.path("all.keyring")
    write_file(path, "".join(everything))
    return path


def write_nacre_files(cluster):
    """config.json in ceph-csi's form. A plain address with a port that is neither
    6789 nor 3300 makes librados try msgr2 and msgr1 there; we name the msgr2 port."""
    write_file(cluster.path("fsid"), cluster.state["fsid"] + "\n")
    # A bare address on a port that is not Ceph's own is tried in both protocols, and the wrong one hides a refused key.
    clusters = [{"clusterID": cluster.state["fsid"], "monitors": ["v2:" + cluster.monitor]}]
    write_file(cluster.path("config.json"), json.dumps(clusters, indent=1) + "\n")
