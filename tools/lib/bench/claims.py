"""tools/bench claims: how fast claims become volumes and go again, on a real Kubernetes and a real Ceph."""
import argparse
import concurrent.futures
import http.client
import json
import os
import re
import ssl
import subprocess
import sys
import tempfile
import threading
import time

from standin import StandIn

# What the API server alone did in the lab where the bars were set (shared/reference/kube-lab.md): the five calls of
# Bench.floor, 32 at once, a second.
LAB_FLOOR = 133

POOL = "replicapool"
DRIVER = "rbd.nacre.io"
NAMESPACE = "bench"


class Failure(Exception):
    """One line for the reader."""


def say(text):
    print(f"   {text}", file=sys.stderr, flush=True)


def percentile(values, p):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))]


class API:
    """The API server as the administrator: one connection a thread."""

    def __init__(self, lab):
        self.port = find_port(lab)
        self.context = ssl.create_default_context(cafile=f"{lab}/pki/ca.crt")
        self.context.load_cert_chain(f"{lab}/pki/admin.crt", f"{lab}/pki/admin.key")
        self.local = threading.local()

    def connect(self, timeout=60):
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, timeout=timeout)

    def call(self, method, path, body=None, kind="application/json", may_be_gone=False):
        for attempt in (1, 2):
            connection = getattr(self.local, "connection", None)
            if connection is None:
                connection = self.local.connection = self.connect()
            try:
                headers = {"Content-Type": kind} if body is not None else {}
                connection.request(method, path, None if body is None else json.dumps(body), headers)
                answer = connection.getresponse()
                data = answer.read()
                break
            except (OSError, http.client.HTTPException):
                self.local.connection = None
                if attempt == 2:
                    raise
        if answer.status >= 300 and not (answer.status == 404 and (method == "DELETE" or may_be_gone)):
            raise Failure(f"{method} {path}: {answer.status} {data[:300].decode(errors='replace')}")
        return json.loads(data)

    def patch(self, path, body, may_be_gone=False):
        return self.call("PATCH", path, body, "application/merge-patch+json", may_be_gone)


def find_port(lab):
    with open(f"{lab}/admin.kubeconfig", encoding="utf-8") as file:
        found = re.search(r"https://127\.0\.0\.1:(\d+)", file.read())
    if not found:
        raise Failure(f"no server in {lab}/admin.kubeconfig")
    return int(found.group(1))


class Watch(threading.Thread):
    """Tells when an object first satisfied what is waited for: `key` names that, or nothing, for each event."""

    def __init__(self, api, path, key):
        super().__init__(daemon=True)
        self.api, self.path, self.key = api, path, key
        self.version = api.call("GET", path + "?limit=1")["metadata"]["resourceVersion"]
        self.waiting, self.lock = {}, threading.Lock()
        self.start()

    def expect(self, name):
        event = [threading.Event(), None]
        with self.lock:
            self.waiting[name] = event
        return event

    def run(self):
        while True:
            connection = self.api.connect(timeout=600)
            connection.request("GET", f"{self.path}?watch=1&resourceVersion={self.version}")
            answer = connection.getresponse()
            for line in answer:
                now = time.monotonic()
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                self.version = event["object"]["metadata"]["resourceVersion"]
                with self.lock:
                    found = self.waiting.pop(self.key(event), None)
                if found:
                    found[1] = now
                    found[0].set()


