"""The manual's pages and the repository that they tell of."""
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CATALOG = ROOT / "Sources/Manual/Manual.docc"


def all_pages():
    return [Page(path.name) for path in sorted(CATALOG.glob("*.md"))]


class Page:
    """One article, by its name; or another page of the repository, by its path."""

    def __init__(self, name):
        self.path = CATALOG / name
        self.short = str(self.path.relative_to(ROOT))
        self.text = self.path.read_text(encoding="utf-8")

    def part(self, name):
        """What stands between the two comments that mark a generated part."""
        match = self._match(name)
        return match.group(2) if match else None

    def replace(self, name, text):
        match = self._match(name)
        if not match:
            raise SystemExit(f"{self.short} has no part '{name}'")
        self.text = self.text[:match.start(2)] + text + self.text[match.end(2):]
        self.path.write_text(self.text, encoding="utf-8")

    def _match(self, name):
        return re.search(rf"(<!-- generated: {name} -->\n\n)(.*?)(\n<!-- end -->)", self.text, re.S)

    def spans(self):
        """All code spans outside of code blocks."""
        bare = re.sub(r"^ *```.*?^ *```", "", self.text, flags=re.S | re.M)
        return re.findall(r"`([^`\n]+)`", bare)

    def rows(self):
        """The cells of all table rows."""
        for line in self.text.splitlines():
            if line.startswith("| "):
                yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
