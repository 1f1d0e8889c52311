"""Which pictures are made and read: fixed held-out posters, each with its own seed, in several settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from inference.sd3.base import Drawing
from inference.sd3.tiny.drawing import SIDE
from inference.sd3.tiny.words import FIXED_PITCH, PROPORTIONAL, Poster, draw_held_out

POSTERS_SEED = 500_001
FIRST_SEED = 1_000
STEPS = (4, 8, 16, 28)
GUIDANCES = (1.0, 3.0, 5.0)
# A title alone, set on a fixed pitch or by its own widths, and posters with a second line in any typeface.
Which = Literal["title", "proportional", "second"]
PITCHES: tuple[Which, ...] = ("title", "proportional")
Variant = Literal["base", "distilled", "clean"]


@dataclass(frozen=True, slots=True)
class Setting:
    """How posters are drawn; `clean` ones are rendered from outlines, without a model."""

    variant: Variant
    steps: int = 0
    guidance: float = 0.0

    @property
    def name(self) -> str:
        return "clean" if self.variant == "clean" else f"{self.variant}-{self.steps}-{self.guidance:g}"

    @property
    def rows(self) -> int:
        """Passes of one picture through the transformer."""
        return self.steps * (2 if self.guidance > 1 else 1)


CLEAN = Setting("clean")
ASKED = Setting("base", 28, 3.0)
PREVIEW = Setting("base", 8, 3.0)
DISTILLED = Setting("distilled", 4, 1.0)
GRID = tuple(Setting("base", steps, guidance) for guidance in GUIDANCES for steps in STEPS)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many posters of each set; `grid` of either pitch are drawn at all steps and guidances."""

    titles: int = 200
    proportional: int = 100
    seconds: int = 60
    grid: int = 32


@dataclass(frozen=True, slots=True)
class Picture:
    """One poster in one setting; `index` is its place in its set."""

    which: Which
    index: int
    setting: Setting

    @property
    def poster(self) -> Poster:
        return poster(self.which, self.index)

    @property
    def name(self) -> str:
        return f"{self.setting.name}/{self.which}-{self.index:03}"

    @property
    def drawing(self) -> Drawing:
        """What the engine is asked; the seed is the poster's, so settings differ in nothing else."""
        return Drawing(
            prompt=self.poster.prompt,
            width=SIDE,
            height=SIDE,
            steps=self.setting.steps,
            guidance=self.setting.guidance,
            seed=FIRST_SEED + self.index,
        )


def poster(which: Which, index: int) -> Poster:
    """The same for ever, however many are measured."""
    return _posters(which)[index]


def wanted(counts: Counts, *, distilled: bool) -> list[Picture]:
    """All pictures of a measurement, cheap settings first, so that a fault shows early."""
    settings = [CLEAN, *([DISTILLED] if distilled else []), ASKED]
    found = [
        *_set("title", counts.titles, settings),
        *_set("proportional", counts.proportional, settings),
        *_set("second", counts.seconds, settings),
    ]
    found += _set("title", min(counts.grid, counts.titles), GRID)
    found += _set("proportional", min(counts.grid, counts.proportional), GRID)
    return sorted(dict.fromkeys(found), key=lambda each: each.setting.rows)


def _set(which: Which, count: int, settings: Sequence[Setting]) -> Iterator[Picture]:
    return (Picture(which, index, setting) for setting in settings for index in range(count))


@lru_cache(maxsize=3)
def _posters(which: Which) -> tuple[Poster, ...]:
    rng = np.random.default_rng((POSTERS_SEED, which == "second"))
    drawn = draw_held_out(rng, 1_400, second_share=float(which == "second"))
    if which == "second":
        return tuple(drawn)
    faces = FIXED_PITCH if which == "title" else PROPORTIONAL
    return tuple(poster for poster in drawn if poster.face in faces)