class Controller:
    """A `nacre controller run`, and what it says of itself."""

    def __init__(self, nacre, kubeconfig, config, secret, work, *words):
        self.socket = f"{work}/nacre.sock"
        self.log = open(f"{work}/controller.log", "a", encoding="utf-8")
        self.process = subprocess.Popen(
            [nacre, "controller", "run", "--kubeconfig", kubeconfig, "--lease-namespace", NAMESPACE, "--config", config,
             "--socket", self.socket, "--state-dir", f"{work}/state", "--log-level", "warning", *words,
             *(["--secret-dir", secret] if secret else [])], stdout=self.log, stderr=self.log)

    def metrics(self):
        text = subprocess.run(["curl", "-sS", "--max-time", "20", "--unix-socket", self.socket, "http://n/metrics"],
                              capture_output=True, text=True, check=False).stdout
        values = {}
        for line in text.splitlines():
            if line and line[0] != "#":
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        if values:
            values["cpu_ms"] = self.cpu_ms()
        return values

    def cpu_ms(self):
        """What the machine's other work cannot blur: time on a processor."""
        with open(f"/proc/{self.process.pid}/stat", encoding="utf-8") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")

    def wait(self, ready, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise Failure(f"the controller ended with {self.process.returncode}; see {self.log.name}")
            values = self.metrics()
            if values and ready(values):
                return values
            time.sleep(0.05)
        raise Failure("the controller does not get there")

    def settled(self):
        """Its figures once it has told all that it has to tell: that all is well is told when there is time for it."""
        values = self.metrics()
        while True:
            time.sleep(1)
            earlier, values = values, self.metrics()
            # The lease is renewed all the time.
            if values["nacre_kubernetes_writes_total"] - earlier["nacre_kubernetes_writes_total"] <= 2:
                return values

    def memory_mib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as file:
            sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in file if line.startswith("Vm")}
        return {"now": round(sizes["VmRSS"], 1), "highest": round(sizes["VmHWM"], 1)}

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def claim_key(event):
    """The claim's name when it is bound, its uid when it is gone."""
    claim = event["object"]
    if event["type"] == "DELETED":
        return claim["metadata"]["uid"]
    return claim["metadata"]["name"] if claim.get("status", {}).get("phase") == "Bound" else None


