"""README's table of what was tested with what, of the rows that `tools/test --record` writes and those by hand."""
import datetime

from pages import ROOT

TABLE = ROOT / "tools/lib/test/tested.tsv"
# As they are run; other kinds come behind.
ORDER = ["cluster", "releases", "node", "kernel", "robustness", "kubernetes", "image", "packages", "by hand"]


def rows():
    head, *lines = TABLE.read_text(encoding="utf-8").splitlines()
    names = head.split("\t")
    return [dict(zip(names, line.split("\t"), strict=True)) for line in lines]


def day(text):
    date = datetime.date.fromisoformat(text)
    return f"{date.day} {date:%B %Y}"


def place(row):
    return ORDER.index(row["kind"]) if row["kind"] in ORDER else len(ORDER), row["part"], row["date"]


def said(row):
    """What one row says of its run, without its day; a run that was counted says at which commit."""
    part = f", part {row['part'].replace('/', ' of ')}" if row["part"] else ""
    if not row["passed"]:
        return f"{row['kind']}{part}: {row['note']}"
    passed, failed, skipped = (int(row[name]) for name in ("passed", "failed", "skipped"))
    known = row["commit"].removesuffix("+")
    commit = f" at {known}" if known not in ("", "unknown") else " at a commit that is not known"
    commit += " and changes" if row["commit"].endswith("+") else ""
    counts = f"{passed} of {passed + failed}" + (f", {skipped} skipped" if skipped else "")
    return f"{row['kind']}{part}: {counts}{commit}" + (f" ({row['note']})" if row["note"] else "")


def versions(text):
    """For a sort: numbers by their size."""
    return [int(part) if part.isdigit() else -1 for part in text.split(".")]


def text():
    groups = {}
    for row in rows():
        groups.setdefault((row["ceph"], row["keys"], row["librbd"], row["kubernetes"]), []).append(row)
    lines = ["| Ceph's servers, keys | Nacre's librbd | Kubernetes | tests that passed |", "| --- | --- | --- | --- |"]
    for key in sorted(groups, key=lambda key: (versions(key[0]), key[1], versions(key[2]), versions(key[3]))):
        by_day = {}
        for row in sorted(groups[key], key=place):
            by_day.setdefault(row["date"], []).append(said(row))
        cell = ". ".join("; ".join(parts) + f" ({day(date)})" for date, parts in by_day.items())
        ceph, keys, librbd, kubernetes = key
        lines.append(f"| {ceph}, `{keys}` | {librbd} | {kubernetes or '—'} | {cell} |")
    return "\n".join(lines) + "\n"


def faults():
    """Rows that no table can be made of, and counts that no run can have had."""
    found = []
    for number, row in enumerate(rows(), 2):
        if not row["passed"] and not row["note"]:
            found.append(f"{TABLE.relative_to(ROOT)}:{number}: neither counts nor words")
        if row["kind"] == "by hand" and row["passed"]:
            found.append(f"{TABLE.relative_to(ROOT)}:{number}: counts are a run's that was recorded, not one's by hand")
        if row["kind"] == "all":
            found.append(f"{TABLE.relative_to(ROOT)}:{number}: each kind has its row; 'by hand' is what nothing records")
    return found
