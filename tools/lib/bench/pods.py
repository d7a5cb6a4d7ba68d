"""tools/bench pods: how fast pods with volumes start, by directory and by FlexVolume, on a real Kubernetes and a real Ceph."""
import argparse
import json
import random
import subprocess
import sys
import time

from claims import NAMESPACE, API, Controller, Failure, Watch, claim_key, percentile, prepare, say

KINDS = ("local", "flexVolume")
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
CLAIMS = f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims"


def pod_key(event):
    """The pod's name when it is ready, its uid when it is gone."""
    pod = event["object"]
    if event["type"] == "DELETED":
        return pod["metadata"]["uid"]
    conditions = pod.get("status", {}).get("conditions", [])
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return pod["metadata"]["name"] if ready else None


class Agent:
    """A `nacre node run` on the node n1."""

    def __init__(self, tools, nacre, lab, config, work):
        self.nacre, self.exec = nacre, [f"{tools}/kube-lab", "exec", "--dir", lab, "--node", "n1"]
        self.log = open(f"{work}/agent.log", "a", encoding="utf-8")
        self.process = subprocess.Popen(
            [*self.exec, nacre, "node", "run", "--node-id", "n1", "--config", config, "--kubeconfig",
             f"{lab}/admin.kubeconfig", "--log-level", "debug"], stdout=self.log, stderr=self.log)

    def wait(self, seconds=60):
        end = time.monotonic() + seconds
        while subprocess.run([*self.exec, f"{self.nacre}-flex", "ping"], capture_output=True, check=False).returncode:
            if time.monotonic() > end or self.process.poll() is not None:
                raise Failure(f"the agent does not answer; see {self.log.name}")
            time.sleep(0.1)

    def run(self, *words):
        """What a program on the node prints."""
        return subprocess.run([*self.exec, *words], capture_output=True, text=True, check=True).stdout

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()


def await_(seen, what):
    if not seen[0].wait(180):
        raise Failure(f"{what} did not come within 180 s")
    return seen[1]


class Bench:
    def __init__(self, api, agent):
        self.api, self.agent = api, agent
        self.pods, self.claims = Watch(api, PODS, pod_key), Watch(api, CLAIMS, claim_key)

    def claim(self, name, kind):
        seen = self.claims.expect(name)
        self.api.call("POST", CLAIMS, {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
            "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": kind.lower(),
                     "resources": {"requests": {"storage": "512Mi"}}}})
        await_(seen, f"claim {name}")

    def pod(self, name, claim):
        """Starts a pod and ends it; returns how long it took to be ready, in seconds."""
        seen = self.pods.expect(name)
        begin = time.monotonic()
        made = self.api.call("POST", PODS, {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {
                "hostNetwork": True, "terminationGracePeriodSeconds": 0, "securityContext": {"fsGroup": 2000},
                "containers": [{"name": "shell", "image": "docker.io/local/busybox:1", "command": ["sleep", "100000"],
                                "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
                "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]}})
        took = await_(seen, f"pod {name}") - begin
        gone = self.pods.expect(made["metadata"]["uid"])
        self.api.call("DELETE", f"{PODS}/{name}")
        await_(gone, f"the end of pod {name}")
        return took

    def settle(self, volume):
        """Waits until the node has let go of a volume: what it still does must not burden the next pod. kubelet looks for
        news of containers once a second; a pause of some part of that keeps the pods from one beat."""
        while volume in self.agent.run("cat", "/proc/self/mountinfo"):
            time.sleep(0.2)
        time.sleep(1 + random.random())

    def round(self, number, kinds):
        """A new volume's first pod, and its second one, of each kind."""
        times = {}
        for kind in kinds:
            claim = f"{kind.lower()}-{number}"
            self.claim(claim, kind)
            volume = self.api.call("GET", f"{CLAIMS}/{claim}")["spec"]["volumeName"]
            for what in ("first", "again"):
                self.settle(volume)
                times[f"{kind} {what}"] = self.pod(f"{claim}-{what}", claim)
            self.settle(volume)
            self.api.call("DELETE", f"{CLAIMS}/{claim}")
        say(f"round {number}: " + "; ".join(f"{name} {took:.2f} s" for name, took in sorted(times.items())))
        return times


def classes(api, cluster):
    """A class of each kind."""
    made = api.call("GET", "/apis/storage.k8s.io/v1/storageclasses/bench")
    for kind in KINDS:
        stage = "csi.storage.k8s.io/node-stage-secret-"
        api.call("POST", "/apis/storage.k8s.io/v1/storageclasses", {
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": kind.lower()},
            "provisioner": made["provisioner"],
            "parameters": {**made["parameters"], "nodeDelivery": kind, "csi.storage.k8s.io/fstype": "xfs",
                           stage + "name": "ceph", stage + "namespace": NAMESPACE}})


def main():
    parser = argparse.ArgumentParser()
    for word in ("cluster", "lab", "work", "nacre", "tools"):
        parser.add_argument(f"--{word}", required=True)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json")
    options = parser.parse_args()
    api = API(options.lab)
    prepare(api, options.cluster)
    classes(api, options.cluster)
    config = f"{options.cluster}/config.json"
    controller = Controller(options.nacre, f"{options.lab}/admin.kubeconfig", config, None, options.work)
    agent = Agent(options.tools, options.nacre, options.lab, config, options.work)
    try:
        controller.wait(lambda v: v.get("nacre_controller_leading") == 1)
        agent.wait()
        bench = Bench(api, agent)
        # Warms the caches of all.
        bench.round(0, KINDS)
        rounds = [bench.round(n, KINDS if n % 2 else KINDS[::-1]) for n in range(1, options.rounds + 1)]
    finally:
        agent.stop()
        controller.stop()
    result = {}
    for what in ("first", "again"):
        for kind in KINDS:
            times = [r[f"{kind} {what}"] for r in rounds]
            result[f"{kind} {what}"] = {"seconds": [round(t, 2) for t in times],
                                        **{f"p{p}": round(percentile(times, p), 2) for p in (10, 50, 90)}}
            print(f"pod ready, {kind}, {what}: p50 {percentile(times, 50):.2f} s,"
                  f" p10 {percentile(times, 10):.2f}, p90 {percentile(times, 90):.2f}")
        pairs = sorted(r[f"local {what}"] - r[f"flexVolume {what}"] for r in rounds)
        print(f"pairs, {what}: local minus flexVolume p50 {percentile(pairs, 50):+.2f} s,"
              f" from {pairs[0]:+.2f} to {pairs[-1]:+.2f}")
    ok = True
    for what in ("first", "again"):
        value, limit = result[f"local {what}"]["p50"], result[f"flexVolume {what}"]["p50"]
        ok &= value <= limit
        print(f"{'PASS' if value <= limit else 'FAIL'}  pod ready p50 by directory, {what} pod of a volume: {value:g} s"
              f" (≤ {limit:g} s, FlexVolume's)")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
    return 0 if ok else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(1)