class Bench:
    def __init__(self, api, controller):
        self.api, self.controller, self.numbers = api, controller, 0
        claims = f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims"
        self.path = claims
        self.claims = Watch(api, claims, claim_key)
        self.volumes = Watch(api, "/api/v1/persistentvolumes",
                             lambda event: event["object"]["metadata"]["name"] if event["type"] == "DELETED" else None)

    def claim(self):
        """Makes a claim; returns its name, its uid, when it was asked for and what is set when it is bound."""
        self.numbers += 1
        name = f"c{self.numbers}"
        seen = self.claims.expect(name)
        begin = time.monotonic()
        made = self.api.call("POST", self.path, {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
            "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "bench",
                     "resources": {"requests": {"storage": "1Gi"}}}})
        return name, made["metadata"]["uid"], begin, seen

    def delete(self, name, uid):
        seen, claim = self.volumes.expect(f"pvc-{uid}"), self.claims.expect(uid)
        begin = time.monotonic()
        self.api.call("DELETE", f"{self.path}/{name}")
        return begin, seen, claim

    @staticmethod
    def await_(seen, what):
        if not seen[0].wait(180):
            raise Failure(f"{what} did not come within 180 s")
        return seen[1]

    def made(self, _):
        name, uid, begin, seen = self.claim()
        return name, uid, (self.await_(seen, f"claim {name}") - begin) * 1000

    def deleted(self, pair):
        begin, seen, claim = self.delete(*pair)
        end = self.await_(seen, f"the end of volume pvc-{pair[1]}")
        return (end - begin) * 1000, (end - self.await_(claim, f"the end of claim {pair[0]}")) * 1000

    def bind_bare(self, _):
        """What any provisioner and binder must ask of the API server, by nobody's leave: claim, volume, both bound."""
        self.numbers += 1
        name = f"f{self.numbers}"
        modes, size = {"accessModes": ["ReadWriteOnce"]}, {"storage": "1Gi"}
        begin = time.monotonic()
        claim = self.api.call("POST", self.path, {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
            "spec": {**modes, "storageClassName": "nobody", "resources": {"requests": size}}})
        uid = claim["metadata"]["uid"]
        volume, bound = f"/api/v1/persistentvolumes/pvc-{uid}", {"pv.kubernetes.io/bound-by-controller": "yes"}
        self.api.call("POST", "/api/v1/persistentvolumes", {
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": f"pvc-{uid}", "annotations": bound, "finalizers": ["bench.nacre.io/nobody"]},
            "spec": {**modes, "capacity": size, "storageClassName": "nobody", "persistentVolumeReclaimPolicy": "Retain",
                     "flexVolume": {"driver": "nacre.io/nobody", "options": {"volumeHandle": f"lab/{POOL}//{name}"}},
                     "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": NAMESPACE,
                                  "name": name, "uid": uid}}})
        self.api.patch(f"{volume}/status", {"status": {"phase": "Bound"}})
        self.api.patch(f"{self.path}/{name}", {
            "metadata": {"annotations": {**bound, "pv.kubernetes.io/bind-completed": "yes"}},
            "spec": {"volumeName": f"pvc-{uid}"}})
        self.api.patch(f"{self.path}/{name}/status", {"status": {"phase": "Bound", "capacity": size, **modes}})
        return f"{self.path}/{name}", volume, (time.monotonic() - begin) * 1000

    def delete_bare(self, paths):
        begin = time.monotonic()
        for path in paths:
            self.api.call("DELETE", path)
            # kube-controller-manager may have been first.
            self.api.patch(path, {"metadata": {"finalizers": None}}, may_be_gone=True)
        return (time.monotonic() - begin) * 1000

    def floor(self, count, threads):
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            begin = time.monotonic()
            made = list(pool.map(self.bind_bare, range(count)))
            wall = time.monotonic() - begin
            time.sleep(2)
            begin = time.monotonic()
            deleted = list(pool.map(self.delete_bare, [m[:2] for m in made]))
            gone_wall = time.monotonic() - begin
        return {"bound": summary([m[2] for m in made], wall), "gone": summary(deleted, gone_wall)}

    def steady(self, count, threads):
        """`threads` clients, each with one claim under way."""
        before = self.controller.metrics()
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            begin = time.monotonic()
            made = list(pool.map(self.made, range(count)))
            wall = time.monotonic() - begin
            after = self.controller.settled()
            begin = time.monotonic()
            deleted = list(pool.map(self.deleted, [m[:2] for m in made]))
            gone_wall = time.monotonic() - begin
            done = self.controller.metrics()
        return {"bound": summary([m[2] for m in made], wall), "gone": summary([d[0] for d in deleted], gone_wall),
                "gone_after_claim": summary([d[1] for d in deleted], gone_wall),
                "requests": requests(before, after, count), "gone_requests": requests(after, done, count)}

    def burst(self, count, threads=16):
        """All at once."""
        before = self.controller.metrics()
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            begin = time.monotonic()
            claims = list(pool.map(lambda _: self.claim(), range(count)))
            created = time.monotonic() - begin
            ends = [self.await_(seen, f"claim {name}") for name, _, _, seen in claims]
            wall = max(ends) - begin
            times = [(end - claim[2]) * 1000 for end, claim in zip(ends, claims)]
            after = self.controller.settled()
            # What stays: every ten seconds the controller gives back what malloc kept for later.
            time.sleep(12)
            memory = self.controller.memory_mib()
            begin = time.monotonic()
            deletes = list(pool.map(lambda c: self.delete(c[0], c[1]), claims))
            ends = [self.await_(seen, "the end of a volume") for _, seen, _ in deletes]
            gone_wall = max(ends) - begin
            done = self.controller.metrics()
            after_claim = [(end - self.await_(claim, "the end of a claim")) * 1000
                           for end, (_, _, claim) in zip(ends, deletes)]
        return {"count": count, "created_s": round(created, 2), "all_bound_s": round(wall, 2),
                "bound": summary(times, wall), "gone": summary(
                    [(end - d[0]) * 1000 for end, d in zip(ends, deletes)], gone_wall),
                "gone_after_claim": summary(after_claim, gone_wall),
                "requests": requests(before, after, count), "gone_requests": requests(after, done, count),
                "memory_mib": memory}


def summary(ms, wall):
    return {"count": len(ms), **{f"p{p}_ms": round(percentile(ms, p), 1) for p in (50, 95, 99)},
            "per_second": round(len(ms) / wall, 1)}


def requests(before, after, count):
    counts = {kind: round((after[f"nacre_kubernetes_{kind}_total"] - before[f"nacre_kubernetes_{kind}_total"]) / count, 2)
              for kind in ("reads", "writes", "lists", "conflicts")}
    # A write that was refused because kube-controller-manager was first changed nothing; it is told by itself.
    counts["writes"] = round(counts["writes"] - counts["conflicts"], 2)
    return {**counts, "cpu_ms": round((after["cpu_ms"] - before["cpu_ms"]) / count, 1)}


