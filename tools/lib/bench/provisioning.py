"""The provisioning benchmark: Nacre's service, the bare calls and the rbd command line, side by side.

tools/bench starts it inside a cluster of its own; see `tools/bench provisioning --help`.
"""
import argparse
import json
import os
import statistics
import sys
import time

import rbd
import report
from lab import EMPTY_POOL, POOL, Failure, Lab, Samples, Service, say

CREATED = "csi-vol-"  # what Nacre names its images


def arguments():
    parser = argparse.ArgumentParser(prog="tools/bench provisioning")
    parser.add_argument("--volumes", type=int, default=150)
    parser.add_argument("--concurrency", default="1,8,32")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--many", type=int, default=0)
    parser.add_argument("--listed", type=int, default=1000)
    parser.add_argument("--only-giants", action="store_true")
    parser.add_argument("--json")
    parser.add_argument("--floor-only", action="store_true")
    parser.add_argument("--nacre", default="")
    parser.add_argument("--work", required=True)
    parser.add_argument("--programs", required=True)
    return parser.parse_args()


def table(lab, service, options, concurrency):
    """One concurrency: creates, expansions and deletes of all three, by turns."""
    floor, nacre, command = ({verb: Samples() for verb in ("create", "grow", "trash")} for _ in range(3))
    empty_s = []
    for _ in range(options.rounds):
        run = lab.fresh()
        prefix, count = f"floor-{run}", options.volumes
        floor["create"].add(lab.floor("create", prefix, count, concurrency))
        if service:
            nacre["create"].add(service.load("create", run, count, concurrency))
        floor["grow"].add(lab.floor("grow", prefix, count, concurrency))
        if service:
            nacre["grow"].add(service.load("expand", run, count, concurrency))
        floor["trash"].add(lab.floor("trash", prefix, count, concurrency))
        lab.floor("purge", prefix, 0, 4)
        if service:
            nacre["trash"].add(service.load("delete", run, count, concurrency))
            empty_s.append(lab.wait_trash_empty(CREATED))
    count, prefix = max(24, 2 * concurrency), f"cli-{lab.fresh()}"
    for verb in ("create", "trash"):
        command[verb].add(lab.rbd(verb, prefix, count, concurrency))
    lab.floor("purge", prefix, 0, 4)
    kinds = {"floor": floor, "rbd": command, **({"nacre": nacre} if service else {})}
    result = {kind: {verb: s.summary() for verb, s in verbs.items() if s.ms} for kind, verbs in kinds.items()}
    if empty_s:
        result["trash_empty_s"] = round(max(empty_s), 2)
    return result


# RADOS operations by which the purger keeps others from the image that it removes.
PURGE_LOCK = 2


class OpCounter:
    """RADOS operations of a verb: the difference of the OSDs' counters, less what runs by itself."""

    def __init__(self, lab):
        self.lab = lab
        before, begin = lab.osd_ops(), time.monotonic()
        time.sleep(3)
        self.noise_per_s = (lab.osd_ops() - before) / (time.monotonic() - begin)

    def of(self, count, work):
        before, begin = self.lab.osd_ops(), time.monotonic()
        work()
        ops = self.lab.osd_ops() - before
        return (ops - self.noise_per_s * (time.monotonic() - begin)) / count


def operations(lab, service, count=20):
    """RADOS operations of one call each, at concurrency 1 and with nothing to purge but what the call leaves."""
    counter = OpCounter(lab)
    result = {"background_per_s": round(counter.noise_per_s, 2)}
    prefix = f"ops-{lab.fresh()}"
    result["floor"] = {
        "create": counter.of(count, lambda: lab.floor("create", prefix, count, 1)),
        "grow": counter.of(count, lambda: lab.floor("grow", prefix, count, 1)),
        "trash": counter.of(count, lambda: lab.floor("trash", prefix, count, 1))}
    listing = counter.of(1, lambda: lab.floor("purge", "no-such-name", 0, 1))
    purge = counter.of(count, lambda: lab.floor("purge", prefix, 0, 1)) - listing / count
    result["floor"]["purge"] = purge
    if service:
        run = lab.fresh()
        result["nacre"] = {
            "create": counter.of(count, lambda: service.load("create", run, count, 1)),
            "repeat": counter.of(count, lambda: service.load("repeat", run, count, 1)),
            "expand": counter.of(count, lambda: service.load("expand", run, count, 1)),
            # The purger sends what rbd_trash_remove sends, and a lock and an unlock; what is above that is the delete.
            "delete": deleted(lab, service, counter, run, count) - purge - PURGE_LOCK}
        run = lab.fresh()
        service.load("create", run, count, 1)
        service.stop()
        service.start()
        warm(lab, service)
        result["nacre"]["delete_after_restart"] = deleted(lab, service, counter, run, count) - purge - PURGE_LOCK
    for kind in ("floor", "nacre"):
        if kind in result:
            result[kind] = {verb: round(ops, 2) for verb, ops in result[kind].items()}
    return result


