"""Names and messages of the manual that the code must have: alerts, image metadata, messages, formats of libblkid."""
import re
import subprocess

import marks
from pages import Page, ROOT, all_pages

# A line of a runbook that quotes a program: its code span stands in the code, with … for what is filled in.
QUOTE = re.compile(r"^- (?:Message|Event|Log|Answer): `([^`]+)`", re.M)


def faults():
    return alerts() + metadata() + parameters() + messages() + blkid() + readme()


def alerts():
    text = (ROOT / "deploy/monitoring/rules.yaml").read_text(encoding="utf-8")
    rules = {}
    for rule in re.split(r"^    - alert: ", text, flags=re.M)[1:]:
        rules[rule.split("\n", 1)[0].strip()] = re.search(r"severity: (\w+)", rule).group(1)
    page = Page("Metrics.md")
    told = {}
    for cells in page.rows():
        name = cells[0].strip("`")
        if re.fullmatch(r"Nacre[A-Z]\w+", name):
            told[name] = cells[1]
    found = [f"{page.short}: alert {name} is missing" for name in sorted(set(rules) - set(told))]
    found += [f"{page.short}: there is no alert {name}" for name in sorted(set(told) - set(rules))]
    found += [f"{page.short}: alert {name} is of severity {rules[name]}" for name in sorted(set(rules) & set(told))
              if rules[name] != told[name]]
    for other in all_pages():
        for span in other.spans():
            if re.fullmatch(r"Nacre[A-Z][a-z]\w+(?<!Tests)", span) and span not in rules:
                found.append(f"{other.short}: there is no alert {span}")
    return found


def metadata():
    """The keys that Nacre writes on images: those of ImageMetadataKey."""
    files = sorted((ROOT / "Sources/Volumes/Values").glob("ImageMetadataKey*.swift"))
    source = "".join(path.read_text(encoding="utf-8") for path in files)
    known = set(re.findall(r'= "(nacre\.io/[a-z-]+)"', source))
    page = Page("Concepts.md")
    told = {cells[0].strip("`") for cells in page.rows() if cells[0].startswith("`nacre.io/")}
    return [f"{page.short}: the metadata {key} is missing" for key in sorted(known - told)] + \
        [f"{page.short}: no image has the metadata {key}" for key in sorted(told - known)]


def parameters():
    """The parameters of a class: those of ParameterKey, and the one that the controller keeps for itself."""
    source = (ROOT / "Sources/Volumes/Parameters/ParameterKey.swift").read_text(encoding="utf-8")
    known = {value or name for name, value in re.findall(r'^    case (\w+)(?: = "(\w+)")?$', source.split("\n}\n")[0], re.M)}
    own = (ROOT / "Sources/Provisioner/Class/ClassParameters.swift").read_text(encoding="utf-8")
    known.add(re.search(r'deliveryKey = "(\w+)"', own).group(1))
    page = Page("Classes.md")
    told = {name for cells in page.rows() for name in re.findall(r"`(\w+)`", cells[0])}
    return [f"{page.short}: the parameter {name} is missing" for name in sorted(known - told)] + \
        [f"{page.short}: no class has the parameter {name}" for name in sorted(told - known)]


def literals():
    """All string literals of the programs, joined where the code joins them, with … for what is filled in."""
    corpus = []
    for path in sorted((ROOT / "Sources").glob("**/*.swift")):
        text = re.sub(r'"\s*\n\s*\+ "', "", path.read_text(encoding="utf-8"))
        text = re.sub(r"\\\n\s*", "", text)
        corpus.append(without_interpolations(text).replace('\\"', '"'))
    return "\n".join(corpus)


def without_interpolations(text):
    parts, at = [], 0
    while (begin := text.find("\\(", at)) >= 0:
        depth, end = 1, begin + 2
        while depth and end < len(text):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        parts += [text[at:begin], "…"]
        at = end
    return "".join(parts + [text[at:]])


def messages():
    corpus, found = literals(), []
    for page in all_pages():
        for quote in QUOTE.findall(page.text):
            for fragment in quote.split("…"):
                if len(fragment.strip()) >= 4 and fragment.strip() not in corpus:
                    found.append(f"{page.short}: no program says '{fragment.strip()}'")
    return found


def blkid():
    """The recorded list of libblkid's formats, where the same version is installed."""
    try:
        version = subprocess.run(["blkid", "-V"], capture_output=True, text=True, check=False, timeout=20).stdout
        formats = subprocess.run(["blkid", "-k"], capture_output=True, text=True, check=False, timeout=20).stdout
    except OSError:
        return []
    if "2.38.1" not in version or set(formats.split()) == marks.SUPERBLOCKS:
        return []
    return ["tools/lib/manual/marks.py: SUPERBLOCKS is not what blkid -k of util-linux 2.38.1 prints"]


def readme():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").count("\n")
    return [f"README.md has {lines} lines, more than 150"] if lines > 150 else []