def prepare(api, cluster):
    with open(f"{cluster}/config.json", encoding="utf-8") as file:
        cluster_id = json.load(file)[0]["clusterID"]
    secret = f"{cluster}/secrets/csi-rbd-provisioner"
    api.call("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    data = {}
    for key in ("userID", "userKey"):
        with open(f"{secret}/{key}", encoding="utf-8") as file:
            data[key] = file.read().strip()
    api.call("POST", f"/api/v1/namespaces/{NAMESPACE}/secrets", {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "ceph"}, "stringData": data})
    api.call("POST", "/apis/storage.k8s.io/v1/storageclasses", {
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "nobody"},
        "provisioner": "nobody.nacre.io"})
    prefix = "csi.storage.k8s.io/provisioner-secret-"
    api.call("POST", "/apis/storage.k8s.io/v1/storageclasses", {
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "bench"},
        "provisioner": DRIVER, "parameters": {
            "clusterID": cluster_id, "pool": POOL, "imageFeatures": "layering",
            prefix + "name": "ceph", prefix + "namespace": NAMESPACE}})


def images(cluster):
    listed = subprocess.run(["rbd", "-c", f"{cluster}/ceph.conf", "ls", POOL], capture_output=True, text=True, check=True)
    return len(listed.stdout.split())


def many(options, count):
    """Memory and time of a controller that finds so many volumes and claims, of a stand-in for the API server."""
    with tempfile.TemporaryDirectory(prefix="nacre-many-") as work, StandIn(work, DRIVER, count) as server:
        begin = time.monotonic()
        controller = Controller(options.nacre, server.kubeconfig, f"{options.cluster}/config.json", None, work)
        try:
            controller.wait(lambda v: v.get("nacre_controller_volumes") == count
                            and v.get("nacre_controller_claims") == count and v.get("nacre_controller_leading") == 1, 600)
            listed = time.monotonic() - begin
            controller.wait(lambda v: v["nacre_controller_waiting"] + v["nacre_controller_running"] == 0, 600)
            done = time.monotonic() - begin
            time.sleep(12)
            memory = controller.memory_mib()
        finally:
            controller.stop()
    return {"volumes": count, "claims": count, "listed_s": round(listed, 1), "reconciled_s": round(done, 1),
            "memory_mib": memory}


def row(what, value, limit, at_most, unit=""):
    ok = value <= limit if at_most else value >= limit
    return f"{'PASS' if ok else 'FAIL'}  {what}: {value:g}{unit} ({'≤' if at_most else '≥'} {limit:g}{unit})", ok


def bare_rates(result):
    return [floor["bound"]["per_second"] for floor in result["floor"].get("32", [])]


def bars(result):
    rows = []
    steady, burst = result["steady"], result.get("burst")
    if "1" in steady:
        rows.append(row("claim → Bound p50 at 1", steady["1"]["bound"]["p50_ms"], 80, True, " ms"))
    if "32" in steady:
        rows.append(row("claims bound a second at 32", steady["32"]["bound"]["per_second"], 50, False))
        rows.append(row("deletes a second at 32", steady["32"]["gone"]["per_second"], 40, False))
        # The renewals of the lease are counted, too: less than a tenth of a write for each claim.
        rows.append(row("API writes of a claim at 32", round(steady["32"]["requests"]["writes"], 1), 5, True))
        rows.append(row("lists after the start", steady["32"]["requests"]["lists"], 0, True))
        bare = bare_rates(result)
        rows.append(row("claims bound a second at 32, against the bare calls",
                        round(steady["32"]["bound"]["per_second"] * len(bare) / sum(bare), 2), round(50 / LAB_FLOOR, 2), False, "×"))
    if burst:
        if burst["count"] == 1000:
            rows.append(row("1,000 claims bound in", burst["all_bound_s"], 25, True, " s"))
            rows.append(row("resident memory with 1,000 volumes", burst["memory_mib"]["now"], 60, True, " MiB"))
        rows.append(row("deletes a second in a burst", burst["gone"]["per_second"], 40, False))
    for entry in result.get("many", []):
        if entry["volumes"] == 100_000:
            rows.append(row("resident memory with 100,000 volumes", entry["memory_mib"]["now"], 200, True, " MiB"))
    return rows


