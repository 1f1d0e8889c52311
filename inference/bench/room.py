"""The engines, the store and the readers of one bench, opened together and closed together."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import os
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from inference.assets import AssetStore
from inference.bench.contestant import Contestant, NotAtHand
from inference.bench.engine import EngineContestant, Studio
from inference.bench.journal import Stamp
from inference.bench.machine import described
from inference.engines.adapters import HostedEngines
from inference.engines.ledger import LedgerError, check_budgets, parse_budget
from inference.engines.registry import (
    USD_PER_CPU_HOUR,
    USD_PER_GPU_HOUR,
    Engines,
    Registry,
    UnknownEngine,
    load_registry,
)
from inference.legibility.acceptance import DEFAULT
from inference.legibility.readers import BOTH, available_readers, chosen_readers, reader_entry
from inference.legibility.score import SCORE_VERSION
from inference.legibility.service import OcrService
from inference.render import RenderService
from inference.sd3.base import CheckpointError
from inference.spending import Spending

if TYPE_CHECKING:
    from inference.engines.local_sd3 import LocalModels
    from inference.sd3.process import Watch

Models = Callable[["Registry", "Watch | None"], "LocalModels"]

POLICY = "policy:"


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """How this machine is set up; addresses are empty where there is none, dollars are per hour of ours.

    `ledger` is where hosted calls are written down, and `budgets`, as `parse_budget` takes them, hold there.
    A ledger that others write into too is `shared`: their pictures lie elsewhere, so it is not tended by
    what `assets` holds.
    """

    assets: str | Path
    models: Models
    ledger: str = field(repr=False)
    shared: bool = False
    budgets: tuple[str, ...] = ()
    emulator_url: str = ""
    render_url: str = ""
    calls_hosted: bool = True
    usd_per_gpu_hour: float = USD_PER_GPU_HOUR
    usd_per_cpu_hour: float = USD_PER_CPU_HOUR
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)


@dataclass(frozen=True, slots=True)
class Room:
    """A studio with what stands behind it; nothing in it is loaded yet."""

    studio: Studio
    registry: Registry
    models: LocalModels
    house: House
    ocr: OcrService

    async def read(self) -> Stamp:
        """Loads the readers, which takes seconds; what is wrong with the engines is better said before.

        Raises:
            ReaderFailed: one could not be loaded.
        """
        await self.ocr.start()
        return Stamp(
            score_version=SCORE_VERSION,
            readers=tuple(sorted(self.ocr.coverage)),
            machine=described(),
            accept=dataclasses.asdict(DEFAULT),
            usd_per_hour={"gpu": self.house.usd_per_gpu_hour, "cpu": self.house.usd_per_cpu_hour},
        )


# What makes a contestant of a policy's name, where policies are known.
Policies = Callable[[str, Room], Contestant]


@contextlib.asynccontextmanager
async def open_room(
    house: House, readers: Sequence[str], *, watch: Watch | None = None
) -> AsyncIterator[Room]:
    """`watch` is told, from another thread, how far the local models are.

    Raises:
        NotAtHand: the asset store cannot be opened.
    """
    registry = load_registry()
    models = house.models(registry, watch)
    engines = Engines(
        registry,
        today=lambda: dt.datetime.now(dt.UTC).date(),
        emulator_url=house.emulator_url or None,
        render_url=house.render_url or None,
        usd_per_cpu_hour=house.usd_per_cpu_hour,
        usd_per_gpu_hour=house.usd_per_gpu_hour,
        environ=house.environ,
        local=models,
        hosted=HostedEngines(registry),
        calls_hosted=house.calls_hosted,
    )
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(engines.aclose)
        store = _opened(house.assets)
        ocr = OcrService(readers)
        stack.push_async_callback(ocr.aclose)
        spending = await asyncio.to_thread(_spending, house, registry)
        stack.push_async_callback(spending.aclose)
        service = RenderService(engines, store, no_cache=True, spending=spending)
        if not house.shared:
            await stack.enter_async_context(_tended(spending, store))
        run = f"bench-{secrets.token_hex(4)}"
        studio = Studio(engines, service, store, ocr, environ=house.environ, run=run)
        yield Room(studio, registry, models, house, ocr)


@contextlib.asynccontextmanager
async def _tended(spending: Spending, store: AssetStore) -> AsyncIterator[None]:
    tending = asyncio.create_task(spending.keep_tending(store))
    try:
        yield
    finally:
        tending.cancel()
        await asyncio.wait((tending,))


def _spending(house: House, registry: Registry) -> Spending:
    """Raises:
    NotAtHand: the ledger cannot be opened, or a budget is for an engine that is none.
    """
    try:
        budgets = [parse_budget(text) for text in house.budgets]
        check_budgets(budgets, registry.names)
    except ValueError as error:
        raise NotAtHand(f"{error} (budgets, GLYPHSTREAM_BUDGETS)") from error
    try:
        return Spending.open(house.ledger, budgets=budgets)
    except LedgerError as error:
        raise NotAtHand(f"{error} (ledger, GLYPHSTREAM_LEDGER)") from error


def known_readers(named: str) -> tuple[str, ...]:
    """The readers of `--reader`: names separated by commas, "both" one of them or all.

    Raises:
        NotAtHand: one is unknown or not installed; the text says how to get it.
    """
    asked = [name for part in named.split(",") if (name := part.strip())]
    both = [other for name in asked for other in (BOTH if name == "both" else (name,))]
    try:
        names = chosen_readers(",".join(both))
    except ValueError as error:
        raise NotAtHand(f"--reader: {error}, or both") from error
    available = available_readers()
    for name in names:
        if not available[name][0]:
            get = reader_entry(name).get
            raise NotAtHand(f"--reader: {name!r} is not installed here; {get}, or name another")
    return names


def known_models(named: str, policies: Sequence[str]) -> tuple[str, ...]:
    """The contestants of `--models`, aliases replaced by the engines' own names; `policies` are those known.

    Raises:
        NotAtHand: one is unknown; the text lists those there are.
    """
    registry = load_registry()
    return tuple(_known(name.strip(), registry, policies) for name in named.split(","))


def contestants(names: Sequence[str], room: Room, policies: Policies | None) -> tuple[Contestant, ...]:
    """Raises:
    NotAtHand: an engine does not draw here, or a local model was named that cannot; the text says why.
    """
    _check_models(names, room)
    return tuple(
        policies(name.removeprefix(POLICY), room)
        if policies and name.startswith(POLICY)
        else EngineContestant(name, room.studio)
        for name in names
    )


def _check_models(names: Sequence[str], room: Room) -> None:
    """A setting that names no model must not be made up for by the emulator in silence."""
    for engine in room.models.names:
        if engine in names or any(name.startswith(POLICY) for name in names):
            try:
                room.models.chosen(engine)
            except CheckpointError as error:
                raise NotAtHand(f"{engine}: {error}") from error


def _known(name: str, registry: Registry, policies: Sequence[str]) -> str:
    if name.startswith(POLICY):
        if name.removeprefix(POLICY) in policies:
            return name
        known = ", ".join(POLICY + each for each in policies)
        fix = f"known: {known}" if known else "policies are compared by `glyphstream bench`"
        raise NotAtHand(f"--models: policy: unknown {name.removeprefix(POLICY)!r}; {fix}")
    try:
        return registry.get(name).name
    except UnknownEngine as error:
        raise NotAtHand(f"--models: {error}") from error


def _opened(assets: str | Path) -> AssetStore:
    try:
        return AssetStore.open(assets)
    except ValueError as error:
        raise NotAtHand(f"{error} (--assets, --out)") from error
