"""Where values stand between the two ends of a plot."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

# Beyond this ratio the small values of a linear axis cannot be told apart.
_WIDE: Final = 20.0
_TICKS: Final = 8
_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Axis:
    """From `low` to `high`, marked at `ticks`; places are percent of its length."""

    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False

    def place(self, value: float) -> float:
        """Values beyond an end stand at it."""
        if self.log:
            share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return 100.0 * min(1.0, max(0.0, share))


def shares(lows: Iterable[float | None]) -> Axis:
    """To 1, from a tenth below the lowest value, so that near ones can be told apart."""
    least = min((low for low in lows if low is not None), default=0.0)
    step = 0.1 if least >= 0.5 else 0.2
    first = math.floor(max(0.0, min(0.8, least)) / step + 1e-9)
    ticks = tuple(round(place * step, 1) for place in range(first, round(1 / step) + 1))
    return Axis(ticks[0], 1.0, ticks)


def spanning(values: Iterable[float]) -> Axis:
    """From 0, or logarithmic where all are above 0 and the largest is more than 20 times the smallest."""
    kept = [value for value in values if math.isfinite(value)]
    high = max(kept, default=1.0) or 1.0
    low = min(kept, default=0.0)
    if low > 0 and high / low > _WIDE:
        return _logarithmic(low, high)
    step = _step(high / 4)
    count = math.ceil(high / step - 1e-9)
    return Axis(0.0, count * step, tuple(place * step for place in range(count + 1)))


def _logarithmic(low: float, high: float) -> Axis:
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    marks = [float(f"{step}e{power}") for power in powers for step in (1, 2, 5)]
    start = max(place for place, mark in enumerate(marks) if mark <= low)
    end = min(place for place, mark in enumerate(marks) if mark >= high)
    ticks = marks[start : end + 1]
    if len(ticks) > _TICKS:
        ticks = [mark for mark in ticks if f"{mark:e}"[0] == "1"]
        ticks = ticks[:: math.ceil(len(ticks) / _TICKS)]
    return Axis(marks[start], marks[end], tuple(ticks), log=True)


def _step(rough: float) -> float:
    size = 10.0 ** math.floor(math.log10(rough))
    return next(step * size for step in _STEPS if step * size >= rough * (1 - 1e-9))
