"""An engine past its last day is never called: who follows draws, by its own contract, and that is said."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec
import pytest

from inference.assets import AssetStore
from inference.engines.adapters import ADAPTERS, HostedEngines
from inference.engines.emulator.core import Emulator
from inference.engines.emulator.drawing import draw_plain
from inference.engines.emulator.profiles import Profile
from inference.engines.emulator.serving import emulator_thread
from inference.engines.entries import Entry, Registry, load_registry
from inference.engines.ledger import Ledger
from inference.engines.ledger.reporting import audit, report
from inference.engines.registry import Engines
from inference.render import RenderService
from inference.spending import Spending
from schemas.events import PromptRef, RenderJob
from tests.inference.engines.playback import KEY, SPEC

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


@dataclass(slots=True)
class Street:
    """All providers behind one address, and services with a key to each of them, on a day of our choice."""

    url: str
    emulator: Emulator
    path: Path
    today: dt.date
    store: AssetStore = field(default_factory=lambda: AssetStore.open("memory://"))
    opened: list[Engines | Spending] = field(default_factory=list)

    def service(self, registry: Registry | None = None) -> RenderService:
        registry = registry or load_registry()
        engines = Engines(
            registry,
            today=lambda: self.today,
            environ={entry.key_env: KEY for entry in registry if entry.key_env},
            hosted=HostedEngines(registry, addresses=dict.fromkeys(ADAPTERS, self.url)),
        )
        spending = Spending.open(str(self.path))
        self.opened += [spending, engines]
        return RenderService(engines, self.store, spending=spending)

    @property
    def asked(self) -> list[tuple[str, str]]:
        """Contract and model of every request that any provider read; each was answered with a picture."""
        rows = self.emulator.ledger.rows
        assert {row.outcome for row in rows} <= {"image"}
        return [(row.contract, row.model) for row in rows]

    def booked(self) -> dict[str, int]:
        """Micro-dollars by engine, as our own ledger has them: the same in all as the providers charged."""
        ledger = Ledger.open(str(self.path))
        lines = report(ledger.database, by=("engine",))
        assert audit(ledger.database) == ()
        ledger.close()
        assert sum(line.settled for line in lines) == self.emulator.ledger.charged_micros
        return {line.group[0]: line.settled for line in lines}


class OpenStreet(Protocol):
    def __call__(self, today: dt.date, *, theirs: dt.date | None = None) -> Street: ...


@pytest.fixture
async def open_street(tmp_path: Path) -> AsyncIterator[OpenStreet]:
    """`theirs` is the day on which providers turn away what they have ended; without it they draw all."""
    streets: list[Street] = []
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(1))

        def opened(today: dt.date, *, theirs: dt.date | None = None) -> Street:
            emulator = Emulator(
                profiles={"default": Profile()}, draw=draw_plain, executor=pool, pace=0.0, today=theirs
            )
            url = stack.enter_context(emulator_thread(emulator))
            streets.append(Street(url, emulator, tmp_path / "ledger.db", today))
            return streets[-1]

        yield opened
        for street in streets:
            for each in reversed(street.opened):
                await each.aclose()


def job(engine: str, *, ref: str = "1") -> RenderJob:
    return RenderJob(
        ref=PromptRef("shop", ref), spec=SPEC, engine=engine, purpose="final", ordinal=0, route="r",
        reason="", policy="p",
    )  # fmt: skip


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
    [("imagen4_remote", FLASH, 67_200), ("imagen4_ultra", PRO, 134_400), ("dalle3_hd", FLARE, None)],
    ids=["imagen4_remote", "imagen4_ultra", "dalle3_hd"],
)
async def test_its_successor_draws_by_its_own_contract_and_the_render_says_so(
    open_street: OpenStreet, name: str, new: tuple[str, str], micros: int | None
) -> None:
    street = open_street(LATER, theirs=LATER)
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
    street = open_street(last)
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
    street = open_street(gone)
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
    street = open_street(IMAGEN_LAST)
    first = await street.service().render(job("imagen4_remote"))
    street.today += A_DAY
    again = await street.service().render(job("imagen4_remote"))
    assert (again.outcome, again.resolved_engine) == ("rendered", "imagen4_remote")
    assert (again.pictures, again.usd) == (first.pictures, first.usd)
    assert "drawn and paid for before" in again.reason
    assert street.asked == [IMAGEN]
    assert street.booked() == {"imagen4_remote": 40_000}


async def test_one_that_nobody_follows_asks_nobody_and_says_what_to_do(open_street: OpenStreet) -> None:
    street = open_street(LATER)
    registry = with_ends(imagen4_remote=(IMAGEN_LAST, None))
    render = await street.service(registry).render(job("imagen4_remote"))
    assert (render.outcome, render.usd, street.asked) == ("failed", 0.0, [])
    assert "'imagen4_remote' ended on 2026-08-16 and has no successor" in render.reason
    assert street.booked() == {}


async def test_a_provider_that_ends_a_model_before_its_day_is_named_and_charges_nothing(
    open_street: OpenStreet,
) -> None:
    street = open_street(IMAGEN_LAST, theirs=LATER)
    render = await street.service().render(job("imagen4_remote"))
    assert (render.outcome, render.usd, render.resolved_engine) == ("failed", 0.0, "imagen4_remote")
    assert "gone" in render.reason
    assert [row.outcome for row in street.emulator.ledger.rows] == ["gone"]
    assert street.booked() == {"imagen4_remote": 0}
