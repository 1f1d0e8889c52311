"""How far the readers of a bench agree about its pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from inference.bench.details import Detail
from inference.legibility.agreement import agreement
from schemas.events import Text


def with_agreement(detail: Detail, texts: Sequence[Text], coverage: Mapping[str, frozenset[str]]) -> Detail:
    """The detail, its sample with how far the readers of `coverage` agree on `texts` at their first look.

    Unchanged where fewer than two read, where no picture came, and where the readers failed at it.
    """
    reading = detail.legibility
    if len(coverage) < 2 or reading is None or not reading.readers:
        return detail
    lines = {name: [line for line in detail.lines if line.reader == name] for name in coverage}
    found = agreement(texts, lines, coverage, picture=detail.sample.image)
    return replace(detail, sample=replace(detail.sample, agreement=found))
