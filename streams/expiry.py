"""The ends of the engines that routes lead to, said aloud while there is time."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Final

from streams.drawing import today
from streams.routing.expected.policyfile import load_policy
from streams.routing.policy import LAYOUT_ENGINE, POLICIES

if TYPE_CHECKING:
    from inference.engines.entries import Registry
    from inference.engines.expiry import Ending, Level
    from streams.metrics import Metrics

EVERY_S: Final = 3600.0

_log = logging.getLogger(__name__)


def routed_engines() -> frozenset[str]:
    """Every engine that some policy asks for; which one judges a job is recorded in the job."""
    fixed = {name for policy in POLICIES.values() for pair in policy.succession.items() for name in pair}
    expected = load_policy()
    return frozenset({LAYOUT_ENGINE, expected.compose.engine, *fixed, *expected.engines})


class Watch:
    """Remembers what was said of each engine, so that it is said when something has changed."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[Level, int | None]] = {}

    def due(self, endings: Iterable[Ending]) -> tuple[Ending, ...]:
        """Those to speak of: seen for the first time, nearer by a level, or a day nearer in the last week."""
        due = []
        for ending in endings:
            now = ending.level, ending.days_left if ending.level == "urgent" else None
            if ending.level != "far" and self._said.get(ending.engine) != now:
                due.append(ending)
            self._said[ending.engine] = now
        return tuple(due)


async def keep_warning(
    look: Callable[[], tuple[Ending, ...]],
    *,
    every_s: float = EVERY_S,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Logs what `look` finds near its end, at once and whenever that changes, until cancelled."""
    watch = Watch()
    while True:
        for ending in watch.due(look()):
            _log.log(_severity(ending), "engine %s", ending)
        await sleep(every_s)


@contextlib.asynccontextmanager
async def ends_watched(
    registry: Registry, metrics: Metrics, *, today: Callable[[], dt.date] = today
) -> AsyncIterator[None]:
    """As long as it is open, `metrics` and the log tell the ends of the engines that routes lead to."""
    from inference.engines.expiry import endings

    asked = routed_engines()

    def look() -> tuple[Ending, ...]:
        return endings(registry, today=today(), asked=asked)

    metrics.watch_ends(look)
    warning = asyncio.create_task(keep_warning(look))
    try:
        yield
    finally:
        warning.cancel()
        await asyncio.wait((warning,))


def _severity(ending: Ending) -> int:
    if ending.is_stranded:
        return logging.ERROR
    # Its successor draws, and every render says so.
    return logging.INFO if ending.level == "ended" else logging.WARNING
