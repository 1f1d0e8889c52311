"""The lines that a Markdown file shows, run as a reader would run them."""

from __future__ import annotations

import re
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"

_HEADING = re.compile(r"#+ (?P<title>.+)")
_FENCED = re.compile(r"^```sh\n(?P<script>.*?)^```$", re.MULTILINE | re.DOTALL)


def scripts(page: Path) -> dict[str, str]:
    """From each heading to the one `sh` block below it, after all the page's `export` lines.

    Raises:
        ValueError: a heading has two blocks, so one of them would not be run.
    """
    text = page.read_text("utf-8")
    exports = "".join(line for line in text.splitlines(keepends=True) if line.startswith("export "))
    found: dict[str, str] = {}
    for block in _FENCED.finditer(text):
        title = _HEADING.findall(text, 0, block.start())[-1]
        if title in found:
            raise ValueError(f"{page.name} has two blocks under {title!r}; give each a heading")
        found[title] = f"set -o pipefail\n{exports}{block['script']}"
    return found
