"""When a reading is good enough to be accepted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Policies are read when the command line starts, which waits for no event.
    from schemas.events import Legibility


@dataclass(frozen=True, slots=True)
class Acceptance:
    """`score` is the least score, `text` the least similarity of any one expected text.

    Up to 33 characters no letter may be wrong; in a paragraph a reader may slip. Measured on the tuning
    posters of `calibration`: 0.97 refuses no right picture that 0.95 accepts, and lets through 4 wrong ones
    of 156 where 0.95 lets through 9.
    """

    score: float = 0.85
    text: float = 0.97


DEFAULT = Acceptance()


def passes(reading: Legibility, acceptance: Acceptance = DEFAULT) -> bool:
    """Whether what must be exact is, and the rest is near enough; never where nothing was judged."""
    return (
        reading.score is not None
        and reading.score >= acceptance.score
        and reading.critical_exact
        and all(text.similarity >= acceptance.text for text in reading.texts)
    )


def verdict(reading: Legibility, acceptance: Acceptance = DEFAULT) -> bool | None:
    """What `passes` says; None where a text can be judged by no reader that looked."""
    if any(text.verdict == "unreadable_by_reader" for text in reading.texts):
        return None
    return passes(reading, acceptance)