def deleted(lab, service, counter, run, count):
    """Operations of a delete and of emptying the trash behind it; the waiting itself sends none."""
    def work():
        service.load("delete", run, count, 1)
        # Looking into the trash would be counted: a purged image takes about 0.1 s.
        time.sleep(count * 0.1)
        deadline = time.monotonic() + 60
        before = lab.osd_ops()
        while time.monotonic() < deadline:
            time.sleep(1)
            after = lab.osd_ops()
            if after - before <= counter.noise_per_s * 1 + 3:
                return
            before = after
        raise Failure("the OSDs do not come to rest after the deletes")
    ops = counter.of(count, work)
    lab.wait_trash_empty(CREATED)
    return ops


def warm(lab, service):
    """The first call connects to Ceph and starts the threads; it is not what is measured."""
    run = lab.fresh()
    service.load("create", run, 8, 8)
    service.load("delete", run, 8, 8)
    lab.wait_trash_empty(CREATED)


def beside_the_purger(lab, service, options):
    """Creates while the trash is being emptied, between creates while it is not."""
    count, idle, busy, runs = min(options.volumes, 60), [], [], []

    def creates(into):
        run = lab.fresh()
        into += service.load("create", run, count, 1)["ms"]
        runs.append(run)

    victims = lab.fresh()
    service.load("create", victims, options.volumes, 8)
    creates(idle)
    service.load("delete", victims, options.volumes, 32)
    creates(busy)
    left = lab.trash_count(CREATED)
    lab.wait_trash_empty(CREATED)
    creates(idle)
    for run in runs:
        service.load("delete", run, count, 8)
    lab.wait_trash_empty(CREATED)
    return {"idle_p50_ms": round(statistics.median(idle), 3), "busy_p50_ms": round(statistics.median(busy), 3),
            "images_left_in_trash_at_the_end": left}


# What a removal can take long for: many places to look at, in a map of objects or in none.
GIANTS = ({"size": 100 << 40, "features": "layering,exclusive-lock,object-map,fast-diff,deep-flatten"},
          {"size": 1 << 60, "features": "layering"})
# So many objects of each exist.
PLACES = 1500


