"""How long the kernel takes to map and unmap an image: by Nacre's mapper, and by the rbd program.

usage, in a guest of tools/kernel-lab: map_latency.py NODE-TEST-PROCESS [ROUNDS]
Prints JSON: milliseconds, medians of all rounds. The two take turns, so that a busy machine is busy for both.
"""
import json
import os
import statistics
import subprocess
import sys
import time

CONF = os.path.join(os.environ["NACRE_CLUSTER_DIR"], "ceph.conf")
IMAGE = f"latency-{os.getpid()}"


def rbd(*words):
    begin = time.monotonic()
    output = subprocess.run(["rbd", "-c", CONF, *words], check=True, capture_output=True, text=True, timeout=120).stdout
    return output.strip(), (time.monotonic() - begin) * 1000


def by_program():
    # Without noudev it waits for a udevd that a guest does not have.
    device, mapped = rbd("map", "-o", "noudev,ms_mode=prefer-crc", f"rbd/{IMAGE}")
    return mapped, rbd("unmap", "-o", "noudev", device)[1]


def by_nacre(program):
    """(sharing, map, unmap) of two rounds each; the first of a process also starts it, and is left out."""
    output = subprocess.run([program, "latency", IMAGE, "3"], check=True, capture_output=True, text=True,
                            timeout=120).stdout
    seen = set()
    for line in output.splitlines():
        sharing, _, mapped, _, unmapped = line.split()
        if sharing in seen:
            yield sharing, float(mapped), float(unmapped)
        seen.add(sharing)


def main():
    program, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    rbd("create", f"rbd/{IMAGE}", "--size", "1G")
    times = {"rbd": []}
    for _ in range(rounds):
        times["rbd"].append(by_program())
        for sharing, mapped, unmapped in by_nacre(program):
            times.setdefault({"manyNodes": "krbd", "oneNode": "krbd with its lock"}[sharing], []).append((mapped, unmapped))
    rbd("rm", "--no-progress", f"rbd/{IMAGE}")
    report = {}
    for name, pairs in times.items():
        report[name] = {"map_ms": round(statistics.median(m for m, _ in pairs), 1),
                        "unmap_ms": round(statistics.median(u for _, u in pairs), 1),
                        "both_ms": round(statistics.median(m + u for m, u in pairs), 1), "rounds": len(pairs)}
    for name in report:
        report[name]["times_faster_than_rbd"] = round(report["rbd"]["both_ms"] / report[name]["both_ms"], 1)
    print(json.dumps(report, indent=1))


main()
