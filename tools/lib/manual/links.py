"""Links between pages of the repository, and paths that they name."""
import re

from pages import ROOT

TOPS = ("deploy/", "tools/", "Sources/", "Tests/", "findings/")


def faults():
    return [fault for page, text in texts() for fault in links(page, text) + paths(page, text)]


def texts():
    """All Markdown pages, with their text outside code blocks."""
    for page in sorted(ROOT.glob("**/*.md")):
        if not page.relative_to(ROOT).parts[0].startswith("."):
            yield page, re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)


def links(page, text):
    """Links to files beside the page."""
    found = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target) or target.startswith("#"):
            continue
        if not (page.parent / target.split("#")[0]).exists():
            found.append(f"{page.relative_to(ROOT)}: the link to {target} leads nowhere")
    return found


def paths(page, text):
    """Paths of the repository in code spans; a path may have a `*`."""
    words = [span.split()[0] for span in re.findall(r"`([^`\n]+)`", text) if span.strip()]
    return [
        f"{page.relative_to(ROOT)}: there is no {word}"
        for word in words
        if word.startswith(TOPS) and not any(ROOT.glob(word.rstrip("/")))
    ]
