"""Chooses the posters by which a test can tell the trained tiny SD3.5 from one with a part taken out.

    python -m tests.bench.tiny_ablations --base FOLDER --write tests/inference/sd3/words_are_read.json

At many steps a good model spells without guidance and without the scheduler's shift nearly as well as with
them. So held-out posters are drawn at few steps, whole and without either, and of those that the whole model
spells the ones are kept that the others spell least. What each ablation does to all posters is told beside
it. Everything is in float32 with fixed seeds; the choice is measured again in bfloat16, whose errors are far
greater than another processor's, to see that it does not hang by a thread.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inference.sd3.checkpoint import Source, find
from inference.sd3.device import Choice
from inference.sd3.loading import Loaded, load
from inference.sd3.tiny import reading
from tests.bench.tiny.environment import ensure
from tests.bench.tiny.pictures import ASKED, Picture, Setting, Which, poster
from tests.support.ablations import ABLATIONS, Ablation, drawn

STEPS = (2, 3, 4, 6)
GUIDANCE = 3.0
# Titles on a fixed pitch are spelled at any steps, and nearly as well without guidance and shift.
PITCH: Which = "proportional"
LEAST_MARGIN = 0.5
SEARCHED: tuple[Ablation, ...] = ("none", "guidance", "shift")
# Seconds a pass of one picture and a reading take on one core of 2026.
PASS_S, READING_S = 0.035, 0.25


@dataclass(frozen=True, slots=True)
class Seen:
    """One poster as read: without a fault, and the share of its letters that are right."""

    exact: bool
    letters: float


Table = Mapping[Ablation, Sequence[Seen]]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Posters by their place at one number of steps; of these an ablated model has at most `worst` read."""

    steps: int
    places: tuple[int, ...]
    worst: float


def say(text: str) -> None:
    sys.stderr.write(f"ablations: {time.strftime('%H:%M:%S')} {text}\n")


def look(loaded: Loaded, pictures: Sequence[Picture], ablation: Ablation) -> list[Seen]:
    """Draws each without that part, and reads it."""
    found = []
    pixels = drawn(loaded, (picture.drawing for picture in pictures), ablation)
    for picture, each in zip(pictures, pixels, strict=True):
        texts = reading.read(each[None])[0]
        exact = reading.is_exact(picture.poster, texts)
        found.append(Seen(exact, reading.letters_right(picture.poster, texts)))
    return found


def choose(tables: Mapping[int, Table], count: int) -> Chosen | None:
    """The `count` posters and the steps at which ablated models read least; the fewest steps of equals.

    Posters are taken one by one, each that keeps the better of the ablated models lowest. None where no
    number of steps has so many that the whole model spells.
    """
    options = [_greedy(steps, table, count) for steps, table in sorted(tables.items())]
    return min((each for each in options if each is not None), key=lambda each: each.worst, default=None)


def _greedy(steps: int, table: Table, count: int) -> Chosen | None:
    left = [place for place, seen in enumerate(table["none"]) if seen.exact]
    if len(left) < count:
        return None
    ablated = [seen for name, seen in table.items() if name != "none"]
    chosen: list[int] = []
    for _ in range(count):
        best = min(left, key=lambda place: _most_read(ablated, [*chosen, place]))
        chosen.append(best)
        left.remove(best)
    return Chosen(steps, tuple(chosen), _most_read(ablated, chosen)[0])


def _most_read(ablated: Sequence[Sequence[Seen]], places: Sequence[int]) -> tuple[float, float]:
    """The share of these posters, then of their letters, that the best of the ablated models gets right."""
    return (
        max(float(np.mean([seen[place].exact for place in places])) for seen in ablated),
        max(float(np.mean([seen[place].letters for place in places])) for seen in ablated),
    )


def search(loaded: Loaded, places: Sequence[int]) -> dict[int, Table]:
    """What whole and ablated models draw at each number of steps."""
    passes = len(places) * sum(STEPS) * (2 + 1 + 2)
    seconds = passes * PASS_S + len(places) * len(STEPS) * len(SEARCHED) * READING_S
    say(
        f"{len(places)} posters, {len(STEPS)} numbers of steps, {len(SEARCHED)} models: "
        f"{seconds / 60:.0f} min"
    )
    tables: dict[int, Table] = {}
    for steps in STEPS:
        pictures = _pictures(places, steps)
        tables[steps] = {name: look(loaded, pictures, name) for name in SEARCHED}
        say(f"{steps} steps: " + _shares(tables[steps]))
    return tables


