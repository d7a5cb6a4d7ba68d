"""Talking to the cluster: monitor commands in this process, and waiting for a state."""
import json
import socket
import struct
import threading
import time

import daemons
from layout import Failure


def librados():
    import rados  # here, not above: `down` and `help` must work without python3-rados
    return rados


def watched(call, check=None, deadline=None, what="the cluster"):
    """Runs a call of librados, which nothing can interrupt, in a thread; meanwhile
    Ctrl-C works, check() may raise, and the deadline holds."""
    result = {}

    def run():
        try:
            result["value"] = call()
        except BaseException as e:  # handed to the caller below
            result["error"] = e

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while True:
        thread.join(0.02)
        if not thread.is_alive():
            break
        if check:
            check()
        if deadline is not None and time.monotonic() > deadline:
            raise Failure(f"no answer from {what}")
    if "error" in result:
        raise result["error"]
    return result["value"]


class Client:
    """A connection as client.admin."""

    def __init__(self, cluster, check=None, deadline=None):
        self.cluster, self.check, self.deadline = cluster, check, deadline
        self.rados = librados().Rados(
            conffile=cluster.conf, name="client.admin",
            conf={"client_mount_timeout": "10", "rados_mon_op_timeout": "10"})
        self._watched(self.rados.connect, "mon.x")

    def _watched(self, call, what):
        return watched(call, self.check, self.deadline, what)

    def _command(self, target, prefix, arguments):
        send = {"mon": self.rados.mon_command, "mgr": self.rados.mgr_command}[target]
        command = json.dumps({"prefix": prefix, "format": "json", **arguments})
        status, out, err = self._watched(lambda: send(command, b""), target + ".x")[:3]
        if status:
            raise Failure(f"`{prefix}` failed with {status}: {err.strip()}")
        return json.loads(out) if out.strip() else None

    def mon(self, prefix, **arguments):
        return self._command("mon", prefix, arguments)

    def mgr(self, prefix, **arguments):
        return self._command("mgr", prefix, arguments)


class Summary:
    """What `ceph status` says, as far as it matters here."""

    def __init__(self, status):
        self.health = status["health"]["status"]
        self.checks = {name: check["summary"]["message"]
                       for name, check in sorted(status["health"].get("checks", {}).items())}
        self.pgs = {s["state_name"]: s["count"] for s in status["pgmap"].get("pgs_by_state", [])}
        self.pg_total = status["pgmap"]["num_pgs"]
        self.osds_up = status["osdmap"]["num_up_osds"]
        self.osds = status["osdmap"]["num_osds"]
        self.mgr_active = status["mgrmap"]["available"]

    @property
    def clean(self):
        return self.pg_total > 0 and self.pgs.get("active+clean", 0) == self.pg_total

    @property
    def ready(self):
        return self.clean and self.health == "HEALTH_OK"

    def __str__(self):
        pgs = ", ".join(f"{n} {state}" for state, n in sorted(self.pgs.items())) or "none"
        checks = "".join(f"; {name}: {text}" for name, text in self.checks.items())
        mgr = "active" if self.mgr_active else "not active"
        return f"{self.health}, mgr {mgr}, {self.osds_up} of {self.osds} osds up, pgs: {pgs}{checks}"


def ask_daemon(cluster, name, command):
    """What the running daemon says of itself, or nothing while it does not listen: its socket's file is of its process."""
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            s.connect(cluster.path("run", name + ".asok"))
            s.sendall(json.dumps({"prefix": command, "format": "json"}).encode() + b"\0")
            with s.makefile("rb") as answer:
                return json.loads(answer.read(struct.unpack(">I", answer.read(4))[0]))
    except (OSError, ValueError, struct.error):
        return {}


def takes_part(cluster, name):
    """Whether the daemon's process, not one before it, is what the cluster's map calls up or active.

    Its address does not tell: only in Ceph 16 does it end in the process id.
    """
    if name.startswith("osd."):
        # It is so when it sees itself in the map, by all of its addresses.
        return ask_daemon(cluster, name, "status").get("state") == "active"
    return name != "mgr.x" or ask_daemon(cluster, name, "mgr_status").get("initialized") is True


def not_back(cluster, client, names):
    """Why the cluster has not taken these daemons back and settled, or None.

    "active+clean" alone does not say so: the pgs' states come from the last
    reports, which may be older than the death of the osd that just started.
    """
    dump = client.mon("osd dump")
    osds = {f"osd.{o['osd']}": o for o in dump["osds"]}
    for name in names:
        if name.startswith("osd."):
            osd = osds.get(name)
            if not osd or not osd["up"]:
                return f"{name} is not up"
            if not takes_part(cluster, name):
                return f"{name} is not up with its new process"
    mgr = client.mon("mgr dump")
    if not mgr["available"]:
        return "no mgr is available"
    if "mgr.x" in names and not takes_part(cluster, "mgr.x"):
        return "mgr.x is not active with its new process"
    stats = client.mgr("pg dump", dumpcontents=["pgs"])
    stats = stats.get("pg_stats", stats)
    if not stats:
        return "no pg reports"
    for pg in stats:
        place = client.mon("pg map", pgid=pg["pgid"])
        if pg["state"] != "active+clean":
            return f"pg {pg['pgid']} is {pg['state']}"
        if (pg["up"], pg["acting"]) != (place["up"], place["acting"]):
            return f"pg {pg['pgid']} has not reported from its new place"
        for name in names:
            if name.startswith("osd.") and int(name[4:]) in place["acting"] \
                    and pg["reported_epoch"] < osds[name]["up_from"]:
                return f"pg {pg['pgid']} has not reported since {name} came up"
    return None


def peer_again(client):
    """Marks down, for the moment that they need to notice, the osds of pgs that are laggy.

    A pg without replicas whose osd was frozen for longer than its lease may wait for
    an acknowledgement that nobody sends; it takes a new lease when it peers again.
    """
    stats = client.mgr("pg dump", dumpcontents=["pgs"])
    laggy = {pg["acting_primary"] for pg in stats.get("pg_stats", stats) if "laggy" in pg["state"]}
    if laggy:
        client.mon("osd down", ids=[str(osd) for osd in laggy])


def wait_settled(cluster, deadline, names, hold=0):
    """Waits until the named daemons serve again and every pg is active+clean, for hold seconds."""
    why, client, since, laggy_since = "no answer from mon.x", None, None, None
    while time.monotonic() < deadline:
        for name in names:
            pid, state = daemons.state(cluster, name)
            if pid is None:
                raise daemons.died(cluster, name)
            if state == "frozen":
                raise Failure(f"{name} is frozen; thaw it first")
        attempt = min(deadline, time.monotonic() + 15)
        try:
            client = client or Client(cluster, deadline=attempt)
            client.deadline = attempt
            why = not_back(cluster, client, names)
            since = (since or time.monotonic()) if why is None else None
            laggy_since = (laggy_since or time.monotonic()) if why and "laggy" in why else None
            if laggy_since and time.monotonic() - laggy_since >= 15:
                peer_again(client)
                laggy_since = None
            if since and time.monotonic() - since >= hold:
                return client
        except (Failure, librados().Error) as e:
            why, client, since = str(e), None, None
        time.sleep(0.1)
    raise Failure(why or "it did not stay so")
