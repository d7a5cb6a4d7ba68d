"""The verbs that work on a cluster that is up: status, env, exec, and the faults."""
import json
import os
import shlex
import signal
import time

import daemons
import ports
import release
from layout import Failure, usage
from monitor import Client, Summary, librados, wait_settled


def check_daemon(cluster, name):
    if name not in cluster.daemons:
        raise usage(f"no daemon {name}: this cluster has {' '.join(cluster.daemons)}")


def ask(cluster, states, timeout):
    """(Summary, osd dump, why there is none). A frozen monitor would only cost the timeout."""
    if states["mon.x"][1] != "running":
        return None, None, f"mon.x is {states['mon.x'][1]}"
    try:
        client = Client(cluster, deadline=time.monotonic() + timeout)
        return Summary(client.mon("status")), client.mon("osd dump"), None
    except (Failure, librados().Error) as e:
        return None, None, str(e)


def status(cluster, output, timeout):
    cluster.need()
    daemons.check_namespace(cluster)
    states = daemons.states(cluster)
    summary, osd_dump, why = ask(cluster, states, timeout)
    osds_up = {f"osd.{o['osd']}": bool(o["up"]) for o in (osd_dump or {}).get("osds", [])}
    ready = bool(summary and summary.ready and all(s == "running" for _, s in states.values()))
    if output == "json":
        print(json.dumps({
            "ready": ready, "dir": cluster.dir, "fsid": cluster.state["fsid"], "monitors": [cluster.monitor],
            "release": release.of(cluster), "store": cluster.state["store"], "pools": cluster.state["pools"],
            "daemons": [{"name": n, "pid": pid, "state": s, "up": osds_up.get(n)} for n, (pid, s) in states.items()],
            "health": summary and summary.health, "checks": summary and summary.checks,
            "pgs": summary and {"total": summary.pg_total, **summary.pgs}, "error": why}, indent=1))
    else:
        print(f"cluster {cluster.state['fsid']} at {cluster.monitor} in {cluster.dir}"
              f" ({cluster.state['store']}, {cluster.state['replicas']} replicas, Ceph: {release.of(cluster)})")
        for name, (pid, state) in states.items():
            up = {True: "up", False: "down"}.get(osds_up.get(name), "")
            print(f"{name:8}{pid or '-':>8}  {state:8} {up}".rstrip())
        if summary:
            print(f"health  {summary.health}")
            for check, text in summary.checks.items():
                print(f"        {check}: {text}")
            print("pgs     " + (", ".join(f"{n} {s}" for s, n in sorted(summary.pgs.items())) or "none"))
        else:
            print(f"health  unknown: {why}")
    return 0 if ready else 1


def environment(cluster, user):
    if not os.path.exists(cluster.path("keys", user + ".key")):
        have = sorted(n[:-4] for n in os.listdir(cluster.path("keys")) if n.endswith(".key"))
        raise usage(f"no user {user}: this cluster has {' '.join(have)}")
    return {
        "CEPH_CONF": cluster.conf,
        "CEPH_ARGS": f"--name {user}",
        "NACRE_CLUSTER_DIR": cluster.dir,
        "NACRE_CLUSTER_ID": cluster.state["fsid"],
        "NACRE_CONFIG": cluster.path("config.json"),
        "NACRE_SECRETS": cluster.path("secrets"),
        "NACRE_CEPH_RELEASE": release.of(cluster),
        "NACRE_CEPH_ROOT": release.root(cluster),
    }


def print_env(cluster, user):
    cluster.need()
    # A keyring of the caller's would win over the cluster's.
    print("unset CEPH_KEYRING")
    for name, value in environment(cluster, user).items():
        print(f"export {name}={shlex.quote(value)}")


def execute(cluster, user, command, own):
    cluster.need()
    os.environ.update(environment(cluster, user))
    # Python ignores SIGPIPE, and an ignored signal stays so in the program.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if own and release.root(cluster) != release.entered():
        os.environ[release.ENTERED] = release.root(cluster)
        command = [release.IN_ROOT, release.root(cluster), *command]
    try:
        os.execvp(command[0], command)
    except FileNotFoundError:
        raise Failure(f"cannot run {command[0]}: no such program", 127) from None
    except OSError as e:
        raise Failure(f"cannot run {command[0]}: {e.strerror.lower()}", 126) from None


def start_one(cluster, name):
    if name == "mon.x":
        # Its port is fixed in the monmap; the daemon's own words for this are obscure.
        busy = ports.listening() & {cluster.state["port"], cluster.state["port"] + 1}
        if busy:
            raise Failure(f"cannot start mon.x: something else listens on its port {min(busy)}")
    process = daemons.start(cluster, name)
    # Whatever fails at once (a port, a broken store) should fail this command.
    for _ in range(10):
        time.sleep(0.02)
        code = process.poll()
        if code is not None:
            raise daemons.died(cluster, name, code)


def stop(cluster, names):
    for name in names:
        print(f"{name} " + ("stopped" if daemons.kill(cluster, [name]) else "was stopped already"))


def start(cluster, names):
    for name in names:
        pid, state = daemons.state(cluster, name)
        if state == "frozen":
            raise Failure(f"cannot start {name}: it is frozen (pid {pid}); use `thaw {name}`")
        if state == "running":
            print(f"{name} runs already (pid {pid})")
            continue
        start_one(cluster, name)
        print(f"{name} started (pid {daemons.state(cluster, name)[0]})")


def restart(cluster, names):
    daemons.kill(cluster, names)
    start(cluster, names)


def freeze(cluster, names):
    for name in names:
        daemons.freeze(cluster, name)


def thaw(cluster, names):
    for name in names:
        daemons.thaw(cluster, name)


FAULTS = {"stop": stop, "start": start, "restart": restart, "freeze": freeze, "thaw": thaw}


def fault(cluster, verb, names, wait, timeout):
    begin = time.monotonic()
    cluster.need()
    for name in names:
        check_daemon(cluster, name)
    with cluster.locked():
        daemons.check_namespace(cluster)
        FAULTS[verb](cluster, names)
    if not wait:
        return
    # The lock is free while we wait: a test may want the next fault just now.
    try:
        # An osd that was thawed at the last moment may still go down by a report
        # that is on its way; a monitor's look at reports is a second apart.
        wait_settled(cluster, begin + timeout, names, hold=1.2 if verb == "thaw" else 0)
    except Failure as e:
        raise Failure(f"{', '.join(names)}: the cluster is not active+clean after"
                      f" {time.monotonic() - begin:.0f} s: {e}; see `micro-cluster status`",
                      detail=e.detail) from None
    print(f"active+clean after {time.monotonic() - begin:.2f} s")
