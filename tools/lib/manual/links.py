"""Links between pages of the repository, and paths that the manual names."""
import re

from pages import ROOT, all_pages

TOPS = ("deploy/", "tools/", "Sources/", "Tests/", "findings/")


def faults():
    return relative() + paths()


def relative():
    """Links of all Markdown pages to files beside them."""
    found = []
    for page in sorted(ROOT.glob("**/*.md")):
        short = page.relative_to(ROOT)
        if short.parts[0].startswith("."):
            continue
        text = re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", target) or target.startswith("#"):
                continue
            if not (page.parent / target.split("#")[0]).exists():
                found.append(f"{short}: the link to {target} leads nowhere")
    return found


def paths():
    """Paths of the repository in code spans of the manual."""
    found = []
    for page in all_pages():
        for span in page.spans():
            word = span.split()[0]
            if word.startswith(TOPS) and not (ROOT / word).exists():
                found.append(f"{page.short}: there is no {word}")
    return found
