"""How often the gate on legibility trips for nothing, and how often it misses a fall, by number of pictures.

    python -m tests.bench.legibility_alarms baseline.json --engine sd3.5_local

Runs are made of a recorded one: for each prompt so many of its pictures, with replacement, as if the engine
had drawn them by other dice. A baseline and a run of the same pictures' scores differ by luck alone; of a
run that fell, each score is lower by the fall, and none below 0.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from inference.bench.baseline import Report, decode
from inference.bench.expression import Condition, parse
from inference.bench.gate import check
from inference.bench.metrics import counted
from inference.bench.samples import Sample

PLAIN: Final = "legibility < baseline - 0.02"
SIGNIFICANT: Final = "legibility significantly < baseline - 0.02"
FALLS: Final = (0.0, 0.05, 0.1)
EACH: Final = (2, 5, 10, 20, 50, 100)


@dataclasses.dataclass(frozen=True, slots=True)
class Tripped:
    """Of runs of so many pictures that fell by `fall`, the shares that trip each form of the gate."""

    pictures: int
    fall: float
    plain: float
    significant: float


def scatter(recorded: Report, engine: str) -> float:
    """The standard deviation of a picture's score about the mean of its prompt."""
    groups = _scored(recorded, engine)
    spread = sum((len(group) - 1) * statistics.variance(_scores(group)) for group in groups if len(group) > 1)
    return float(np.sqrt(spread / sum(len(group) - 1 for group in groups)))


def tripped(
    recorded: Report,
    engine: str,
    each: int,
    *,
    fall: float,
    runs: int,
    random: np.random.Generator,
    rounds: int = 1_000,
) -> Tripped:
    """Compares `runs` pairs of a baseline and a run with `each` pictures of every prompt."""
    groups = _scored(recorded, engine)
    conditions: Sequence[Condition] = (parse(PLAIN), parse(SIGNIFICANT))
    found = np.zeros(2)
    for _ in range(runs):
        before, after = (_drawn(groups, each, lower, random) for lower in (0.0, fall))
        checks = check(
            _with(recorded, engine, after),
            _with(recorded, engine, before),
            conditions,
            random,
            rounds=rounds,
        )
        found += [each.tripped for each in checks]
    plain, significant = found / runs
    return Tripped(each * len(groups), fall, float(plain), float(significant))


def table(rows: Sequence[Sequence[Tripped]]) -> str:
    """Markdown; a row for each number of pictures, which holds one `Tripped` for each of `FALLS`."""
    falls = [f"fell by {fall:g}" if fall else "unchanged" for fall in FALLS]
    heads = [*(f"{fall}, `<`" for fall in falls), *(f"{fall}, `significantly <`" for fall in falls)]
    lines = [f"| pictures | {' | '.join(heads)} |", "|" + "---|" * (1 + len(heads))]
    for row in rows:
        shares = [f"{each.plain:.1%}" for each in row] + [f"{each.significant:.1%}" for each in row]
        lines.append(f"| {row[0].pictures:,} | {' | '.join(shares)} |")
    return "\n".join(lines)


def _scored(recorded: Report, engine: str) -> list[list[Sample]]:
    found = recorded.engine(engine)
    if found is None:
        known = ", ".join(each.engine for each in recorded.engines)
        raise ValueError(f"--engine: the report has no {engine!r}; it has {known}")
    groups: dict[str, list[Sample]] = {}
    for sample in counted(found.samples):
        if sample.score is not None:
            groups.setdefault(sample.digest, []).append(sample)
    if not any(len(group) > 1 for group in groups.values()):
        raise ValueError(
            f"--engine: {engine!r} has no prompt with two scored pictures; record more --samples"
        )
    return list(groups.values())


def _scores(samples: Sequence[Sample]) -> list[float]:
    return [sample.score or 0.0 for sample in samples]


def _drawn(
    groups: Sequence[Sequence[Sample]], each: int, lower: float, random: np.random.Generator
) -> tuple[Sample, ...]:
    return tuple(
        dataclasses.replace(
            group[place], seed=number, sample=number, score=max(0.0, (group[place].score or 0.0) - lower)
        )
        for group in groups
        for number, place in enumerate(random.integers(len(group), size=each))
    )


def _with(recorded: Report, engine: str, samples: tuple[Sample, ...]) -> Report:
    engines = tuple(
        msgspec.structs.replace(found, samples=samples)
        for found in recorded.engines
        if found.engine == engine
    )
    return msgspec.structs.replace(recorded, engines=engines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.legibility_alarms", description=__doc__)
    parser.add_argument("report", type=Path, help="what `glyphstream bench --json` wrote")
    parser.add_argument("--engine", required=True, help="whose pictures")
    parser.add_argument("--runs", type=int, default=500, help="of each kind (default %(default)s)")
    asked = parser.parse_args(arguments)
    recorded = decode(asked.report.read_bytes(), str(asked.report))
    random = np.random.default_rng(0)
    rows = []
    for each in EACH:
        rows.append(
            [
                tripped(recorded, asked.engine, each, fall=fall, runs=asked.runs, random=random)
                for fall in FALLS
            ]
        )
        sys.stderr.write(f"{rows[-1][0].pictures} pictures a run: done\n")
    sys.stdout.write(
        f"A score scatters by {scatter(recorded, asked.engine):.3f} about its prompt's mean.\n\n"
    )
    sys.stdout.write(table(rows) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
