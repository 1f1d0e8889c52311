"""All providers behind one address, and render services that have a key to each of them."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from inference.assets import AssetStore
from inference.engines.adapters import ADAPTERS, HostedEngines
from inference.engines.emulator.core import Emulator
from inference.engines.emulator.drawing import draw_plain
from inference.engines.emulator.profiles import Profile
from inference.engines.emulator.serving import emulator_thread
from inference.engines.entries import Registry, load_registry
from inference.engines.ledger import Ledger
from inference.engines.ledger.reporting import audit, report
from inference.engines.registry import Engines
from inference.render import RenderService
from inference.spending import Observer, Spending
from schemas.events import PromptRef, RenderJob
from tests.inference.engines.playback import KEY, SPEC


@dataclass(slots=True)
class Street:
    """`today` is our day, and may be moved; the ledger at `path` and the store outlive services."""

    url: str
    emulator: Emulator
    path: Path
    today: dt.date
    store: AssetStore = field(default_factory=lambda: AssetStore.open("memory://"))
    opened: list[Engines | Spending] = field(default_factory=list)

    def service(self, registry: Registry | None = None, *, observer: Observer | None = None) -> RenderService:
        registry = registry or load_registry()
        engines = Engines(
            registry,
            today=lambda: self.today,
            environ={entry.key_env: KEY for entry in registry if entry.key_env},
            hosted=HostedEngines(registry, addresses=dict.fromkeys(ADAPTERS, self.url)),
        )
        spending = Spending.open(str(self.path), observer=observer)
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


@contextlib.asynccontextmanager
async def opened_street(
    path: Path, today: dt.date, *, theirs: dt.date | None = None
) -> AsyncIterator[Street]:
    """`theirs` is the day on which providers turn away what they have ended; without it they draw all."""
    with ThreadPoolExecutor(1) as pool:
        emulator = Emulator(
            profiles={"default": Profile()}, draw=draw_plain, executor=pool, pace=0.0, today=theirs
        )
        with emulator_thread(emulator) as url:
            street = Street(url, emulator, path, today)
            try:
                yield street
            finally:
                for each in reversed(street.opened):
                    await each.aclose()


def job(engine: str, *, ref: str = "1", seed: int = 7) -> RenderJob:
    return RenderJob(
        ref=PromptRef("shop", ref), spec=replace(SPEC, seed=seed), engine=engine, purpose="final", ordinal=0,
        route="r", reason="", policy="p",
    )  # fmt: skip
