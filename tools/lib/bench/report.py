"""The benchmark's bars and its tables."""

# ceph-csi on a quiet machine of two cores, 150 volumes, and the bare calls on it: calls a second, by concurrency. Where
# the bare calls were measured more than once, the least; so ceph-csi is made the best of.
CEPH_CSI = {"create": {"1": (44, 101), "8": (69, 184), "32": (70, 203)},
            "trash": {"1": (7.8, 47), "8": (24, 102), "32": (20, 106)}}
WORDS = {"create": "create", "trash": "delete", "grow": "expand"}


def bar(what, value, limit, at_most, unit=""):
    ok = value <= limit if at_most else value >= limit
    return {"what": what, "value": round(value, 3), "limit": f"{'≤' if at_most else '≥'} {limit:g}{unit}",
            "unit": unit, "pass": ok}


def bars(result):
    """What it must reach: one row each."""
    rows = []
    for c, at in result["by_concurrency"].items():
        if "nacre" not in at:
            continue
        for verb in ("create", "trash"):
            nacre, floor, word = at["nacre"][verb], at["floor"][verb], WORDS[verb]
            if c == "1":
                rows.append(bar(f"{word} p50 at 1, against the bare calls", nacre["p50_ms"] / floor["p50_ms"],
                                1.35, True, "×"))
            else:
                rows.append(bar(f"{word} throughput at {c}, against the bare calls",
                                nacre["per_second"] / floor["per_second"], 0.85, False, "×"))
        if c == str(max(map(int, result["by_concurrency"]))):
            rows.append(bar("trash empty after the last delete", at["trash_empty_s"], 15, True, " s"))
    for verb, factor in (("create", 2), ("trash", 4)):
        for c, (per_second, bare) in CEPH_CSI[verb].items():
            if "nacre" in result["by_concurrency"].get(c, {}):
                at = result["by_concurrency"][c]
                # The bare calls tell how fast this machine is against that one.
                speed = at["floor"][verb]["per_second"] / bare
                rows.append(bar(f"{WORDS[verb]} throughput at {c}, against ceph-csi's at this machine's {speed:.2f}×",
                                at["nacre"][verb]["per_second"] / (per_second * speed), factor, False, "×"))
    if "repeat" in result:
        rows.append(bar("repeated create p50", result["repeat"]["p50_ms"], 5, True, " ms"))
    if "purger" in result:
        purger = result["purger"]
        rows.append(bar("create p50 while the trash is emptied, against idle",
                        purger["busy_p50_ms"] / purger["idle_p50_ms"], 1.30, True, "×"))
    for verb in ("create", "list"):
        if "giants" in result:
            rows.append(bar(f"{verb} p50 while giants are removed, against quiet", result["giants"][verb]["ratio"],
                            1.30, True, "×"))
    if "after_load" in result.get("memory_mib", {}):
        rows.append(bar("resident memory idle", result["memory_mib"]["idle"]["VmRSS"], 64, True, " MiB"))
        rows.append(bar("resident memory after load", result["memory_mib"]["after_load"]["VmRSS"], 64, True, " MiB"))
    # A fraction is background that the subtraction missed.
    for verb, limit in (("create", 11), ("repeat", 16), ("delete", 31), ("expand", 30)):
        if "nacre" in result.get("operations", {}):
            rows.append(bar(f"RADOS operations of a {verb}", round(result["operations"]["nacre"][verb]),
                            limit, True))
    if "many" in result:
        many = result["many"]
        rows.append(bar(f"create p50 among {many['images']} images, against an empty pool",
                        many["nacre"]["full_p50_ms"] / many["nacre"]["empty_p50_ms"], 1.10, True, "×"))
    return rows


def show(result):
    print(f"{result['volumes']} volumes × {result['rounds']} rounds, {result['cores']} cores,"
          f" load {result['load_at_start']:.1f} → {result['load_at_end']:.1f}")
    print(f"\n{'ms':34} {'p50':>8} {'p95':>8} {'p99':>8} {'per s':>8}")
    for c, at in result["by_concurrency"].items():
        for verb in ("create", "grow", "trash"):
            for kind in ("floor", "nacre", "rbd"):
                if s := at.get(kind, {}).get(verb):
                    name = f"{WORDS[verb]:7} at {c:>2}  {kind}"
                    print(f"{name:34} {s['p50_ms']:8.1f} {s['p95_ms']:8.1f} {s['p99_ms']:8.1f} {s['per_second']:8.1f}")
        if "trash_empty_s" in at:
            print(f"{'trash empty after the last delete':34} {at['trash_empty_s']:8.1f} s")
    if "repeat" in result:
        s = result["repeat"]
        print(f"{'repeated create at 1':34} {s['p50_ms']:8.1f} {s['p95_ms']:8.1f} {s['p99_ms']:8.1f}"
              f" {s['per_second']:8.1f}")
    for c, s in result.get("door", {}).items():
        print(f"{'GetPluginInfo at ' + c + ' (no Ceph)':34} {s['p50_ms']:8.2f} {s['p95_ms']:8.2f} {s['p99_ms']:8.2f}"
              f" {s['per_second']:8.0f}")
    operations = result.get("operations", {})
    if operations:
        print(f"\nRADOS operations (background {operations['background_per_s']}/s subtracted)")
    for kind in ("floor", "nacre"):
        for verb, ops in operations.get(kind, {}).items():
            print(f"  {kind:6} {verb.replace('_', ' '):24} {ops:6.2f}")
    if "purger" in result:
        p = result["purger"]
        print(f"\ncreate p50: {p['idle_p50_ms']:.1f} ms idle, {p['busy_p50_ms']:.1f} ms while the trash is emptied"
              f" ({p['images_left_in_trash_at_the_end']} images were left in it)")
    if "giants" in result:
        giants = result["giants"]
        for verb in ("create", "list"):
            g = giants[verb]
            print(f"{verb} p50: {g['quiet_p50_ms']:.1f} ms quiet, {g['busy_p50_ms']:.1f} ms while volumes of 100 TiB and"
                  f" 1 EiB are removed: {g['ratio']:.2f}× ({g['least']:.2f} to {g['most']:.2f} in"
                  f" {len(giants['rounds'])} rounds of {min(turn['busy']['calls'] for turn in giants['rounds'])} calls"
                  " or more)")
    if "lists" in result:
        lists = result["lists"]
        print(f"list of {lists['volumes']} volumes: {lists['whole_ms']:.0f} ms as one page,"
              f" {lists['pages_ms']:.0f} ms in pages of 100")
    if "many" in result:
        for kind in ("floor", "nacre"):
            m = result["many"][kind]
            print(f"create p50, {kind}: {m['empty_p50_ms']:.1f} ms in an empty pool, {m['full_p50_ms']:.1f} ms among"
                  f" {result['many']['images']} images")
    for when, m in result.get("memory_mib", {}).items():
        print(f"resident memory {when.replace('_', ' ')}: {m['VmRSS']:.1f} MiB (highest {m['VmHWM']:.1f})")
    if result["bars"]:
        print("\nbars (ceph-csi's figures are of another, quiet machine of this kind, times what the bare calls do here"
              " against there)")
        for row in result["bars"]:
            print(f"  {'PASS' if row['pass'] else 'FAIL'}  {row['what']:64} {row['value']:8.2f}{row['unit']:4}"
                  f"  {row['limit']}")
