"""The modules page: every target of Package.swift with its concern, what it imports, and the packages that it uses."""
import json
import re
import subprocess

from pages import ROOT

KINDS = {"system": "C module", "regular": "library", "executable": "program", "test": "tests"}


def concerns():
    """What Sources/README.md says that each room is for; a row may name several."""
    found = {}
    for line in (ROOT / "Sources/README.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 4 and cells[0].isdigit():
            for name in re.findall(r"`([^`]+)`", cells[1]):
                found[name] = cells[2]
    return found


def package():
    done = subprocess.run(["swift", "package", "--package-path", str(ROOT), "dump-package"], capture_output=True, text=True,
                          check=False, timeout=120)
    if done.returncode != 0:
        raise SystemExit(f"cannot read Package.swift: {done.stderr.strip()}")
    return json.loads(done.stdout)


def text():
    targets = {target["name"]: target for target in package()["targets"]}
    imports, products = {}, {}
    for name, target in targets.items():
        words = [next(iter(one.items())) for one in target["dependencies"]]
        imports[name] = sorted(words[0] for kind, words in words if kind in ("byName", "target"))
        products[name] = sorted(f"{words[1]}/{words[0]}" for kind, words in words if kind == "product")

    def depth(name):
        """How far above the rooms that import nothing: an arrow always goes down."""
        return 1 + max((depth(other) for other in imports[name]), default=-1)

    said = concerns()
    lines = []
    rooms = [name for name in targets if targets[name]["type"] != "test" and not is_for_tests(targets[name])]
    lines += ["| module | kind | what it is for | imports | packages |", "| --- | --- | --- | --- | --- |"]
    for name in sorted(rooms, key=lambda name: (-depth(name), name)):
        if name not in said:
            raise SystemExit(f"Sources/README.md does not say what {name} is for")
        lines.append(row(name, targets[name], said[name], imports[name], products[name]))
    for name in sorted(set(said) - set(rooms)):
        raise SystemExit(f"Sources/README.md names {name}, which is no target of Package.swift")
    lines += ["", "## Targets of the tests", "", "| target | kind | imports |", "| --- | --- | --- |"]
    for name in sorted(set(targets) - set(rooms)):
        lines.append(f"| `{name}` | {KINDS[targets[name]['type']]} | {spans(imports[name])} |")
    return "\n".join(lines) + "\n"


def is_for_tests(target):
    return (target.get("path") or "").startswith("Tests/")


def spans(names):
    return ", ".join(f"`{name}`" for name in names)


def row(name, target, concern, imports, products):
    # C code of ours is a target of its own and is reached like a library of the system.
    kind = KINDS["system"] if concern == "doors to C" else KINDS[target["type"]]
    packages = ", ".join(f"`{product.split('/')[1]}` ({product.split('/')[0]})" for product in products)
    return f"| `{name}` | {kind} | {concern} | {spans(imports)} | {packages} |"
