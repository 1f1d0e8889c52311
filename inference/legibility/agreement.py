"""Whether two readers make the same of the same texts, and where they do not.

A reader that corrects what it sees agrees with no other family of networks on what is not there: what
readers disagree about is worth a person's look.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from inference.legibility.base import Line
from inference.legibility.folding import tolerant
from inference.legibility.judgement import Reading, judged
from schemas.events import Text

# Two-sided 95 %.
_Z: Final = 1.959964


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One text that readers read differently; `read` says by each what, empty where it was not found."""

    picture: str
    text: str
    read: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Agreement:
    """`texts` that two readers or more could judge, and those of them that all read differently."""

    texts: int
    disagreements: tuple[Disagreement, ...]

    @property
    def share(self) -> float | None:
        """Of the texts those read alike; None where there are none."""
        return 1 - len(self.disagreements) / self.texts if self.texts else None

    @property
    def interval(self) -> tuple[float, float]:
        """The share's 95 % interval by Wilson (1927); all of 0 to 1 where nothing was judged."""
        return wilson(self.texts - len(self.disagreements), self.texts)


def agreement(
    texts: Sequence[Text],
    readings: Mapping[str, Sequence[Line]],
    coverage: Mapping[str, frozenset[str]],
    *,
    picture: str = "",
) -> Agreement:
    """How far the readers agree on the texts of one picture, `picture` by name.

    A text counts where two readers or more know all its letters. They agree where they read the same in
    tolerant form, right or wrong, or where none of them found it.

    Raises:
        ValueError: fewer than two readers.
    """
    if len(readings) < 2:
        raise ValueError(f"readers: {', '.join(readings) or 'none'} given; agreement is between two at least")
    by_reader = {
        reader: judged(texts, lines, coverage[reader]).readings for reader, lines in readings.items()
    }
    count = 0
    found: list[Disagreement] = []
    for place, text in enumerate(texts):
        read = _read({reader: each[place] for reader, each in by_reader.items()})
        if len(read) < 2:
            continue
        count += 1
        if len({tolerant(said) for _, said in read}) > 1:
            found.append(Disagreement(picture, text.text, read))
    return Agreement(count, tuple(found))


def pooled(agreements: Iterable[Agreement]) -> Agreement:
    """Those of several pictures as one."""
    each = tuple(agreements)
    return Agreement(sum(a.texts for a in each), tuple(d for a in each for d in a.disagreements))


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share, by Wilson (1927)."""
    if not trials:
        return 0.0, 1.0
    share, square = successes / trials, _Z**2 / trials
    middle = share + square / 2
    spread = _Z * math.sqrt(share * (1 - share) / trials + square / (4 * trials))
    return max(0.0, (middle - spread) / (1 + square)), min(1.0, (middle + spread) / (1 + square))


def _read(readings: Mapping[str, Reading | None]) -> tuple[tuple[str, str], ...]:
    return tuple((reader, each.read) for reader, each in readings.items() if each is not None)
