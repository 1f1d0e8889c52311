"""The line: named stages in one process, with the engines, the store and the reader they need."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Sequence
from typing import Any, Final

from aiokafka.errors import KafkaConnectionError

from inference.assets import AssetStore
from inference.engines.adapters import ADAPTERS
from inference.engines.breaker import Breaker
from inference.engines.local_sd3 import LocalModels
from inference.engines.registry import Registry, load_registry
from inference.legibility.service import OcrService
from inference.render import RenderService
from schemas.events import Asset
from streams.advice import advising
from streams.drawing import engines_of, spending_of, today
from streams.expiry import ends_watched
from streams.metrics import Metrics, metrics_of
from streams.models import check_models, local_models
from streams.routing.expected.advising import Advisor
from streams.routing.policy import EXPECTED, policy_named
from streams.runtime.clients import KafkaClients
from streams.runtime.clock import SystemClock
from streams.runtime.deadletters import DeadLetterLimit, DeadLetterWatch, Keep
from streams.runtime.errors import EXIT_UNREACHABLE, EXIT_USAGE, StageStopped
from streams.runtime.loop import StageLoop
from streams.runtime.ownership import LoopOptions
from streams.runtime.retry import RetryPolicy
from streams.runtime.stage import Stage
from streams.runtime.work import Worker
from streams.scan import unreachable
from streams.settings import Settings
from streams.stages.draw import DrawDeps, ListPrice
from streams.stages.polish import polish_stage
from streams.stages.preview import preview_stage
from streams.stages.route import RouteDeps, route_stage
from streams.stages.score import ScoreDeps, recorded_policy, score_stage

STAGES = ("route", "preview", "polish", "score")
DRAWING: Final = frozenset({"preview", "polish"})
# Every preview goes there first (`routing/table.py`). The others are loaded when they are asked.
WARMED: Final = "sd3.5_medium"

_log = logging.getLogger(__name__)


async def run_line(
    settings: Settings,
    stages: Sequence[str] = STAGES,
    *,
    stop: asyncio.Event,
    ready: Callable[[], None] | None = None,
) -> None:
    """Runs `stages` until `stop` is set, then drains them. `ready` is called once all have subscribed.

    Raises:
        StageStopped: a stage cannot go on; the others are drained first.
        SettingsError: a local model that was named cannot be used.
    """
    async with contextlib.AsyncExitStack() as stack:
        metrics = stack.enter_context(metrics_of(settings))
        models = await _models(settings, stages, stack)
        service = await _service(settings, models, metrics, stack) if DRAWING & set(stages) else None
        advisor = await _advisor(settings, models, stages, stack)
        built = [await _build(name, settings, service, advisor, stack) for name in stages]
        if "preview" in stages and models.missing(WARMED) is None:
            # Last, so that it is called off before the engines end the process under it.
            stack.push_async_callback(_cancelled, asyncio.create_task(_warm(models)))
        waiting = len(built)

        def joined() -> None:
            nonlocal waiting
            waiting -= 1
            if waiting == 0 and ready is not None:
                ready()

        await _run_together([_loop(stage, settings) for stage in built], settings, stop, joined)


async def _run_together(
    loops: Sequence[StageLoop], settings: Settings, stop: asyncio.Event, joined: Callable[[], None]
) -> None:
    tasks = [asyncio.create_task(loop.run(stop, joined)) for loop in loops]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        stop.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise _explained(outcome, settings)


def _explained(error: BaseException, settings: Settings) -> BaseException:
    if isinstance(error, KafkaConnectionError):
        stopped = StageStopped(unreachable(settings, error), exit_code=EXIT_UNREACHABLE)
        stopped.__cause__ = error
        return stopped
    return error


def _loop(stage: Stage[Any], settings: Settings) -> StageLoop:
    clock = SystemClock()
    worker = Worker(
        stage,
        prefix=settings.topic_prefix,
        retry=RetryPolicy(),
        clock=clock,
        rng=random.SystemRandom(),
        slots=asyncio.Semaphore(settings.concurrency),
        keep=_keeper(settings),
    )
    options = LoopOptions(
        group=f"{settings.topic_prefix}glyphstream.{stage.name}",
        topic=settings.topic_prefix + stage.topic.name,
        max_in_flight=settings.max_in_flight,
        drain_s=settings.drain_seconds,
        resend_horizon=settings.resend_horizon,
    )
    clients = KafkaClients.of(settings)
    return StageLoop(worker, options, clients, clock=clock, watch=DeadLetterWatch(DeadLetterLimit()))


def _keeper(settings: Settings) -> Keep:
    store = AssetStore.open(settings.assets)

    async def keep(data: bytes) -> Asset:
        return await store.put(data, "application/json")

    return keep


async def _models(settings: Settings, stages: Sequence[str], stack: contextlib.AsyncExitStack) -> LocalModels:
    """The local models, shared by the stages that draw."""
    models = local_models(settings, load_registry())
    stack.push_async_callback(models.aclose)
    if DRAWING & set(stages):
        await asyncio.to_thread(check_models, models)
    return models


async def _warm(models: LocalModels) -> None:
    """Loads a model while the stages join."""
    try:
        await models.warm(WARMED)
    except Exception:
        _log.warning("%s could not be loaded; its first job tries again", WARMED, exc_info=True)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait((task,))


async def _service(
    settings: Settings, models: LocalModels, metrics: Metrics, stack: contextlib.AsyncExitStack
) -> RenderService:
    """One for all stages that draw: what is in flight under one key is counted together."""
    registry, breaker = load_registry(), Breaker(SystemClock().monotonic)
    engines = engines_of(settings, registry, models, breaker=breaker)
    stack.push_async_callback(engines.aclose)
    await stack.enter_async_context(ends_watched(registry, metrics))
    metrics.watch_breaker([entry.name for entry in registry if entry.adapter in ADAPTERS], breaker.shut)
    store = AssetStore.open(settings.assets)
    spending = await stack.enter_async_context(spending_of(settings, store, observer=metrics))
    return RenderService(
        engines, store, SystemClock().monotonic, no_cache=settings.no_cache, spending=spending
    )


async def _advisor(
    settings: Settings, models: LocalModels, stages: Sequence[str], stack: contextlib.AsyncExitStack
) -> Advisor | None:
    """For `score` always: a job is judged by the policy that routed it, whichever routes now."""
    if "score" not in stages and not ("route" in stages and settings.policy == EXPECTED):
        return None
    engines = engines_of(settings, load_registry(), models)
    return await stack.enter_async_context(advising(settings, engines))


async def _build(
    name: str,
    settings: Settings,
    service: RenderService | None,
    advisor: Advisor | None,
    stack: contextlib.AsyncExitStack,
) -> Stage[Any]:
    if name == "route":
        if settings.policy == EXPECTED and advisor is not None:
            return route_stage(advisor)
        return route_stage(RouteDeps(policy_named(settings.policy)))
    if name in DRAWING and service is not None:
        deps = DrawDeps(service, SystemClock(), list_price(load_registry()))
        return preview_stage(deps) if name == "preview" else polish_stage(deps)
    if name == "score":
        return score_stage(await _score_deps(settings, advisor, stack))
    raise StageStopped(f"stage {name!r} is unknown; known: {', '.join(STAGES)}", exit_code=EXIT_USAGE)


async def _score_deps(
    settings: Settings, advisor: Advisor | None, stack: contextlib.AsyncExitStack
) -> ScoreDeps:
    ocr = OcrService(settings.readers)
    stack.push_async_callback(ocr.aclose)
    await ocr.start()
    store, price = AssetStore.open(settings.assets), list_price(load_registry())
    return ScoreDeps(ocr, store, price, recorded_policy, advisor)


def list_price(registry: Registry) -> ListPrice:
    """The list price of the engine that stands behind a logical name today."""

    def price(engine: str, width: int, height: int) -> float:
        return registry.resolve(engine, today=today()).price.list_usd(width, height)

    return price
