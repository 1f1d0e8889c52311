"""Which letters a reader reads right: the table that `coverage` and `confusions` are taken from.

    python -m tests.bench.calibration_letters --out inference/legibility/letters.json

Every letter of the scripts that RapidOCR's list of characters holds, in words, in the tuning fonts. What was
read is kept (--readings); --fresh reads everything anew: say so after a change of the reader.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from inference.legibility.calibration.letters import Tally, sheet, specimens, tally
from inference.legibility.calibration.readings import Remembered
from inference.legibility.pixels import decode
from inference.legibility.readers import reader_entry


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the table, as JSON")
    parser.add_argument("--readings", type=Path, default=Path("out/calibration/letters.jsonl"))
    parser.add_argument("--reader", default="rapidocr")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--fresh", action="store_true", help="forget what was read before")
    options = parser.parse_args(argv)
    if options.fresh:
        options.readings.unlink(missing_ok=True)
    reader = Remembered(reader_entry(options.reader).open(threads=options.threads), options.readings)
    found: defaultdict[str, Tally] = defaultdict(Tally)
    chosen = list(specimens())
    with Progress(console=Console(stderr=True)) as progress:
        for specimen in progress.track(chosen, description="letters"):
            tally(specimen.lines, reader.look(decode(sheet(specimen))).lines, found)
    table = {
        "reader": reader.name,
        "measured": datetime.now(UTC).date().isoformat(),
        "fonts": sorted({specimen.sketch.faces[0] for specimen in chosen}),
        "sheets": len(chosen),
    }
    head = json.dumps(table, ensure_ascii=False).removesuffix("}")
    rows = (f"{_json(letter)}: {_json(found[letter].row())}" for letter in sorted(found))
    options.out.write_text(head + ', "letters": {\n' + ",\n".join(rows) + "\n}}\n", "utf-8")
    sys.stderr.write(f"{options.out}: {len(found)} letters, {reader.misses} sheets read\n")
    return 0


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    sys.exit(main())
