"""How long each contestant takes for a picture, and so how long all that is left will."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from inference.bench.plan import Draw


class Pace:
    """Counts pictures and the seconds they took, reading included."""

    def __init__(self, at_once: Mapping[str, int], draws: Sequence[Draw]) -> None:
        """`at_once` says how many pictures of each engine are under way together."""
        self._at_once = at_once
        self._left = Counter(draw.engine for draw in draws)
        self._taken: dict[str, list[float]] = {name: [] for name in at_once}

    @property
    def done(self) -> int:
        return sum(map(len, self._taken.values()))

    @property
    def eta_s(self) -> float:
        """Seconds until the end; an engine that has drawn nothing yet counts as the mean of the others."""
        everything = [seconds for taken in self._taken.values() for seconds in taken]
        return math.fsum(
            left * _mean(self._taken[name] or everything) / self._at_once[name]
            for name, left in self._left.items()
        )

    def note(self, name: str, seconds: float) -> None:
        """One picture more of `name` is done."""
        self._taken[name].append(seconds)
        self._left[name] -= 1


def _mean(seconds: Sequence[float]) -> float:
    return math.fsum(seconds) / len(seconds) if seconds else 0.0
