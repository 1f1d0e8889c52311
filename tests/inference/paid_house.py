"""A provider that remembers what it charged, and workers that share a ledger and a store."""

from __future__ import annotations

import asyncio
import datetime as dt
import io
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image

from inference.assets import AssetStore
from inference.engines.base import (
    Engine,
    EngineError,
    Leaving,
    Picture,
)
from inference.engines.entries import Entry, Price
from inference.engines.ledger import AsyncLedger, Budget, Leases, Ledger
from inference.engines.ledger.reporting import Line, audit, report
from inference.engines.registry import Resolved
from inference.render import RenderService
from inference.spending import Spending
from schemas.events import PromptRef, RenderJob, Spec, Text

PRICE = Price(priced_on=dt.date(2026, 1, 1), usd=0.04)
ENTRY = Entry(
    name="pen", adapter="fake", model="pen-1", title="Pen", roles=("final",), price=PRICE, timeout_s=60
)


def png(colour: str = "navy") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(out, "PNG")
    return out.getvalue()


def make_job(**changes: Any) -> RenderJob:
    spec = Spec(
        prompt='A poster with "OPEN"', texts=(Text("OPEN"),), negative_prompt="", width=64, height=64,
        sampler="euler", steps=None, guidance=None, seed=1, locale="en",
    )  # fmt: skip
    job = RenderJob(
        ref=PromptRef("s", "1"), spec=spec, engine="pen", purpose="final", ordinal=0, route="r", reason="",
        policy="p",
    )  # fmt: skip
    return replace(job, **changes)


@dataclass(slots=True)
class Provider:
    """A provider and its engine in one. `answers` are used up, then it draws; it remembers its charges."""

    honours_key: bool = False
    answers: list[EngineError | Callable[[], object]] = field(default_factory=list)
    charged: list[str] = field(default_factory=list)
    asked: list[tuple[Spec, bytes | None]] = field(default_factory=list)
    place: Callable[[], Awaitable[None]] | None = None
    left: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event | None = None
    picture: Picture = field(
        default_factory=lambda: Picture(
            data=png(), media_type="image/png", model="pen-1", usd=0.04, seconds=1.5, request_id="req-1"
        )
    )

    def keyed(self, key: str, leaving: Leaving | None = None) -> Engine:
        assert leaving is not None, "a paid call says when it leaves"
        return _Call(self, key, leaving)

    async def render(self, spec: Spec, *, background: bytes | None = None) -> Picture:
        raise AssertionError(f"a paid call is named: {spec}, {background!r}")

    async def aclose(self) -> None:
        """Holds nothing."""


@dataclass(slots=True)
class _Call:
    provider: Provider
    key: str
    leaving: Leaving

    async def render(self, spec: Spec, *, background: bytes | None = None) -> Picture:
        provider = self.provider
        provider.asked.append((spec, background))
        answer = provider.answers.pop(0) if provider.answers else None
        if isinstance(answer, Unsent):
            raise answer.error
        if provider.place is not None:
            await provider.place()
        await self.leaving()
        provider.left.set()
        if isinstance(answer, EngineError):
            if answer.billed != "never":
                self._charge()
            raise answer
        self._charge()
        if provider.gate is not None:
            await provider.gate.wait()
        if answer is not None:
            answer()
            await asyncio.sleep(3600)
        return provider.picture

    def _charge(self) -> None:
        if not (self.provider.honours_key and self.key in self.provider.charged):
            self.provider.charged.append(self.key)

    async def aclose(self) -> None:
        """Holds nothing."""


@dataclass(slots=True)
class Unsent:
    """An answer that comes before the request has left, from a breaker or for want of a connection."""

    error: EngineError

    def __call__(self) -> None:
        raise AssertionError("never sent")


@dataclass(slots=True)
class Pool:
    provider: Provider
    emulated: bool = False
    missing: Exception | None = None

    def resolve(self, name: str) -> Resolved:
        if self.missing is not None:
            raise self.missing
        return Resolved(name, ENTRY, "pen-1", emulated=self.emulated)

    def engine_for(self, _resolved: Resolved) -> Engine:
        return self.provider

    def most_usd(self, _resolved: Resolved, _spec: Spec) -> float | None:
        return 0.05


@dataclass(slots=True)
class Clock:
    now: dt.datetime = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)


@dataclass(slots=True)
class House:
    """A ledger and a store that outlive workers; each `worker` is a process's service."""

    path: Path
    clock: Clock
    store: AssetStore = field(default_factory=lambda: AssetStore.open("memory://"))
    opened: list[Spending] = field(default_factory=list)

    def spending(self, *budgets: Budget) -> Spending:
        ledger = Ledger.open(str(self.path), clock=self.clock, leases=Leases(intent_s=30, margin_s=30))
        self.opened.append(Spending(AsyncLedger(ledger), budgets))
        return self.opened[-1]

    def worker(self, provider: Provider, *budgets: Budget, **options: Any) -> RenderService:
        pool = Pool(provider, options.pop("emulated", False), options.pop("missing", None))
        return RenderService(pool, self.store, spending=self.spending(*budgets), **options)

    def line(self) -> Line:
        (line,) = report(self.opened[0]._ledger.ledger.database, by=())
        return line

    def faults(self) -> tuple[str, ...]:
        return audit(self.opened[0]._ledger.ledger.database)


async def stopped(service: RenderService, provider: Provider, job: RenderJob) -> None:
    """A worker whose process ends while the provider draws: nothing of it goes on."""
    leaving = asyncio.Event()
    provider.answers.append(leaving.set)
    task = asyncio.create_task(service.render(job))
    await leaving.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