def delete_giants(lab, service):
    """Makes giants with some data, and deletes them."""
    handles = []
    for number, giant in enumerate(GIANTS):
        volume, _ = service.call("Controller/CreateVolume", {
            "name": f"giant-{lab.fresh()}-{number}", "capacityRange": {"requiredBytes": str(giant["size"])},
            "volumeCapabilities": [{"block": {}, "accessMode": {"mode": "SINGLE_NODE_WRITER"}}],
            "parameters": {"clusterID": lab.cluster_id, "pool": POOL, "imageFeatures": giant["features"],
                           "poolSizeFactor": "0"},
            "secrets": service.secrets()})
        handles.append(volume["volume"]["volumeId"])
        with rbd.Image(lab.contexts[POOL], handles[-1].rsplit("/", 1)[1]) as image:
            for place in range(PLACES):
                image.write(b"giant", giant["size"] // PLACES * place)
    for handle in handles:
        service.call("Controller/DeleteVolume", {"volumeId": handle, "secrets": service.secrets()})


def beside_giants(lab, service, options):
    """Creates and lists while giants are removed, each time behind as many while nothing is: by turns, on one cluster."""
    batch, rounds = 5, []

    def measured(is_wanted):
        """Batches of both, as long as they are wanted; a batch that ended when they were no more does not count."""
        creates, lists, runs = [], [], []
        while len(creates) < options.volumes:
            runs.append(lab.fresh())
            made = service.load("create", runs[-1], batch, 1)["ms"]
            listed = [service.call("Controller/ListVolumes", {"maxEntries": 20})[1] for _ in range(batch)]
            if not is_wanted():
                break
            creates += made
            lists += listed
        if len(creates) < 2 * batch:
            raise Failure("the giants were gone before anything was measured beside them")
        begin = time.monotonic()
        lab.wait_trash_empty(CREATED, 600)
        emptied_s = round(time.monotonic() - begin, 1)
        for run in runs:
            service.load("delete", run, batch, batch)
        lab.wait_trash_empty(CREATED, 600)
        return {"calls": len(creates), "create": statistics.median(creates), "list": statistics.median(lists),
                "emptied_s": emptied_s}

    for _ in range(max(3, options.rounds)):
        quiet = measured(lambda: True)
        delete_giants(lab, service)
        rounds.append({"quiet": quiet, "busy": measured(lambda: lab.trash_count(CREATED) > 0)})
    result = {"rounds": rounds}
    for verb in ("create", "list"):
        ratios = sorted(turn["busy"][verb] / turn["quiet"][verb] for turn in rounds)
        result[verb] = {"quiet_p50_ms": round(statistics.median(turn["quiet"][verb] for turn in rounds), 3),
                        "busy_p50_ms": round(statistics.median(turn["busy"][verb] for turn in rounds), 3),
                        "ratio": round(statistics.median(ratios), 3),
                        "least": round(ratios[0], 3), "most": round(ratios[-1], 3)}
    return result


def lists_of_many(lab, service, options):
    """All volumes of a pool with so many: as one page, and in pages of 100."""
    run = lab.fresh()
    service.load("create", run, options.listed, 8)
    whole, pages = [], []
    for _ in range(max(3, options.rounds)):
        page, took = service.call("Controller/ListVolumes", {"maxEntries": options.listed})
        if len(page["entries"]) < options.listed:
            raise Failure(f"a list of all volumes has {len(page['entries'])} of {options.listed}")
        whole.append(took)
        token, total = "", 0.0
        while True:
            page, took = service.call("Controller/ListVolumes", {"maxEntries": 100, "startingToken": token})
            total += took
            token = page.get("nextToken", "")
            if not token:
                break
        pages.append(total)
    service.load("delete", run, options.listed, 8)
    lab.wait_trash_empty(CREATED, 600)
    return {"volumes": options.listed, "whole_ms": round(statistics.median(whole), 1),
            "pages_ms": round(statistics.median(pages), 1)}


def repeats(lab, service, options):
    run, samples = lab.fresh(), Samples()
    service.load("create", run, options.volumes, 1)
    samples.add(service.load("repeat", run, options.volumes, 1))
    service.load("delete", run, options.volumes, 8)
    lab.wait_trash_empty(CREATED)
    return samples.summary()


def among_many(lab, service, options):
    """Creates in a pool of that many images and in an empty one of the same OSDs, by turns, beside the bare calls."""
    say(f"making {options.many} images")
    lab.floor("image", "many", options.many, 32)
    say("creates among them, and in an empty pool")
    pools = {"full": POOL, "empty": EMPTY_POOL}
    times = {kind: {name: Samples() for name in pools} for kind in ("nacre", "floor")}
    # The first round warms both pools up.
    for turn in range(2 * options.rounds + 1):
        for name, pool in pools.items():
            run, count = lab.fresh(), max(8, options.volumes // 3)
            bare = lab.floor("create", f"floor-{run}", count, 1, pool)
            ours = service.load("create", run, count, 1, pool)
            service.load("delete", run, count, 8, pool)
            lab.floor("trash", f"floor-{run}", count, 4, pool)
            lab.floor("purge", f"floor-{run}", 0, 4, pool)
            lab.wait_trash_empty(CREATED)
            if turn > 0:
                times["floor"][name].add(bare)
                times["nacre"][name].add(ours)
    return {"images": options.many,
            **{kind: {f"{name}_p50_ms": round(samples.percentile(50), 3) for name, samples in of.items()}
               for kind, of in times.items()}}


def main():
    options = arguments()
    lab = Lab(os.environ["NACRE_CLUSTER_DIR"], options.programs, options.work)
    service = None if options.floor_only else Service(lab, options.nacre)
    result = {"volumes": options.volumes, "rounds": options.rounds, "cores": os.cpu_count(),
              "load_at_start": os.getloadavg()[0], "by_concurrency": {}}
    try:
        if service:
            service.start()
            warm(lab, service)
            result["memory_mib"] = {"idle": service.memory_mib()}
            result["door"] = {str(c): Samples.summary(samples_of(service.load("info", 0, 2000, c))) for c in (1, 32)}
        for concurrency in [] if options.only_giants else [int(c) for c in options.concurrency.split(",")]:
            say(f"concurrency {concurrency}")
            result["by_concurrency"][str(concurrency)] = table(lab, service, options, concurrency)
        if service and not options.only_giants:
            # The service gives malloc's free memory back every ten seconds.
            time.sleep(15)
            result["memory_mib"]["after_load"] = service.memory_mib()
            say("repeats, purger")
            result["repeat"] = repeats(lab, service, options)
            result["purger"] = beside_the_purger(lab, service, options)
        if service:
            say("creates and lists beside the removal of giants")
            result["giants"] = beside_giants(lab, service, options)
            say(f"lists of {options.listed} volumes")
            result["lists"] = lists_of_many(lab, service, options)
        if not options.only_giants:
            say("operations")
            result["operations"] = operations(lab, service)
        if service and options.many:
            result["many"] = among_many(lab, service, options)
    except Failure as e:
        print(f"bench: {e}", file=sys.stderr)
        return 1
    finally:
        if service:
            service.stop()
    result["load_at_end"] = os.getloadavg()[0]
    result["bars"] = report.bars(result)
    report.show(result)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
            file.write("\n")
        say(f"written: {options.json}")
    return 0 if all(bar["pass"] for bar in result["bars"]) else 1


def samples_of(run):
    samples = Samples()
    samples.add(run)
    return samples


sys.exit(main())
