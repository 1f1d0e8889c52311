"""A logical engine of the registry as a contestant."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from inference.assets import AssetStore, StoreFailed
from inference.bench.asking import spec_of
from inference.bench.contestant import NotAtHand
from inference.bench.details import Detail
from inference.bench.plan import Draw
from inference.bench.reading import Readers, judged, read_back
from inference.bench.samples import Payee, sample_of
from inference.engines.base import Transient
from inference.engines.registry import EngineGone, EngineUnavailable, Resolved, UnknownEngine
from inference.legibility.acceptance import DEFAULT, Acceptance
from inference.legibility.base import Line
from inference.render import EnginePool, RenderService
from schemas.events import Legibility, PromptEvent, PromptRef, Render, RenderJob

_log = logging.getLogger(__name__)

# Of a name in an event.
LONGEST_RUN: Final = 200


@dataclass(frozen=True, slots=True)
class Studio:
    """What draws, keeps and reads the pictures of all contestants; `service` must draw without a cache.

    `run` tells the jobs of this bench from those of any other, so that none is taken for paid already.
    """

    engines: EnginePool
    service: RenderService
    store: AssetStore
    ocr: Readers
    acceptance: Acceptance = DEFAULT
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    run: str = "bench"

    def run_of(self, contestant: str) -> str:
        """The run of one contestant's jobs: two that ask the same of one engine are each drawn for."""
        return f"{self.run}-{contestant}"[:LONGEST_RUN]


def live_key(resolved: Resolved, environ: Mapping[str, str]) -> str:
    """The variable whose key the engine is called with; empty where there is none, or the emulator draws."""
    key = resolved.entry.key_env
    return key if key and environ.get(key) and not resolved.emulated else ""


def payee(resolved: Resolved, environ: Mapping[str, str]) -> Payee:
    """A provider has a price for a picture, or wants a key; else it is our own machine's time that costs."""
    hosted = resolved.entry.price.per == "image" or live_key(resolved, environ)
    return "hosted" if hosted else "infrastructure"


class EngineContestant:
    """Draws every sample anew with one engine, once: what fails is not tried again."""

    def __init__(self, name: str, studio: Studio) -> None:
        """Raises:
        NotAtHand: no engine of that name draws here.
        """
        try:
            self._resolved = studio.engines.resolve(name)
        except EngineUnavailable as error:
            raise NotAtHand(f"{error} (--emulate starts one)") from error
        except (UnknownEngine, EngineGone) as error:
            raise NotAtHand(str(error)) from error
        self._studio = studio
        self.name = name
        self.model = self._resolved.model
        self.emulated = self._resolved.emulated
        self.payee: Payee = payee(self._resolved, studio.environ)
        self.live = live_key(self._resolved, studio.environ)

    def price(self, event: PromptEvent) -> float:
        """The list price of the living engine; 0 for our machines and where the emulator draws."""
        if self._resolved.emulated or self.payee != "hosted":
            return 0.0
        return self._resolved.entry.price.list_usd(event.width, event.height)

    def paid(self, event: PromptEvent, detail: Detail) -> float:
        """What the picture cost; the list price for one that did not come and may be billed."""
        if self._resolved.emulated:
            return 0.0
        if detail.sample.rendered or self._resolved.entry.billing.forgives:
            return detail.sample.usd_hosted
        return max(detail.sample.usd_hosted, self.price(event))

    async def draw(self, event: PromptEvent, draw: Draw) -> Detail:
        """Draws and reads one picture.

        Raises:
            AssetError: the picture could not be kept or read back.
        """
        render = await self._rendered(self._job(event, draw))
        legibility: Legibility | None = None
        lines: tuple[Line, ...] = ()
        if render.pictures is not None:
            png = await self._studio.store.get(render.pictures.image)
            legibility, lines = await read_back(
                self._studio.ocr, png, event.texts, by_construction=render.by_construction
            )
        sample = sample_of(
            render,
            legibility,
            subject=draw.subject,
            sample=draw.sample,
            accepted=judged(legibility, self._studio.acceptance) if legibility else False,
            paid_to=self.payee,
            warm_up=draw.warm_up,
        )
        return Detail(sample=sample, legibility=legibility, lines=lines)

    async def _rendered(self, job: RenderJob) -> Render:
        try:
            return await self._studio.service.render(job)
        except Transient as error:
            if isinstance(error.__cause__, StoreFailed):
                raise error.__cause__ from error
            reason = str(error)
        except Exception as error:
            # A fault of ours in one adapter must not end a bench of others; the log has the rest.
            _log.exception("%s: a fault that no engine should have", self.name)
            reason = f"unexpected {type(error).__name__}: {error}"
        emulated = self._resolved.emulated
        return Render(job=job, outcome="failed", model=self.model, emulated=emulated, reason=reason)

    def _job(self, event: PromptEvent, draw: Draw) -> RenderJob:
        return RenderJob(
            ref=PromptRef(event.source, event.id, draw.sample, self._studio.run_of(self.name)),
            spec=spec_of(event, draw.seed),
            engine=self.name,
            purpose="final",
            ordinal=0,
            route="bench",
            reason="drawn for the bench",
            policy="",
        )
