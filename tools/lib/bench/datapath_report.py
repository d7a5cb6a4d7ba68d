"""What the data path must reach, and its tables: datapath_report.py JSON OUT-OF-HOST OUT-OF-GUEST."""
import json
import sys
from statistics import mean

from report import bar


def ratio(result, job, ours, theirs):
    row = result["iops"][job]
    return mean(row[ours]) / mean(row[theirs])


def bars(host, guest):
    rows = []
    if guest:
        for rw in ("randwrite", "randread"):
            for depth, limit in ((1, 1.0), (32, 1.2)):
                job = f"{rw} 4k qd{depth}"
                rows.append(bar(f"nbd, {job}, against rbd-nbd", ratio(guest, job, "nacre nbd", "rbd-nbd"), limit, False, "×"))
        times = {name: latency["map_ms"] + latency["unmap_ms"] for name, latency in guest["latency"].items()}
        rows.append(bar("krbd, map and unmap, times faster than rbd map and rbd unmap",
                        times["rbd map"] / times["nacre krbd"], 10, False, "×"))
    if host:
        rows.append(bar("fuse, randread 4k qd16, against rbd-fuse and a loop device",
                        ratio(host, "randread 4k qd16", "nacre fuse", "rbd-fuse + loop"), 3, False, "×"))
        for depth in (1, 16):
            job = f"randwrite 4k qd{depth}"
            rows.append(bar(f"fuse, {job}, against rbd-fuse and a loop device",
                            ratio(host, job, "nacre fuse", "rbd-fuse + loop"), 1, False, "×"))
    for result in filter(None, (host, guest)):
        rows += [bar(f"{name}, stage of a blank 10 GiB ext4 volume, more than map, mkfs and mount", times["overhead"],
                     50, True, " ms") for name, times in result["stage"].items()]
    return rows


def show(result):
    names = list(next(iter(result["iops"].values())))
    print(f"\n{result['where']}, Linux {result['kernel']}: I/Os a second (means of the rounds)")
    print(f"  {'':24}" + "".join(f"{name:>18}" for name in names))
    for job, row in result["iops"].items():
        print(f"  {job:24}" + "".join(f"{mean(row[name]):18.0f}" for name in names))
    print("  map / unmap, ms, medians: "
          + "; ".join(f"{name} {latency['map_ms']} / {latency['unmap_ms']}" for name, latency in result["latency"].items()))
    for name, times in result["stage"].items():
        print(f"  {name}, ms, medians: " + ", ".join(f"{what} {value}" for what, value in times.items()))


def load(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None


def main():
    target, host, guest = sys.argv[1], load(sys.argv[2]), load(sys.argv[3])
    for result in filter(None, (host, guest)):
        show(result)
    rows = bars(host, guest)
    print()
    for row in rows:
        print(f"  {'PASS' if row['pass'] else 'FAIL'}  {row['what']}: {row['value']:g}{row['unit']} (must be {row['limit']})")
    if target != "-":
        with open(target, "w", encoding="utf-8") as file:
            json.dump({"host": host, "guest": guest, "bars": rows}, file, indent=1)
            file.write("\n")
    return 0 if rows and all(row["pass"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