def _pool(posters: int) -> list[int]:
    """Places of posters whose first two letters differ: the others cannot tell whether they were swapped."""
    return [place for place in range(posters) if len(set(poster(PITCH, place).title[:2])) == 2]


def _pictures(places: Sequence[int], steps: int) -> list[Picture]:
    return [Picture(PITCH, place, Setting("base", steps, GUIDANCE)) for place in places]


def _shares(table: Table) -> str:
    return ", ".join(f"{name} {share:.0%}" for name, share in _exact(table).items())


def _exact(table: Table) -> dict[Ablation, float]:
    return {name: float(np.mean([each.exact for each in seen])) for name, seen in table.items()}


def _loaded(base: str, dtype: Any) -> Loaded:
    return load(find(Source.parse(base)), Choice("cpu", dtype, "chosen for this measurement"))


def case(
    pictures: Sequence[Picture], least: float, everyone: Table, again: Mapping[str, Table]
) -> dict[str, Any]:
    """What the test reads: posters with their seeds, the least share to be read, and what was measured."""
    return {
        "steps": pictures[0].setting.steps,
        "guidance": GUIDANCE,
        "least": least,
        "posters": [{"seed": each.drawing.seed, **asdict(each.poster)} for each in pictures],
        "read_of_these": {dtype: _exact(table) for dtype, table in again.items()},
        "read_of_all": {"posters": len(everyone["none"]), **_exact(everyone)},
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--base", required=True, metavar="FOLDER", help="the trained checkpoint")
    parser.add_argument("--posters", type=int, default=60, help="to choose from")
    parser.add_argument("--count", type=int, default=6, help="to choose")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", type=Path, help="the test's file")
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    loaded = _loaded(options.base, "float32")
    pool = _pool(options.posters)
    tables = search(loaded, pool)
    chosen = choose(tables, options.count)
    if chosen is None:
        say(f"at no number of steps are {options.count} of {len(pool)} posters read: train on")
        return 1
    pictures = _readable_first(loaded, _pictures([pool[place] for place in chosen.places], chosen.steps))
    models = {"float32": loaded, "bfloat16": _loaded(options.base, "bfloat16")}
    again: dict[str, Table] = {}
    for dtype, model in models.items():
        again[dtype] = {name: look(model, pictures, name) for name in ABLATIONS}
        say(f"the {options.count} chosen, {chosen.steps} steps, {dtype}: {_shares(again[dtype])}")
    return _conclude(pictures, tables[chosen.steps], again, options.write)


def _readable_first(loaded: Loaded, pictures: Sequence[Picture]) -> list[Picture]:
    """First those that are also read at the product's steps and guidance: so the test draws the first."""
    full = [dataclasses.replace(picture, setting=ASKED) for picture in pictures]
    misread = [not seen.exact for seen in look(loaded, full, "none")]
    say(f"of these at {ASKED.steps} steps: {misread.count(False)} of {len(misread)} read")
    return [picture for _, picture in sorted(zip(misread, pictures, strict=True), key=lambda each: each[0])]


def _conclude(
    pictures: Sequence[Picture], everyone: Table, again: Mapping[str, Table], write: Path | None
) -> int:
    """Asks for halfway between the whole model and the best of the others; refuses too small a margin."""
    best = max(share for table in again.values() for name, share in _exact(table).items() if name != "none")
    whole = min(_exact(table)["none"] for table in again.values())
    least = (best + whole) / 2
    say(
        f"least share to ask: {least:.2f}, between {best:.2f} (the best without a part) "
        f"and {whole:.2f} (whole)"
    )
    if whole - best < LEAST_MARGIN:
        say(
            f"these are less than {LEAST_MARGIN:g} apart: search among more --posters, "
            "or choose a smaller --count"
        )
        return 1
    if write:
        write.write_text(json.dumps(case(pictures, least, everyone, again), indent=1) + "\n", "utf-8")
        say(f"{write} written")
    return 0


if __name__ == "__main__":
    ensure("tests.bench.tiny_ablations")
    sys.exit(main())
