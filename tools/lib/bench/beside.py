"""Two builds of Nacre beside each other on one cluster, by turns: creates, deletes, and what a stage reads of Ceph.

tools/bench starts it inside a cluster of its own; see `tools/bench provisioning --beside`.
"""
import argparse
import json
import os
import statistics
import sys

from lab import Failure, Lab, Samples, Service, say

CREATED = "csi-vol-"
# Of a kind, so that the reads of a stage are told from the cluster's own.
STAGED = 5
# How much worse than the old build the new one may be.
WORST_CREATE = 1.05
LEAST_RATE = 0.95
CAPABILITY = {"mount": {"fsType": "ext4"}, "accessMode": {"mode": "SINGLE_NODE_WRITER"}}


def arguments():
    parser = argparse.ArgumentParser(prog="tools/bench provisioning --beside")
    parser.add_argument("--volumes", type=int, default=60)
    parser.add_argument("--concurrency", default="1,8,32")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--json")
    parser.add_argument("--nacre", required=True)
    parser.add_argument("--beside", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--programs", required=True)
    return parser.parse_args()


class Build(Service):
    """A build with a node of its own."""

    def __init__(self, lab, name, nacre):
        super().__init__(lab, nacre, name, ["--node-id", name, "--mounter", "fuse"])
        self.name = name


def turn(lab, build, count, threads):
    """Creates and deletes so many; the median of a create, and creates and deletes a second."""
    run = lab.fresh()
    made, gone = Samples(), Samples()
    made.add(build.load("create", run, count, threads))
    gone.add(build.load("delete", run, count, threads))
    lab.wait_trash_empty(CREATED)
    return {"create_ms": made.percentile(50), "create_per_s": made.per_second, "delete_ms": gone.percentile(50),
            "delete_per_s": gone.per_second}


def call_by_call(lab, new, old, count):
    """One call at a time, by turns of single calls: what the machine does meanwhile meets both builds."""
    run, handles, ratios = lab.fresh(), {}, {"create_ms": [], "delete_ms": []}
    for what in ratios:
        for number in range(count):
            took = {}
            for build in (new, old) if number % 2 else (old, new):
                if what == "create_ms":
                    made, took[build.name] = build.call("Controller/CreateVolume", {
                        "name": f"{build.name}-{run}-{number}", "capacityRange": {"requiredBytes": str(64 << 20)},
                        "volumeCapabilities": [CAPABILITY], "secrets": build.secrets(),
                        "parameters": {"clusterID": lab.cluster_id, "pool": "replicapool"}})
                    handles[build.name, number] = made["volume"]["volumeId"]
                else:
                    _, took[build.name] = build.call("Controller/DeleteVolume", {
                        "volumeId": handles[build.name, number], "secrets": build.secrets()})
            ratios[what].append(took[new.name] / took[old.name])
    lab.wait_trash_empty(CREATED)
    return {what: spread(found) for what, found in ratios.items()}


def spread(ratios):
    """The median, and between what the middle half lies."""
    quarters = statistics.quantiles(ratios, n=4)
    return {"median": round(quarters[1], 3), "least": round(quarters[0], 3), "most": round(quarters[2], 3)}


def pairs(lab, new, old, options):
    """By concurrency: the ratio of new to old in each pair; who is first alternates."""
    result = {}
    for concurrency in (int(c) for c in options.concurrency.split(",")):
        if concurrency == 1:
            say(f"{options.rounds * options.volumes} pairs of single calls")
            result["1"] = call_by_call(lab, new, old, options.rounds * options.volumes)
            continue
        say(f"{options.rounds} pairs at concurrency {concurrency}")
        found = []
        for number in range(options.rounds):
            order = (new, old) if number % 2 else (old, new)
            seen = {build.name: turn(lab, build, options.volumes, concurrency) for build in order}
            found.append({what: seen[new.name][what] / seen[old.name][what] for what in seen[new.name]})
        result[str(concurrency)] = {
            what: spread([pair[what] for pair in found]) for what in found[0]}
    return result


def stage_reads(lab, build):
    """RADOS operations that read, of one stage of a volume that has its file system already, and all operations of it."""
    handles = []
    for number in range(STAGED):
        made, _ = build.call("Controller/CreateVolume", {
            "name": f"staged-{build.name}-{number}", "capacityRange": {"requiredBytes": str(64 << 20)},
            "volumeCapabilities": [CAPABILITY], "parameters": {"clusterID": lab.cluster_id, "pool": "replicapool"},
            "secrets": build.secrets()})
        handles.append((made["volume"]["volumeId"], made["volume"].get("volumeContext", {})))
    counts = []
    for is_counted in (False, True):
        before = lab.osd_counts("op_r", "op")
        for number, (handle, context) in enumerate(handles):
            path = f"{lab.work}/staged-{build.name}-{number}"
            os.makedirs(path, exist_ok=True)
            build.call("Node/NodeStageVolume", {"volumeId": handle, "stagingTargetPath": path, "volumeCapability": CAPABILITY,
                                                "volumeContext": context, "secrets": build.secrets("csi-rbd-node")})
        after = lab.osd_counts("op_r", "op")
        if is_counted:
            counts = [(b - a) / STAGED for a, b in zip(before, after)]
        for number, (handle, _) in enumerate(handles):
            build.call("Node/NodeUnstageVolume",
                       {"volumeId": handle, "stagingTargetPath": f"{lab.work}/staged-{build.name}-{number}"})
    for handle, _ in handles:
        build.call("Controller/DeleteVolume", {"volumeId": handle, "secrets": build.secrets()})
    lab.wait_trash_empty(CREATED)
    return {"reads": round(counts[0], 1), "all": round(counts[1], 1)}


def main():
    options = arguments()
    lab = Lab(os.environ["NACRE_CLUSTER_DIR"], options.programs, options.work)
    builds = [Build(lab, "new", options.nacre), Build(lab, "old", options.beside)]
    result = {"volumes": options.volumes, "pairs": options.rounds, "load_at_start": os.getloadavg()[0]}
    try:
        for build in builds:
            build.start()
            turn(lab, build, 8, 8)
        result["ratios"] = pairs(lab, *builds, options)
        say("stages")
        result["stage"] = {build.name: stage_reads(lab, build) for build in builds}
    except Failure as e:
        print(f"bench: {e}", file=sys.stderr)
        return 1
    finally:
        for build in builds:
            build.stop()
    result["load_at_end"] = os.getloadavg()[0]
    return show(result, options)


def show(result, options):
    print(f"{options.nacre} against {options.beside}: {result['pairs']} pairs of {result['volumes']} volumes, at 1 as many pairs "
          f"of single calls, load {result['load_at_start']:.1f} → {result['load_at_end']:.1f}; median (middle half) of the "
          "pairs' ratios")
    rows = []
    for c, at in result["ratios"].items():
        for verb in ("create", "delete"):
            words = []
            for kind, key in (("p50", f"{verb}_ms"), ("per second", f"{verb}_per_s")):
                if ratio := at.get(key):
                    words.append(f"{kind} {ratio['median']:.2f}× ({ratio['least']:.2f} to {ratio['most']:.2f})")
            print(f"  {verb} at {c:>2}: {', '.join(words)}")
        if c == "1":
            rows.append(("create p50 at 1", at["create_ms"]["median"], f"≤ {WORST_CREATE}×",
                         at["create_ms"]["median"] <= WORST_CREATE))
        else:
            rows.append((f"creates per second at {c}", at["create_per_s"]["median"], f"≥ {LEAST_RATE}×",
                         at["create_per_s"]["median"] >= LEAST_RATE))
    new, old = result["stage"]["new"], result["stage"]["old"]
    print(f"  stage: {new['reads']} reads of {new['all']} operations, against {old['reads']} of {old['all']}")
    rows.append(("reads of a stage, more than before", new["reads"] - old["reads"], "≤ 2", new["reads"] - old["reads"] <= 2))
    for what, value, limit, passed in rows:
        print(f"  {'PASS' if passed else 'FAIL'}  {what:40} {value:6.2f}  {limit}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
            file.write("\n")
        say(f"written: {options.json}")
    return 0 if all(row[3] for row in rows) else 1


sys.exit(main())
