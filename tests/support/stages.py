"""A small stage on the real runtime, for tests of the runtime: prompts in, one numbered result each out.

An event's `prompt` is its number, its `id` the key that keeps it in line.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from schemas.events import Asset, PromptEvent, PromptRef, Result
from schemas.topics import PROMPTS, RESULTS
from streams.runtime.clients import Clients, KafkaClients
from streams.runtime.clock import SystemClock
from streams.runtime.deadletters import DeadLetterLimit, DeadLetterWatch
from streams.runtime.loop import StageLoop
from streams.runtime.ownership import LoopOptions
from streams.runtime.retry import RetryPolicy
from streams.runtime.stage import Emit, GivenUp, Stage
from streams.runtime.work import Done, Worker
from streams.settings import Settings
from streams.stages.finals import failed_final

Handle = Callable[[PromptEvent], Awaitable[Sequence[Emit]]]
SHORT_SESSION: Mapping[str, Any] = {"session_timeout_ms": 6_000, "heartbeat_interval_ms": 500}


def numbered_result(prompt: PromptEvent) -> Emit:
    ref = PromptRef(prompt.source, prompt.id)
    return Emit(RESULTS, Result(id=prompt.prompt, ref=ref, final=True, status="accepted"))


def stage_of(handle: Handle, **fields: Any) -> Stage[PromptEvent]:
    def give_up(prompt: PromptEvent, error: Exception) -> GivenUp:
        return GivenUp(failed_final(PromptRef(prompt.source, prompt.id), str(error)))

    return Stage("echo", PROMPTS, PromptEvent, handle, give_up, failed_final, **fields)


async def keep(data: bytes) -> Asset:
    return Asset(uri="kept:1", sha256="0" * 64, media_type="application/json", bytes=len(data))


def loop_of(
    bootstrap: str,
    prefix: str,
    stage: Stage[PromptEvent],
    *,
    consumer: Mapping[str, Any] = SHORT_SESSION,
    producer: Mapping[str, Any] | None = None,
    limit: DeadLetterLimit | None = None,
    retry: RetryPolicy | None = None,
    slots: int = 8,
    wrap: Callable[[KafkaClients], Clients] = lambda clients: clients,
    on_done: Callable[[Done], None] = lambda _done: None,
    **options: Any,
) -> StageLoop:
    """`consumer` and `producer` change aiokafka's arguments, `options` fields of `LoopOptions`; `wrap` may
    put clients that misbehave in place of aiokafka's.
    """
    clients = KafkaClients.of(Settings(bootstrap=bootstrap, topic_prefix=prefix))
    clients = dataclasses.replace(
        clients,
        consumer_options={**clients.consumer_options, **consumer},
        producer_options={**clients.producer_options, **(producer or {})},
    )
    worker = Worker(
        stage,
        prefix=prefix,
        retry=retry or RetryPolicy(first_s=0.01),
        clock=SystemClock(),
        rng=random.Random(1),
        slots=asyncio.Semaphore(slots),
        keep=keep,
    )
    chosen = LoopOptions(group=f"{prefix}{stage.name}", topic=prefix + stage.topic.name, drain_s=10.0)
    return StageLoop(
        worker,
        dataclasses.replace(chosen, **options),
        wrap(clients),
        clock=SystemClock(),
        watch=DeadLetterWatch(limit or DeadLetterLimit()),
        on_done=on_done,
    )
