"""Writes into tested.tsv what a run of tools/test did; README's table is made of it (tools/manual generate).

usage: record.py COMMIT < rows of: CEPH KEYS LIBRBD KUBERNETES KIND PART PASSED FAILED SKIPPED, with tabs between
A row takes the place of the one that has the same first six fields; what was done by hand stays.
"""
import datetime
import sys
from pathlib import Path

TABLE = Path(__file__).with_name("tested.tsv")
HEAD = ["ceph", "keys", "librbd", "kubernetes", "kind", "part", "date", "passed", "failed", "skipped", "commit", "note"]
KEY = 6


def main():
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    rows = [line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines()[1:]]
    by_key = {tuple(row[:KEY]): row for row in rows}
    for line in sys.stdin.read().splitlines():
        cells = line.split("\t")
        if len(cells) != KEY + 3:
            sys.exit(f"cannot record '{line}': it has {len(cells)} fields, not {KEY + 3}")
        by_key[tuple(cells[:KEY])] = [*cells[:KEY], today, *cells[KEY:], sys.argv[1], ""]
    text = "".join("\t".join(row) + "\n" for row in [HEAD, *sorted(by_key.values())])
    # Whole, or as it was.
    new = TABLE.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(TABLE)


main()
