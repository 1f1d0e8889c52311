"""What the readings say: shares of posters by kind, and whether more steps or guidance make them better."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from inference.bench.statistics import Interval
from inference.sd3.tiny.words import FACES, FIXED_PITCH, Poster
from tests.bench.tiny import shares
from tests.bench.tiny.journal import Read
from tests.bench.tiny.pictures import CLEAN, GRID, GUIDANCES, PITCHES, STEPS, Setting, Which

Kind = tuple[str, Which, Callable[[Poster], bool]]


@dataclass(frozen=True, slots=True)
class Row:
    """Posters of one kind: how many were read exactly, of the model's and of the clean renderings."""

    title: str
    count: int
    exact: Interval
    clean: Interval
    ratio: Interval | None
    letters: float


@dataclass(frozen=True, slots=True)
class Move:
    """From one setting to another on the same posters: the change in the mean share of letters right."""

    title: str
    change: Interval

    @property
    def direction(self) -> str:
        return shares.direction(self.change)


@dataclass(frozen=True, slots=True)
class Readings:
    """All that was read, in the order of the posters."""

    reads: Sequence[Read]

    @classmethod
    def of(cls, found: Iterable[Read]) -> Readings:
        return cls(sorted(found, key=lambda read: (read.picture.which, read.picture.index)))

    def get(self, which: Which, setting: Setting) -> dict[int, Read]:
        return {
            read.picture.index: read
            for read in self.reads
            if read.picture.which == which and read.picture.setting == setting
        }

    def grid(self, setting: Setting) -> list[Read]:
        """On the posters, of either pitch, that every setting of the grid has."""
        return [
            self.get(which, setting)[index]
            for which in PITCHES
            for index in sorted(set.intersection(*(set(self.get(which, each)) for each in (*GRID, setting))))
        ]

    def row(
        self,
        title: str,
        setting: Setting,
        which: Which = "title",
        *,
        keep: Callable[[Poster], bool] = lambda _: True,
        good: Callable[[Read], bool] = lambda read: read.exact,
    ) -> Row | None:
        """The posters of `which` that `keep` keeps; None where none was drawn."""
        clean = self.get(which, CLEAN)
        ours = [
            read
            for index, read in self.get(which, setting).items()
            if index in clean and keep(read.picture.poster)
        ]
        if not ours:
            return None
        hits = [good(read) for read in ours]
        theirs = [good(clean[read.picture.index]) for read in ours]
        letters = statistics.fmean(read.letters for read in ours)
        ratio = shares.ratio(hits, theirs)
        return Row(title, len(ours), shares.share(hits), shares.share(theirs), ratio, letters)

    def rows(self, setting: Setting) -> list[Row]:
        """Titles on a fixed pitch, those by their own widths, each typeface, then fixed ones by length."""
        kinds: list[Kind] = [
            ("fixed pitch", "title", lambda _: True),
            ("proportional", "proportional", lambda _: True),
            *((f"`{face}`", _set_of(face), _has_face(face)) for face in FACES),
            *((f"{length} characters, fixed pitch", "title", _has_length(length)) for length in range(3, 9)),
        ]
        found = (self.row(title, setting, which, keep=keep) for title, which, keep in kinds)
        return [row for row in found if row is not None]

    def second_rows(self, setting: Setting) -> list[Row]:
        """Posters with two lines: both, and each alone."""
        goods: list[tuple[str, Callable[[Read], bool]]] = [
            ("both lines", lambda read: read.exact),
            ("the title", lambda read: read.title_exact),
            ("the second line", lambda read: read.second_exact),
        ]
        found = (self.row(title, setting, "second", good=good) for title, good in goods)
        return [row for row in found if row is not None]

    def step_moves(self) -> list[Move]:
        """At each guidance from one number of steps to the next, then from the fewest to the most."""
        ends = [*pairwise(STEPS), (STEPS[0], STEPS[-1])]
        return [
            self._move(f"guidance {guidance:g}, {few} to {many} steps", [(few, guidance)], [(many, guidance)])
            for guidance in GUIDANCES
            for few, many in ends
        ]

    def guidance_moves(self) -> list[Move]:
        """From one guidance to the next at each number of steps, then over all of them together."""
        return [
            self._move(
                f"{title}, guidance {low:g} to {high:g}",
                [(steps, low) for steps in among],
                [(steps, high) for steps in among],
            )
            for low, high in pairwise(GUIDANCES)
            for title, among in [*((f"{steps} steps", (steps,)) for steps in STEPS), ("all steps", STEPS)]
        ]

    def _move(
        self, title: str, before: Sequence[tuple[int, float]], after: Sequence[tuple[int, float]]
    ) -> Move:
        return Move(title, shares.change(self._letters(before), self._letters(after)))

    def _letters(self, settings: Sequence[tuple[int, float]]) -> list[float]:
        """For each poster of the grid its mean over `settings`."""
        columns = [
            [read.letters for read in self.grid(Setting("base", steps, guidance))]
            for steps, guidance in settings
        ]
        return [statistics.fmean(each) for each in zip(*columns, strict=True)]


def _set_of(face: str) -> Which:
    return "title" if face in FIXED_PITCH else "proportional"


def _has_face(face: str) -> Callable[[Poster], bool]:
    return lambda poster: poster.face == face


def _has_length(length: int) -> Callable[[Poster], bool]:
    return lambda poster: len(poster.title) == length
