"""How legible the tiny SD3.5 is, and how quick: held-out posters drawn by the product's own path, and read.

    python -m tests.bench.tiny --base FOLDER --distilled LORA --report docs/tiny.md

What was read stays in the output folder: run again, it goes on where it stopped, and draws anew only what
other weights drew. Speed is timed first, which also tells how long the rest will take; `speed` times it
again, `report` only writes the page again. A target that is missed is reported and is no error.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.tiny import curve, report, sheets, targets
from tests.bench.tiny.environment import ensure
from tests.bench.tiny.figures import Readings
from tests.bench.tiny.journal import Journal
from tests.bench.tiny.pictures import Counts, wanted
from tests.bench.tiny.session import Session

OUT = Path("out/bench/tiny")
PARTS = ("all", "speed", "pictures", "report")


def say(text: str) -> None:
    sys.stderr.write(f"tiny: {time.strftime('%H:%M:%S')} {text}\n")


def main(argv: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if argv is None else argv)
    options = _options(given)
    session = Session(options.out, say)
    if options.part != "report":
        command = " ".join(["python -m tests.bench.tiny", *given])
        artists = session.load(options.base, options.distilled, options.threads, command)
        if options.part in ("all", "speed"):
            session.time(artists, again=options.part == "speed")
        if options.part in ("all", "pictures"):
            session.draw(artists, _counts(options))
    told, speeds = session.told(), session.speeds()
    pictures = wanted(_counts(options), distilled="distilled" in told.models)
    journal = Journal.open(options.out, told.models, pictures)
    readings = Readings.of(journal.found.values())
    if options.report:
        _write(options.report, options.curve, journal)
        report.write(options.report, told, readings, speeds)
        say(f"{options.report} written")
    for verdict in targets.verdicts(readings, speeds):
        met = "met    " if verdict.met else "NOT MET"
        say(f"{met} {verdict.target}: {verdict.measured}, asked {verdict.asked}")
    return 0


def _options(argv: Sequence[str]) -> argparse.Namespace:
    usual = Counts()
    parser = argparse.ArgumentParser(
        prog="tests.bench.tiny", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("part", nargs="?", default="all", choices=PARTS)
    parser.add_argument("--base", metavar="FOLDER", help="the trained checkpoint")
    parser.add_argument("--distilled", metavar="LORA", help="the distilled variant's folder or file")
    parser.add_argument(
        "--report", type=Path, help="write the page's section here and its pictures beside it"
    )
    parser.add_argument("--curve", type=Path, default=Path("out/tiny/curve.jsonl"), help="training's probes")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--posters", type=int, default=usual.titles, help="with a title on a fixed pitch")
    parser.add_argument(
        "--proportional", type=int, default=usual.proportional, help="with one by its own widths"
    )
    parser.add_argument("--seconds", type=int, default=usual.seconds, help="posters with a second line")
    parser.add_argument("--grid", type=int, default=usual.grid, help="posters at all steps and guidances")
    options = parser.parse_args(argv)
    if options.part != "report" and not options.base:
        parser.error("--base: the checkpoint's folder is needed for all but `report`")
    return options


def _counts(options: argparse.Namespace) -> Counts:
    return Counts(options.posters, options.proportional, options.seconds, options.grid)


def _write(page: Path, probes: Path, journal: Journal) -> None:
    """The page's pictures, of which those that cannot be made are left as they are."""
    made = {"posters.jpg": sheets.posters(journal), "steps.jpg": sheets.steps(journal)}
    if probes.exists() and (rows := curve.probes(probes)):
        made["curve.png"] = curve.picture(rows)
    page.parent.mkdir(parents=True, exist_ok=True)
    for name, data in made.items():
        if data:
            report.image(page, name).write_bytes(data)


if __name__ == "__main__":
    ensure("tests.bench.tiny")
    sys.exit(main())
