"""What is asked of the tiny model, and what the figures say of it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from tests.bench.targets import Verdict
from tests.bench.tiny.figures import Move, Readings
from tests.bench.tiny.pictures import ASKED, DISTILLED, PREVIEW, Setting
from tests.bench.tiny.shares import direction
from tests.bench.tiny.speed import Speed

LEGIBLE = 0.9
SECONDS: Mapping[Setting, float] = {PREVIEW: 2.0, DISTILLED: 0.7}


def verdicts(readings: Readings, speeds: Sequence[Speed]) -> list[Verdict]:
    """A target whose measurement is missing is left out."""
    found = _legible(readings)
    if readings.grid(ASKED):
        found += [_with_steps(readings.step_moves()), _with_guidance(readings.guidance_moves())]
    return found + [_quick(speed) for speed in speeds if speed.setting in SECONDS]


def _legible(readings: Readings) -> list[Verdict]:
    row = readings.row("", ASKED)
    if row is None or row.ratio is None:
        return []
    return [
        Verdict(
            "held-out titles on a fixed pitch read exactly, of the share read in clean renderings",
            f">= {LEGIBLE:.0%}",
            f"{row.ratio:.1%}: {row.exact.value:.1%} of {row.clean.value:.1%}, {row.count} posters",
            row.ratio.value >= LEGIBLE,
        )
    ]


def _with_steps(moves: Sequence[Move]) -> Verdict:
    """From the fewest steps to the most it rises at guidance 3, and from one to the next it falls nowhere."""
    ends = next(move for move in moves if move.title == "guidance 3, 4 to 28 steps")
    falls = [move.title for move in moves if move.direction == "falls"]
    return Verdict(
        "letters right rise with steps (guidance 3, 4 to 28 steps; no fall at any guidance)",
        "rises",
        f"{ends.direction}, {points(ends)}" + _fallen(falls),
        ends.direction == "rises" and not falls,
    )


def _with_guidance(moves: Sequence[Move]) -> Verdict:
    """From none to the product's it rises over all steps together, and at no number of steps does it fall."""
    up = [move for move in moves if move.title.endswith("guidance 1 to 3")]
    together = next(move for move in up if move.title.startswith("all steps"))
    falls = [move.title for move in up if move.direction == "falls"]
    return Verdict(
        "letters right rise with guidance (1 to 3, all steps together; no fall at any number of steps)",
        "rises",
        f"{together.direction}, {points(together)}" + _fallen(falls),
        direction(together.change) == "rises" and not falls,
    )


def _quick(speed: Speed) -> Verdict:
    seconds = statistics.median(speed.walls)
    how = "with guidance" if speed.setting.guidance > 1 else "without guidance"
    return Verdict(
        f"seconds a picture, {speed.setting.variant}, {speed.setting.steps} steps {how}",
        f"<= {SECONDS[speed.setting]:g} s",
        f"{seconds:.2f} s ({min(speed.walls):.2f} to {max(speed.walls):.2f})",
        seconds <= SECONDS[speed.setting],
    )


def points(move: Move) -> str:
    """The change in percentage points."""
    change = move.change
    return f"{change.value * 100:+.1f} points ({change.low * 100:+.1f} to {change.high * 100:+.1f})"


def _fallen(titles: Sequence[str]) -> str:
    return f"; falls: {'; '.join(titles)}" if titles else ""
