"""The manual beside the code: main.py check|generate.

`check` prints one line for each disagreement and ends with 1 if there is any. `generate` writes the generated parts.
"""
import sys

import links
import marks
import modules
import names
import tested
from pages import Page, ROOT

# A page, the name of its generated part, and what writes it.
GENERATED = [("Modules.md", "modules", modules.text), ("DiskMarks.md", "marks", marks.text),
             (ROOT / "README.md", "tested", tested.text)]


def main():
    is_check = sys.argv[1:] == ["check"]
    faults = []
    for name, part, text in GENERATED:
        page = Page(name)
        if page.part(part) != text():
            if is_check:
                faults.append(f"{page.short}: the part '{part}' is not what the code says; run: tools/manual generate")
            else:
                page.replace(part, text())
                print(f"wrote {page.short}")
    if is_check:
        faults += tested.faults() + names.faults() + links.faults()
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
