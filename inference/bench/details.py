"""What the journal keeps of one drawing, and the report shows of it."""

from __future__ import annotations

from dataclasses import dataclass

from inference.bench.samples import Sample
from inference.legibility.base import Line
from schemas.events import Attempt, Legibility


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """A sample, and how its picture was read: `lines` as the readers gave them, boxes in its pixels.

    `attempts` are what a policy tried for it; empty for an engine.
    """

    sample: Sample
    legibility: Legibility | None = None
    lines: tuple[Line, ...] = ()
    attempts: tuple[Attempt, ...] = ()
