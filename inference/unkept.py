"""Pictures that are paid for and wait for a store that does not answer."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from inference.keeping import Work
from inference.spending import Drawn
from schemas.events import RenderJob

MOST: Final = 64
_log = logging.getLogger(__name__)
Name = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Unkept:
    """A picture with the work it is for."""

    work: Work
    drawn: Drawn


class UnkeptPictures:
    """The last `MOST` of them; whoever lets one go says so."""

    def __init__(self) -> None:
        self._waiting: dict[Name, Unkept] = {}

    def __iter__(self) -> Iterator[Unkept]:
        return iter(list(self._waiting.values()))

    def add(self, work: Work, drawn: Drawn) -> None:
        """Only what is paid for is worth the memory."""
        if drawn.row is None:
            return
        self._waiting[_name(work.job)] = Unkept(work, drawn)
        while len(self._waiting) > MOST:
            self.lose(next(iter(self._waiting.values())))

    def of(self, job: RenderJob) -> Unkept | None:
        return self._waiting.get(_name(job))

    def kept(self, job: RenderJob) -> None:
        """It waits no more."""
        self._waiting.pop(_name(job), None)

    def lose(self, unkept: Unkept) -> None:
        """It is given up; its call waits for a person."""
        self.kept(unkept.work.job)
        row = unkept.drawn.row
        name = row.name if row else unkept.work.id
        _log.error("call %s: its picture is paid for and could not be stored: it is lost", name)


def _name(job: RenderJob) -> Name:
    return job.ref, job.ordinal, job.engine, job.spec