def show(result):
    print(f"{'':28}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'a second':>10}")
    for c, at in result["steady"].items():
        for which, floor in zip(("before", "after"), result["floor"][c]):
            for key in ("bound", "gone"):
                figures(f"{c} at once: bare, {which}" if key == "bound" else f"{c} at once: bare, gone", floor[key])
        lines(f"{c} at once", at)
    if "burst" in result:
        burst = result["burst"]
        lines(f"burst of {burst['count']}", burst)
        print(f"burst: created in {burst['created_s']} s, all bound after {burst['all_bound_s']} s, "
              f"memory {burst['memory_mib']['now']} MiB (highest {burst['memory_mib']['highest']})")
    for entry in result.get("many", []):
        print(f"{entry['volumes']} volumes and claims: listed after {entry['listed_s']} s, looked at after "
              f"{entry['reconciled_s']} s, memory {entry['memory_mib']['now']} MiB (highest {entry['memory_mib']['highest']})")
    if bare := bare_rates(result):
        print(f"bare calls at 32: {min(bare):g} to {max(bare):g} a second here, {LAB_FLOOR} in the lab")
    print(f"load {result['load']}, images left {result['images_left']}")


def figures(name, at):
    print(f"{name:28}{at['p50_ms']:>9}{at['p95_ms']:>9}{at['p99_ms']:>9}{at['per_second']:>10}")


def lines(name, at):
    for key, words in (("bound", "bound"), ("gone", "gone"), ("gone_after_claim", "gone after claim")):
        figures(f"{name}: {words}", at[key])
    for words, key in (("a claim", "requests"), ("its end", "gone_requests")):
        print(f"{'':28}{words}: {at[key]['reads']} reads, {at[key]['writes']} writes "
              f"(and {at[key]['conflicts']} refused), {at[key]['lists']} lists, {at[key]['cpu_ms']} ms of a processor")


def main():
    parser = argparse.ArgumentParser()
    for name in ("--cluster", "--lab", "--nacre", "--work"):
        parser.add_argument(name, required=True)
    parser.add_argument("--claims", type=int, default=300)
    parser.add_argument("--concurrency", default="1,8,32")
    parser.add_argument("--burst", type=int, default=1000)
    parser.add_argument("--many", default="")
    parser.add_argument("--json")
    options = parser.parse_args()
    api = API(options.lab)
    prepare(api, options.cluster)
    controller = Controller(options.nacre, f"{options.lab}/admin.kubeconfig", f"{options.cluster}/config.json",
                            f"{options.cluster}/secrets/csi-rbd-provisioner", options.work)
    result = {"steady": {}, "floor": {}}
    try:
        controller.wait(lambda values: values.get("nacre_controller_leading") == 1)
        bench = Bench(api, controller)
        bench.steady(4, 2)
        for c in options.concurrency.split(","):
            say(f"{options.claims} claims, {c} at once")
            result["floor"][c] = [bench.floor(options.claims, int(c))]
            result["steady"][c] = bench.steady(options.claims, int(c))
            result["floor"][c].append(bench.floor(options.claims, int(c)))
        if options.burst:
            say(f"{options.burst} claims at once")
            result["burst"] = bench.burst(options.burst)
            result["floor"].setdefault("32", []).append(bench.floor(options.claims, 32))
        result["images_left"] = images(options.cluster)
    finally:
        controller.stop()
    result["many"] = []
    for count in [int(c) for c in options.many.split(",") if c]:
        say(f"{count} volumes and claims, of a stand-in")
        result["many"].append(many(options, count))
    result["load"] = os.getloadavg()[0]
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
    show(result)
    rows = bars(result)
    for text, _ in rows:
        print(text)
    return 0 if all(ok for _, ok in rows) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        print(f"bench: {failure}", file=sys.stderr)
        sys.exit(1)
