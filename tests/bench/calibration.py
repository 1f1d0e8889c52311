"""Calibration: can the score be trusted? Posters with known flaws, clean ones, and scripts nobody reads.

    python -m tests.bench.calibration --report docs/legibility.md

What was read is kept (--readings), so a run that breaks off goes on where it stopped, and a changed score
is measured again in minutes. --fresh reads everything anew: say so after a change of a reader. Exit code 1
when a check is not met.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

from inference.legibility.calibration.flaws import Trial, trials
from inference.legibility.calibration.judging import Verdict, judge, judged
from inference.legibility.calibration.posters import held_out_set, tuning_set
from inference.legibility.calibration.readings import Remembered
from inference.legibility.readers import reader_entry
from tests.bench import calibration_page
from tests.bench.calibration_figures import Figures, Read, figures
from tests.bench.calibration_prompts import Composed, clean_list, outside_list

OUT = Path("out/calibration")
COPIES = 2
FLAWED_TUNING, FLAWED_HELD_OUT = 9, 10

_T = TypeVar("_T")
_R = TypeVar("_R")


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    if options.from_json:
        found = json.loads(options.json.read_text("utf-8"))
    else:
        found = _measured(options)
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(found, indent=1, ensure_ascii=False), "utf-8")
    if options.report:
        calibration_page.write(options.report, found)
        sys.stderr.write(f"{options.report} written\n")
    checks = calibration_page.checks(found)
    for check in checks:
        sys.stdout.write(f"{'met    ' if check.met else 'NOT MET'} {check.target}: {check.measured}\n")
    return 0 if all(check.met for check in checks) else 1


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--report", type=Path, help="write the page here and its pictures beside it")
    parser.add_argument("--json", type=Path, default=OUT / "calibration.json")
    parser.add_argument("--readings", type=Path, default=OUT / "readings.jsonl")
    parser.add_argument("--reader", default="rapidocr")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--fresh", action="store_true", help="forget what was read before")
    parser.add_argument("--from-json", action="store_true", help="only make the page from --json again")
    return parser.parse_args(argv)


def _measured(options: argparse.Namespace) -> Figures:
    if options.fresh:
        options.readings.unlink(missing_ok=True)
    began, cpu = time.perf_counter(), time.process_time()
    reader = Remembered(reader_entry(options.reader).open(threads=options.threads), options.readings)
    alphabet = reader.characters()

    def verdict(trial: Trial) -> Verdict:
        return judged(trial, reader)

    def reading(composed: Composed) -> Read:
        return Read(composed, judge(composed.poster().png, composed.spec.texts, reader))

    with Progress(console=Console(stderr=True)) as progress:
        tuning = _each(progress, "tuning", verdict, trials(tuning_set(), clean=COPIES, flawed=FLAWED_TUNING))
        clean = _each(progress, "composed", reading, clean_list(alphabet))
        outside = _each(progress, "outside coverage", reading, outside_list(alphabet))
        held_out = _each(
            progress, "held out", verdict, trials(held_out_set(), clean=COPIES, flawed=FLAWED_HELD_OUT)
        )
    return {
        **figures(tuning, held_out, clean, outside),
        "reader": reader.name,
        "looks": reader.misses,
        "seconds": round(time.perf_counter() - began),
        "cpu_seconds": round(time.process_time() - cpu),
    }


def _each(progress: Progress, name: str, make: Callable[[_T], _R], items: Sequence[_T]) -> list[_R]:
    return [make(item) for item in progress.track(items, description=name)]


if __name__ == "__main__":
    sys.exit(main())
