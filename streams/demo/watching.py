"""Follows the topics with a reader of its own until every expected final is there."""

from __future__ import annotations

from collections.abc import Callable

from schemas.events import Event, Render, RenderJob, Result
from schemas.faults import BadEvent
from schemas.topics import DEAD_LETTERS, POLISH, PREVIEW, RENDERS, RESULTS
from schemas.wire import decode
from streams.demo.tally import Tally
from streams.runtime.records import Record
from streams.scan import open_scan
from streams.settings import Settings

STALLED_S = 300.0
_EVENTS: dict[str, type[Event]] = {
    PREVIEW.name: RenderJob,
    POLISH.name: RenderJob,
    RENDERS.name: Render,
    RESULTS.name: Result,
}


class Stalled(Exception):
    """Nothing has come for too long, or what the line stands on is gone."""


async def watch(
    settings: Settings,
    tally: Tally,
    *,
    show: Callable[[Tally], None],
    trouble: Callable[[], str | None],
    monotonic: Callable[[], float],
) -> None:
    """Returns when the tally is done. `trouble` says what else makes waiting pointless.

    Raises:
        Stalled: names the prompts that are still open.
    """
    moved = monotonic()
    async with open_scan(settings, [*_EVENTS, DEAD_LETTERS.name]) as scan:
        while not tally.done:
            records = await scan.poll()
            for record in records:
                observe(tally, record, settings.topic_prefix)
            show(tally)
            if records:
                moved = monotonic()
            wrong = trouble()
            if wrong is None and monotonic() - moved > STALLED_S:
                wrong = f"nothing has moved for {STALLED_S:g} s"
            if wrong is not None:
                waiting = ", ".join(f"{ref.id} v{ref.variant}" for ref in tally.missing[:8])
                raise Stalled(f"{wrong}; still open: {waiting}")


def observe(tally: Tally, record: Record, prefix: str) -> None:
    """Counts one record; what cannot be read is a dead letter sooner or later and counts there."""
    name = record.topic.removeprefix(prefix)
    if name == DEAD_LETTERS.name:
        tally.dead_letters += 1
        return
    try:
        tally.observe(decode(_EVENTS[name], record.value, record.headers))
    except BadEvent:
        return
