"""Reading a picture back with all that was read, which a report shows."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from inference.legibility.acceptance import DEFAULT, Acceptance, verdict
from inference.legibility.base import Line
from inference.legibility.score import SCORE_VERSION, assess
from inference.legibility.service import ReaderFailed
from schemas.events import Legibility, Text, TextReading

_log = logging.getLogger(__name__)


class Readers(Protocol):
    """What a bench needs of `OcrService`."""

    @property
    def coverage(self) -> Mapping[str, frozenset[str]]: ...

    async def read(self, png: bytes) -> Mapping[str, tuple[Line, ...]]: ...

    async def judge(
        self, png: bytes, texts: Sequence[Text], *, by_construction: bool = False
    ) -> Legibility: ...


async def read_back(
    readers: Readers, png: bytes, texts: Sequence[Text], *, by_construction: bool = False
) -> tuple[Legibility, tuple[Line, ...]]:
    """What `judge` says of a picture, and the lines of its first look.

    Where that look lost no text, `judge` would take no further one and say the same of the same lines, so it
    is not asked. Where the readers fail, a reading without readers that judges nothing: the engine is not to
    blame.
    """
    try:
        read = await readers.read(png)
        first = assess(texts, read, readers.coverage, by_construction=by_construction)
        legibility = first.legibility
        if first.lost:
            legibility = await readers.judge(png, texts, by_construction=by_construction)
    except (ReaderFailed, ValueError) as error:
        _log.warning("a picture could not be read and counts as not judged: %s", error)
        return _unread(texts, by_construction=by_construction), ()
    lines = tuple(
        line if line.reader else replace(line, reader=name) for name, own in read.items() for line in own
    )
    return legibility, lines


def judged(reading: Legibility, acceptance: Acceptance = DEFAULT) -> bool | None:
    """Whether it is accepted; None where no reader can tell, or none has looked."""
    return verdict(reading, acceptance) if reading.readers else None


def _unread(texts: Sequence[Text], *, by_construction: bool) -> Legibility:
    return Legibility(
        score=None,
        recall=None,
        precision=None,
        critical_exact=False,
        texts=tuple(
            TextReading(text=text.text, verdict="unreadable_by_reader", critical=text.critical)
            for text in texts
        ),
        version=SCORE_VERSION,
        by_construction=by_construction,
    )
