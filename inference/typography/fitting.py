"""Lines of a measured paragraph: as few as the width allows, then balanced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

from inference.typography.breaking import Break, breaks
from inference.typography.shaping import Paragraph, advances, shape

Lines = tuple[tuple[int, int], ...]
_POOR_COST = 0.15


@dataclass(frozen=True, slots=True)
class Measured:
    """A paragraph with its widths in em: `prefix[i]` is the advance of `text[:i]`.

    `ascent` and `descent` bound the ink of every line that can be cut from it.
    """

    para: Paragraph
    prefix: tuple[float, ...]
    breaks: tuple[Break, ...]
    ascent: float
    descent: float

    def width(self, start: int, end: int) -> float:
        """Advance of `text[start:end]`, without the tracking after its last letter."""
        return self.prefix[end] - self.prefix[start] - self.para.tracking


def measure(para: Paragraph) -> Measured:
    """Shapes the whole text once; every size is a multiple of these widths."""
    whole = shape(para)
    return Measured(
        para,
        tuple(accumulate(advances(para), initial=0.0)),
        breaks(para.text, para.locale),
        whole.ascent,
        whole.descent,
    )


def wrap(measured: Measured, width: float, max_lines: int = 99) -> Lines | None:
    """Balanced lines of at most `width` em, or None where no set of breaks allows it.

    Phrases are split (a `poor` break) only where whole phrases do not fit.
    """
    good = tuple(each for each in measured.breaks if each.kind != "poor")
    for allowed in (good, measured.breaks):
        count = _fewest(measured, allowed, width)
        if count is not None and count <= max_lines:
            return _balanced(measured, allowed, width, count)
    return None


def widest_piece(measured: Measured) -> float:
    """The width in em that no line can be narrower than, whole phrases kept."""
    start, widest = 0, 0.0
    for each in measured.breaks:
        if each.kind == "poor":
            continue
        left, right = _trim(measured.para.text, start, each.index)
        widest = max(widest, measured.width(left, right))
        start = each.index
    return widest


def _fewest(measured: Measured, allowed: Sequence[Break], width: float) -> int | None:
    start, last, count = 0, 0, 1
    text = measured.para.text
    for each in allowed:
        left, right = _trim(text, start, each.index)
        if measured.width(left, right) > width:
            if last == start:
                return None
            start, count = last, count + 1
            left, right = _trim(text, start, each.index)
            if measured.width(left, right) > width:
                return None
        last = each.index
        if each.kind == "must":
            start, count = each.index, count + 1
    return count


def _balanced(measured: Measured, allowed: Sequence[Break], width: float, count: int) -> Lines | None:
    """Least sum of squared slack over exactly `count` lines (total-fit, Knuth and Plass 1981)."""
    text = measured.para.text
    total = measured.width(*_trim(text, 0, len(text)))
    ideal = min(width, total / count)

    @cache
    def best(first: int, left: int) -> tuple[float, Lines] | None:
        start = allowed[first - 1].index if first else 0
        found: tuple[float, Lines] | None = None
        for index in range(first, len(allowed)):
            each = allowed[index]
            line = _trim(text, start, each.index)
            room = measured.width(*line)
            if room > width:
                break
            final = index == len(allowed) - 1
            if final != (left == 1):
                if final or (each.kind == "must" and left == 1):
                    break
                if left == 1:
                    continue
            rest = (0.0, ()) if final else best(index + 1, left - 1)
            if rest is not None:
                cost = (ideal - room) ** 2 + rest[0] + (_POOR_COST * ideal**2 if each.kind == "poor" else 0.0)
                if found is None or cost < found[0]:
                    found = (cost, (line, *rest[1]))
            if each.kind == "must":
                break
        return found

    solved = best(0, count)
    return solved[1] if solved else None


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while end > start and text[end - 1] in " \n\u3000\u200b":
        end -= 1
    while start < end and text[start] in " \n\u3000\u200b":
        start += 1
    return start, end


def tall(measured: Measured, lines: int, leading: float) -> float:
    """Height in em of so many lines, ink to ink; `leading` is the gap between the ink of two, in em."""
    pitch = measured.ascent + measured.descent + leading
    return measured.ascent + measured.descent + (lines - 1) * pitch
