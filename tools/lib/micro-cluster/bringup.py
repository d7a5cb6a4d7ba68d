"""`up`: makes a cluster, or brings one back whose daemons are gone."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid

import config
import daemons
import ports
import release
import teardown
from layout import LOCK, MARKER, Failure, tail
from monitor import Client, Summary, wait_settled, watched
from telling import Progress

PACKAGES = {"ceph-mon": "ceph-mon", "ceph-mgr": "ceph-mgr", "ceph-osd": "ceph-osd",
            "monmaptool": "ceph-common"}


def check_installed():
    missing = [p for p in PACKAGES if not shutil.which(p)]
    packages = [PACKAGES[p] for p in missing]
    for module in ("rados", "rbd"):
        try:
            __import__(module)
        except ImportError as e:
            missing.append(f"python module {module} ({e})")
            packages.append("python3-" + module)
    if missing:
        raise Failure(f"cannot bring up a cluster: missing {', '.join(missing)};"
                      f" install it: apt-get install {' '.join(dict.fromkeys(packages))}", 69)


def parse_size(text):
    """Bytes of "10G", "512M", "10GiB", "1073741824"."""
    digits = text.rstrip("KMGTBikmgtb")
    unit = text[len(digits):].upper().removesuffix("B").removesuffix("I")
    if not digits.isdigit() or unit not in ("", "K", "M", "G", "T"):
        raise Failure(f"cannot use --size {text}: want a number with K, M, G or T, like 10G", 64)
    size = int(digits) << {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[unit]
    if size < 1 << 30:
        raise Failure(f"cannot use --size {text}: an osd needs at least 1G (it is sparse)", 64)
    return size


def up(cluster, wanted, quiet, timeout):
    """wanted: what the caller asked for; None where nothing was said."""
    progress = Progress(quiet)
    deadline = time.monotonic() + timeout
    check_installed()
    fresh = not os.path.isdir(cluster.dir)
    try:
        os.makedirs(cluster.dir, mode=0o700, exist_ok=True)
    except OSError as e:
        raise Failure(f"cannot make {cluster.dir}: {(e.strerror or str(e)).lower()}") from None
    cluster.load()
    check_ours(cluster)  # before the lock too: it is a file, and this may be somebody's directory
    with cluster.locked():
        if cluster.load() and cluster.state["phase"] == "made":
            return resume(cluster, wanted, progress, deadline)
        check_ours(cluster)
        if cluster.state:
            progress("an `up` that did not finish left files here: starting over")
            teardown.remove_contents(cluster)
        cluster.state = {
            "phase": "making", "fsid": str(uuid.uuid4()),
            "addr": wanted["addr"] or "127.0.0.1", "osds": wanted["osds"] or 3,
            "store": wanted["store"] or "bluestore", "size": wanted["size"] or 10 << 30,
            "replicas": wanted["replicas"] or min(3, wanted["osds"] or 3),
            "pools": wanted["pools"] or ["rbd", "replicapool"],
            "heartbeat_grace": wanted["heartbeat_grace"],
            "release": wanted["release"] or release.OWN, "root": release.entered(),
            "key_type": wanted["key_type"] or "aes",
        }
        if cluster.state["replicas"] > cluster.state["osds"]:
            remove_if_new(cluster, fresh)
            raise Failure(f"cannot keep {cluster.state['replicas']} replicas on"
                          f" {cluster.state['osds']} osds; raise --osds or lower --replicas", 64)
        try:
            ports.check_address(cluster.state["addr"])
            os.chmod(cluster.dir, 0o700)
            cluster.save()
            cluster.state["port"], cluster.state["ports"] = ports.choose(
                cluster, cluster.state["osds"], wanted["port"])
            cluster.save()
        except BaseException:
            remove_if_new(cluster, fresh)
            raise
        try:
            summary = make(cluster, progress, deadline)
        except BaseException as e:
            # The logs stay for the reader; the next `up` starts over.
            daemons.kill(cluster, daemons.recorded(cluster))
            ports.release_block(cluster)
            if isinstance(e, Failure):
                raise Failure(f"cannot bring up the cluster in {cluster.dir}: {e}; its daemons are ended,"
                              f" logs are in {cluster.path('log')}", e.code, e.detail) from None
            raise
        cluster.state["phase"] = "made"
        cluster.save()
    return report(cluster, summary, f"up in {progress.elapsed:.2f} s")


def check_ours(cluster):
    if not cluster.state and set(os.listdir(cluster.dir)) - {LOCK}:
        raise Failure(f"cannot use {cluster.dir}: it is neither empty nor a micro-cluster; pick another --dir")


def remove_if_new(cluster, fresh):
    """Undoes what we put into a directory before anything was started."""
    with contextlib.suppress(OSError):
        os.unlink(cluster.path(MARKER))
    with contextlib.suppress(OSError):
        os.unlink(cluster.path(LOCK))
    if fresh:
        with contextlib.suppress(OSError):
            os.rmdir(cluster.dir)


def report(cluster, summary, how):
    print(f"{how}: {summary.health}, {summary.pg_total} pgs active+clean; cluster {cluster.state['fsid']}"
          f" at {cluster.monitor} in {cluster.dir}")


def make(cluster, progress, deadline):
    config.make_tree(cluster)
    config.write_conf(cluster)
    config.write_mgr_modules(cluster)
    keyring = config.write_keys(cluster)
    config.write_nacre_files(cluster)
    return Maker(cluster, progress, deadline).run(keyring)


class Maker:
    def __init__(self, cluster, progress, deadline):
        self.cluster, self.progress, self.deadline = cluster, progress, deadline
        self.running = {}  # daemon -> Popen
        self.mkfs = {}  # osd -> (Popen, uuid)

    def check(self):
        """Fails as soon as a daemon or an osd's mkfs has failed, or the time is over."""
        for name, process in self.running.items():
            status = process.poll()
            if status is not None:
                raise daemons.died(self.cluster, name, status)
        for name, (process, _) in self.mkfs.items():
            if process.poll():
                raise Failure(f"{name} could not make its store (exit status {process.returncode})",
                              detail=daemons.log_tail(self.cluster, name + ".mkfs"))
        if time.monotonic() > self.deadline:
            raise Failure("not ready in time (see --timeout)")

    def start(self, name):
        self.running[name] = daemons.start(self.cluster, name)

    def tool(self, what, *argv):
        log = self.cluster.path("log", what + ".out")
        with open(log, "ab") as out:
            status = subprocess.call(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/")
        if status:
            raise Failure(f"{what} failed with exit status {status}", detail=tail([log]))

    def start_mkfs(self, name, monmap):
        """An osd's store needs neither the monitor nor the osd's place in the
        osdmap: all are made at once, beside the monitor's start."""
        osd_uuid = str(uuid.uuid4())
        self.mkfs[name] = (daemons.start(self.cluster, name + ".mkfs", [
            "ceph-osd", "-i", name[4:], "-c", self.cluster.conf, "--mkfs", "--no-mon-config",
            "--osd-uuid", osd_uuid, "--monmap", monmap]), osd_uuid)

    def run(self, keyring):
        cluster, state, conf = self.cluster, self.cluster.state, self.cluster.conf
        monmap = cluster.path("monmap")
        self.tool("monmaptool", "monmaptool", "--create", "--clobber", "--fsid", state["fsid"],
                  *config.monmap_options(cluster), "--addv", "x",
                  f"[v2:{state['addr']}:{state['port']},v1:{state['addr']}:{state['port'] + 1}]", monmap)
        self.tool("mon.mkfs", "ceph-mon", "-i", "x", "-c", conf, "--mkfs", "--monmap", monmap, "--keyring", keyring)
        os.unlink(keyring)  # all keys in one file: nobody needs it any more
        os.rename(cluster.path("mon.keyring"), cluster.path("mon", "keyring"))
        self.progress("keys and monitor store made")
        self.start("mon.x")
        for name in cluster.osds:
            self.start_mkfs(name, monmap)
        self.wait_for_port(state["port"])
        client = Client(cluster, self.check, self.deadline)
        self.progress(f"mon.x answers at {cluster.monitor}")
        self.start("mgr.x")
        for name, (_, osd_uuid) in self.mkfs.items():
            client.mon("osd new", uuid=osd_uuid, id=int(name[4:]))
        if config.allows_old_keys(cluster):
            for code in config.OLD_KEY_ALERTS:
                client.mon("health mute", code=code, sticky=True)
        waiting = list(cluster.osds)
        while waiting:
            self.check()
            for name in [n for n in waiting if self.mkfs[n][0].poll() == 0]:
                self.start(name)
                waiting.remove(name)
            time.sleep(0.01)
        self.progress(f"{len(cluster.osds)} osd stores made ({state['store']}), osds started")
        for pool in state["pools"]:
            client.mon("osd pool create", pool=pool, pg_num=config.PGS, pgp_num=config.PGS,
                       pool_type="replicated", size=state["replicas"], autoscale_mode="off")
        self.wait_for(client, lambda s: s.osds_up == len(cluster.osds))
        self.progress("osds are up")
        for pool in state["pools"]:
            watched(lambda pool=pool: self.pool_init(client, pool), self.check)
        self.progress(f"pools initialised for rbd: {' '.join(state['pools'])}")
        return self.wait_for(client, lambda s: s.ready and s.pg_total >= config.PGS * len(state["pools"]))

    @staticmethod
    def pool_init(client, pool):
        import rbd
        with client.rados.open_ioctx(pool) as io:
            rbd.RBD().pool_init(io, True)

    def wait_for_port(self, port):
        """A client that finds the port closed waits longer than the monitor takes."""
        while True:
            self.check()
            with socket.socket() as s:
                if s.connect_ex((self.cluster.state["addr"], port)) == 0:
                    return
            time.sleep(0.01)

    def wait_for(self, client, good):
        while True:
            summary = Summary(client.mon("status"))
            if good(summary):
                return summary
            try:
                self.check()
            except Failure as e:
                if e.detail is None:
                    raise Failure(f"{e}: {summary}", detail=self.suspect(client, summary)) from None
                raise
            time.sleep(0.03)

    def suspect(self, client, summary):
        """When it only took too long: the log of a daemon that the cluster misses."""
        if not summary.mgr_active:
            return daemons.log_tail(self.cluster, "mgr.x")
        for osd in client.mon("osd dump")["osds"]:
            if not osd["up"]:
                return daemons.log_tail(self.cluster, f"osd.{osd['osd']}")
        return None


def check_same(cluster, wanted):
    for option, value in wanted.items():
        if value is not None and value != cluster.state.get(option):
            flag = "--" + option.replace("_", "-")
            raise Failure(f"cannot change {flag} of the cluster in {cluster.dir}: it has"
                          f" {cluster.state.get(option)}; run `micro-cluster down --dir {cluster.dir}` first")


def check_intact(cluster, states):
    """Whether the dead daemons' data is there, so that they can start on it again."""
    gone = None
    needed = {"mon": "store.db", "mgr": "", "osd": "block" if cluster.state["store"] == "bluestore" else "fsid"}
    for name in cluster.daemons:
        kind, _, ident = name.partition(".")
        part = os.path.join("osd", ident) if kind == "osd" else kind
        if not os.path.exists(cluster.path(part, needed[kind])):
            gone = f"{cluster.path(part, needed[kind])} is missing"
    dead = [n for n in cluster.osds if states[n][1] == "stopped"]
    if cluster.state["store"] == "memstore" and len(dead) >= cluster.state["replicas"]:
        gone = f"a memstore dies with its process, and {len(dead)} of {len(cluster.osds)} osds are dead"
    if gone:
        raise Failure(f"cannot bring the cluster in {cluster.dir} back: {gone};"
                      f" run `micro-cluster down --dir {cluster.dir}`, then `up`")


def resume(cluster, wanted, progress, deadline):
    check_same(cluster, wanted)
    states = daemons.states(cluster)
    daemons.check_namespace(cluster)
    stopped = [n for n, (_, state) in states.items() if state == "stopped"]
    frozen = [n for n, (_, state) in states.items() if state == "frozen"]
    how = "already up"
    if stopped or frozen:
        how = f"up again ({', '.join(stopped + frozen)})"
        check_intact(cluster, states)
        ports.check_address(cluster.state["addr"])
        for name in frozen:
            progress(f"{name} is frozen: thawing it")
            daemons.pause(cluster, name, signal.SIGCONT, "running")
        for name in stopped:
            progress(f"{name} is not running: starting it on its data")
            daemons.start(cluster, name)
    try:
        client = wait_settled(cluster, deadline, cluster.daemons)
        while not (summary := Summary(client.mon("status"))).ready:
            if time.monotonic() > deadline:
                raise Failure(str(summary))
            time.sleep(0.05)
    except Failure as e:
        raise Failure(f"cannot bring the cluster in {cluster.dir} to HEALTH_OK: {e};"
                      " see `micro-cluster status`, or start over with `down` and `up`", detail=e.detail) from None
    report(cluster, summary, how if how == "already up" else f"{how} in {progress.elapsed:.2f} s")
