"""An engine past its last day is never called: who follows draws, by its own contract, and that is said."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import msgspec
import pytest

from inference.engines.entries import Entry, Registry, load_registry
from tests.inference.engines.provider_street import Street, job, opened_street

A_DAY = dt.timedelta(days=1)
IMAGEN_LAST = dt.date(2026, 8, 16)
DALLE_LAST = dt.date(2026, 5, 11)
LATER = dt.date(2026, 11, 24)

IMAGEN = ("gemini_imagen", "imagen-4.0-generate-001")
ULTRA = ("gemini_imagen", "imagen-4.0-ultra-generate-001")
DALLE = ("openai_images", "dall-e-3")
FLASH = ("gemini", "gemini-3.1-flash-image")
PRO = ("gemini", "gemini-3-pro-image")
FLARE = ("openai_images", "gpt-image-2.5-flare")


class OpenStreet(Protocol):
    async def __call__(self, today: dt.date, *, theirs: dt.date | None = None) -> Street: ...


@pytest.fixture
async def open_street(tmp_path: Path) -> AsyncIterator[OpenStreet]:
    async with contextlib.AsyncExitStack() as stack:

        async def opened(today: dt.date, *, theirs: dt.date | None = None) -> Street:
            path = tmp_path / "ledger.db"
            return await stack.enter_async_context(opened_street(path, today, theirs=theirs))

        yield opened


def with_ends(**ends: tuple[dt.date, str | None]) -> Registry:
    """The registry, with other ends and successors."""

    def changed(entry: Entry) -> Entry:
        if entry.name not in ends:
            return entry
        not_after, successor = ends[entry.name]
        return msgspec.structs.replace(entry, not_after=not_after, successor=successor)

    return Registry({entry.name: changed(entry) for entry in load_registry()})


@pytest.mark.parametrize(
    ("name", "new", "micros"),
    [("imagen4_remote", FLASH, 67_204), ("imagen4_ultra", PRO, 134_416), ("dalle3_hd", FLARE, None)],
    ids=["imagen4_remote", "imagen4_ultra", "dalle3_hd"],
)
async def test_its_successor_draws_by_its_own_contract_and_the_render_says_so(
    open_street: OpenStreet, name: str, new: tuple[str, str], micros: int | None
) -> None:
    street = await open_street(LATER, theirs=LATER)
    render = await street.service().render(job(name))
    assert (render.outcome, render.job.engine, render.resolved_engine) == ("rendered", name, new[1])
    ended = load_registry().get(name).not_after
    assert f"{name} ended on {ended}; {new[1]} follows it" in render.reason
    assert street.asked == [new]
    booked = street.booked()
    assert list(booked) == [new[1]]
    assert render.usd == pytest.approx(booked[new[1]] / 1_000_000)
    assert micros is None or booked == {new[1]: micros}


@pytest.mark.parametrize(
    ("name", "last", "old", "new"),
    [
        ("imagen4_remote", IMAGEN_LAST, IMAGEN, FLASH),
        ("imagen4_ultra", IMAGEN_LAST, ULTRA, PRO),
        ("dalle3_hd", DALLE_LAST, DALLE, FLARE),
    ],
    ids=["imagen4_remote", "imagen4_ultra", "dalle3_hd"],
)
async def test_a_process_that_runs_past_midnight_calls_it_on_its_last_day_and_not_again(
    open_street: OpenStreet, name: str, last: dt.date, old: tuple[str, str], new: tuple[str, str]
) -> None:
    street = await open_street(last)
    service = street.service()
    before = await service.render(job(name))
    assert (before.outcome, before.resolved_engine, before.reason) == ("rendered", name, "")
    street.today += A_DAY
    after = await service.render(job(name, ref="2"))
    assert (after.outcome, after.resolved_engine) == ("rendered", new[1])
    assert f"{name} ended on {last}" in after.reason
    assert street.asked == [old, new]
    assert set(street.booked()) == {name, new[1]}


async def test_a_successor_that_has_ended_too_is_passed_over_for_its_own(open_street: OpenStreet) -> None:
    gone = dt.date(2026, 10, 1)
    registry = with_ends(**{"gemini-3.1-flash-image": (gone, "gpt-image-2.5-flare")})
    street = await open_street(gone)
    service = street.service(registry)
    between = await service.render(job("imagen4_remote"))
    assert between.resolved_engine == FLASH[1]
    street.today += A_DAY
    render = await service.render(job("imagen4_remote", ref="2"))
    assert (render.outcome, render.resolved_engine) == ("rendered", FLARE[1])
    assert render.reason.startswith(
        "imagen4_remote ended on 2026-08-16; gemini-3.1-flash-image follows it; "
        "gemini-3.1-flash-image ended on 2026-10-01; gpt-image-2.5-flare follows it"
    )
    assert street.asked == [FLASH, FLARE]
    street.booked()


async def test_what_was_drawn_on_its_last_day_is_not_paid_again_by_its_successor(
    open_street: OpenStreet,
) -> None:
    street = await open_street(IMAGEN_LAST)
    first = await street.service().render(job("imagen4_remote"))
    street.today += A_DAY
    again = await street.service().render(job("imagen4_remote"))
    assert (again.outcome, again.resolved_engine) == ("rendered", "imagen4_remote")
    assert (again.pictures, again.usd) == (first.pictures, first.usd)
    assert "drawn and paid for before" in again.reason
    assert street.asked == [IMAGEN]
    assert street.booked() == {"imagen4_remote": 40_000}


async def test_one_that_nobody_follows_asks_nobody_and_says_what_to_do(open_street: OpenStreet) -> None:
    street = await open_street(LATER)
    registry = with_ends(imagen4_remote=(IMAGEN_LAST, None))
    render = await street.service(registry).render(job("imagen4_remote"))
    assert (render.outcome, render.usd, street.asked) == ("failed", 0.0, [])
    assert "'imagen4_remote' ended on 2026-08-16 and has no successor" in render.reason
    assert street.booked() == {}


async def test_a_provider_that_ends_a_model_before_its_day_is_named_and_charges_nothing(
    open_street: OpenStreet,
) -> None:
    street = await open_street(IMAGEN_LAST, theirs=LATER)
    render = await street.service().render(job("imagen4_remote"))
    assert (render.outcome, render.usd, render.resolved_engine) == ("failed", 0.0, "imagen4_remote")
    assert "gone" in render.reason
    assert [row.outcome for row in street.emulator.ledger.rows] == ["gone"]
    assert street.booked() == {"imagen4_remote": 0}
