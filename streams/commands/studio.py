"""Drawing and reading pictures in this process, without Kafka."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.events import Legibility, Render, RenderJob, Spec
from streams.commands.choices import opened_store
from streams.settings import Settings

if TYPE_CHECKING:
    from inference.assets import AssetStore
    from inference.engines.registry import Engines
    from inference.legibility.service import OcrService
    from inference.render import RenderService
    from inference.sd3.process import Watch

_NOT_IN_NAMES = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Drawn:
    """`path` is where the picture lies; None where there is none."""

    render: Render
    legibility: Legibility | None
    path: Path | None


@dataclass(frozen=True, slots=True)
class Studio:
    """What draws, keeps and reads one picture."""

    service: RenderService
    store: AssetStore
    ocr: OcrService | None
    out: Path

    async def draw(self, job: RenderJob) -> Drawn:
        """Draws `job`, keeps the picture under a readable name, reads it back."""
        from inference.engines.base import Transient

        try:
            render = await self.service.render(job)
        except Transient as error:
            return Drawn(Render(job=job, outcome="failed", reason=str(error)), None, None)
        if render.pictures is None:
            return Drawn(render, None, None)
        png = await self.store.get(render.pictures.image)
        path = self.out / file_name(job.spec, render)
        await asyncio.to_thread(_write, path, png)
        return Drawn(render, await self._read(render, png), path)

    async def _read(self, render: Render, png: bytes) -> Legibility | None:
        if self.ocr is None:
            return None
        from inference.legibility.score import score

        readings = await self.ocr.read(png)
        return score(
            render.job.spec.texts, readings, self.ocr.coverage, by_construction=render.by_construction
        )


@contextlib.asynccontextmanager
async def open_studio(
    settings: Settings, out: Path, jobs: Sequence[RenderJob], *, ocr: bool, watch: Watch | None = None
) -> AsyncIterator[Studio]:
    """A studio for `jobs`: the ledger is opened where one of them may cost money. `watch` is told, from
    another thread, how far the local models are.

    Raises:
        Failure: the asset store cannot be opened.
        SettingsError: the ledger cannot be opened.
    """
    from inference.engines.registry import load_registry
    from inference.render import RenderService
    from streams.drawing import engines_of, spending_of
    from streams.models import local_models

    registry = load_registry()
    engines = engines_of(settings, registry, local_models(settings, registry, watch=watch))
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(engines.aclose)
        store = opened_store(settings)
        spending = None
        if any(_may_cost(engines, job) for job in jobs):
            spending = await stack.enter_async_context(spending_of(settings, store))
        service = RenderService(engines, store, no_cache=settings.no_cache, spending=spending)
        yield Studio(service, store, await _reader(settings, stack) if ocr else None, out)


def _may_cost(engines: Engines, job: RenderJob) -> bool:
    """No: this machine draws, or nobody does."""
    from inference.engines.registry import EngineGone, EngineUnavailable

    try:
        return engines.most_usd(engines.resolve(job.engine), job.spec) is not None
    except (EngineGone, EngineUnavailable):
        return False


async def _reader(settings: Settings, stack: contextlib.AsyncExitStack) -> OcrService:
    from inference.legibility.service import OcrService

    service = OcrService(settings.readers)
    stack.push_async_callback(service.aclose)
    await service.start()
    return service


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def file_name(spec: Spec, render: Render) -> str:
    """`blue-hour-layout-768x768-1234-3f2a.png`: words, engine, size, seed, start of the render id."""
    words = " ".join(text.text for text in spec.texts) or spec.prompt
    slug = _NOT_IN_NAMES.sub("-", words).strip("-").lower()[:48].rstrip("-") or "picture"
    return f"{slug}-{render.job.engine}-{spec.width}x{spec.height}-{spec.seed}-{render.render_id[:4]}.png"
