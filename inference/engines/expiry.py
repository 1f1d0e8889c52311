"""Engines that end: how near the end is, who follows, and what a picture costs then."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

from inference.engines.entries import EngineGone, Entry, Registry

Level = Literal["far", "note", "warning", "urgent", "ended"]

NOTE_DAYS: Final = 60
WARNING_DAYS: Final = 30
URGENT_DAYS: Final = 7
# Prices are compared for one picture of this size.
SIDE: Final = 1024

_DAY: Final = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """An engine with an announced end, as seen on one day.

    `days_left` counts to `not_after`, the last day on which it is called, and is negative once that is past.
    `followers` are asked in its place: the last one draws, those before it have ended too by then; it is
    empty where nobody follows. `adds_usd` is what a picture of 1024x1024 then costs more (less, where
    negative); None where nobody follows or where either is paid by our machine's time.
    """

    engine: str
    not_after: dt.date
    days_left: int
    level: Level
    followers: tuple[str, ...] = ()
    adds_usd: float | None = None

    @property
    def successor(self) -> str | None:
        """The engine that draws in its place."""
        return self.followers[-1] if self.followers else None

    @property
    def is_stranded(self) -> bool:
        """Whether it has ended and nobody follows: what is asked of it fails."""
        return self.level == "ended" and not self.followers

    def __str__(self) -> str:
        return f"{self._when()}; {self._then()}"

    def _when(self) -> str:
        if self.days_left < 0:
            return f"{self.engine} ended on {self.not_after}, {_days(-self.days_left)} ago"
        if self.days_left == 0:
            return f"{self.engine} is called today for the last time"
        return f"{self.engine} ends in {_days(self.days_left)}, on {self.not_after}"

    def _then(self) -> str:
        if self.successor is None:
            return "nobody follows it: name a successor in the registry, or ask another engine"
        by_way_of = f" (by way of {', '.join(self.followers[:-1])})" if self.followers[1:] else ""
        return f"{self.successor} follows it{by_way_of}{self._price()}"

    def _price(self) -> str:
        if self.adds_usd is None:
            return ""
        if self.adds_usd == 0:
            return ", at the same price"
        return f", ${abs(self.adds_usd):.4f} a picture {'dearer' if self.adds_usd > 0 else 'cheaper'}"


def level_of(days_left: int) -> Level:
    """How urgent it is that an engine has so many days left; negative ones are past its last."""
    if days_left < 0:
        return "ended"
    if days_left <= URGENT_DAYS:
        return "urgent"
    if days_left <= WARNING_DAYS:
        return "warning"
    return "note" if days_left <= NOTE_DAYS else "far"


def endings(
    registry: Registry, *, today: dt.date, asked: Collection[str] | None = None
) -> tuple[Ending, ...]:
    """The engines with an end, in the order of the registry.

    With `asked`, only those that are drawn with when these are asked for, now or once others have ended.

    Raises:
        UnknownEngine: `asked` names one that is not in the registry.
    """
    reached = None if asked is None else _reached(registry, asked)
    return tuple(
        _ending(registry, entry, entry.not_after, today)
        for entry in registry
        if entry.not_after is not None and (reached is None or entry.name in reached)
    )


def _reached(registry: Registry, asked: Collection[str]) -> set[str]:
    reached: set[str] = set()
    for name in asked:
        entry = registry.get(name)
        reached.add(entry.name)
        # Who never ends is never succeeded, whatever the registry names.
        while entry.not_after is not None and entry.successor is not None:
            entry = registry.get(entry.successor)
            reached.add(entry.name)
    return reached


def _ending(registry: Registry, entry: Entry, not_after: dt.date, today: dt.date) -> Ending:
    days_left = (not_after - today).days
    try:
        followers = registry.trail(entry.name, today=max(today, not_after + _DAY))[1:]
    except EngineGone:
        followers = ()
    return Ending(
        engine=entry.name,
        not_after=not_after,
        days_left=days_left,
        level=level_of(days_left),
        followers=tuple(follower.name for follower in followers),
        adds_usd=_adds_usd(entry, followers[-1]) if followers else None,
    )


def _adds_usd(entry: Entry, successor: Entry) -> float | None:
    if entry.price.per != "image" or successor.price.per != "image":
        return None
    return round(successor.price.list_usd(SIDE, SIDE) - entry.price.list_usd(SIDE, SIDE), 7)


def _days(count: int) -> str:
    return f"{count} day{'' if count == 1 else 's'}"
