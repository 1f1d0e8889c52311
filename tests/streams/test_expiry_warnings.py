"""Whoever runs the line hears of an engine's end while there is time."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import logging

import pytest

from inference.engines.entries import load_registry
from inference.engines.expiry import Ending, level_of
from schemas.events import PromptEvent, Text
from streams.expiry import Watch, ends_watched, keep_warning, routed_engines
from streams.metrics import Metrics
from streams.routing.policy import POLICIES
from streams.routing.table import decide_route

TODAY = dt.date(2026, 11, 24)


def ending(days_left: int, *followers: str) -> Ending:
    return Ending(
        engine="pen",
        not_after=TODAY + dt.timedelta(days=days_left),
        days_left=days_left,
        level=level_of(days_left),
        followers=followers,
    )


def said(days: list[int], *followers: str) -> list[int]:
    """On which of the `days` before its end an engine is spoken of by one that runs through all of them."""
    watch = Watch()
    return [left for left in days for _ in watch.due([ending(left, *followers)])]


def test_each_threshold_is_said_once_and_each_day_of_the_last_week() -> None:
    assert said(list(range(70, -4, -1)), "heir") == [60, 30, 7, 6, 5, 4, 3, 2, 1, 0, -1]


def test_what_is_near_at_the_start_is_said_at_the_start_and_not_every_hour() -> None:
    assert said([45, 45, 45, 44], "heir") == [45]
    assert said([3, 3, 2, 2], "heir") == [3, 2]
    assert said([90, 89]) == []


async def test_the_log_says_so_at_once_and_on_the_day_that_a_threshold_is_crossed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    days = iter([31, 31, 30, 30, -1])
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    def look() -> tuple[Ending, ...]:
        left = next(days, None)
        if left is None:
            raise asyncio.CancelledError
        return (ending(left),)

    with caplog.at_level(logging.INFO, "streams.expiry"), pytest.raises(asyncio.CancelledError):
        await keep_warning(look, every_s=60, sleep=sleep)
    assert slept == [60] * 5
    assert [(record.levelname, record.getMessage().partition(";")[0]) for record in caplog.records] == [
        ("WARNING", "engine pen ends in 31 days, on 2026-12-25"),
        ("WARNING", "engine pen ends in 30 days, on 2026-12-24"),
        ("ERROR", "engine pen ended on 2026-11-23, 1 day ago"),
    ]


async def test_a_process_that_runs_for_weeks_warns_and_tells_the_days_as_they_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics = Metrics()
    last = dt.date(2026, 8, 16)
    day = last - dt.timedelta(days=60)
    seen = []
    with caplog.at_level(logging.WARNING, "streams.expiry"):
        async with ends_watched(load_registry(), metrics, today=lambda: day):
            await asyncio.sleep(0)
            for left in (60, 59, -1):
                day = last - dt.timedelta(days=left)
                labels = {"engine": "imagen4_remote", "successor": "gemini-3.1-flash-image"}
                seen.append(metrics.registry.get_sample_value("glyphstream_engine_days_left", labels))
    assert seen == [60, 59, -1]
    assert [record.getMessage() for record in caplog.records] == [
        "engine imagen4_remote ends in 60 days, on 2026-08-16; gemini-3.1-flash-image follows it, "
        "$0.0272 a picture dearer",
        "engine imagen4_ultra ends in 60 days, on 2026-08-16; gemini-3-pro-image follows it, "
        "$0.0744 a picture dearer",
    ]


def test_every_engine_that_a_route_may_begin_with_is_watched() -> None:
    texts = [Text("A"), Text("B"), Text("C"), Text("D")]
    tags = ("layout-only", "ultra", "stylised", "layout-heavy")
    found = set()
    for policy, precise, fast, chosen, many in itertools.product(
        POLICIES.values(), (True, False), (True, False), [(tag,) for tag in tags] + [()], (True, False)
    ):
        event = PromptEvent(
            id="1",
            source="s",
            prompt="p",
            tags=chosen,
            fast_preview=fast,
            requires_typography_precision=precise,
        )
        found.add(decide_route(event, texts if many else texts[:1], policy).engine)
    assert len(found) > 4
    assert found <= routed_engines() <= set(load_registry().names)
