"""Sends what the topic does not hold yet, all of it or nothing."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer

from schemas.events import PromptEvent
from schemas.faults import BadEvent
from schemas.topics import PROMPTS
from schemas.wire import decode, encode, headers_for, key_for
from streams.runtime.clients import producer_options
from streams.scan import open_scan
from streams.settings import Settings

TRANSACTIONAL_ID = "glyphstream.demo.sender"


async def send_missing(settings: Settings, prompts: Sequence[PromptEvent], now: dt.datetime) -> int:
    """How many were sent; the others are on the topic already.

    One transaction under a fixed transactional id: starting the producer aborts what an earlier run left
    half sent, and only then is the topic read, so that no prompt is missed and none is sent twice.
    """
    producer = AIOKafkaProducer(
        **producer_options(settings), transactional_id=settings.topic_prefix + TRANSACTIONAL_ID
    )
    await producer.start()
    try:
        held = await _held(settings)
        missing = [prompt for prompt in prompts if (prompt.source, prompt.id) not in held]
        if missing:
            async with producer.transaction():
                written = [
                    await producer.send(
                        settings.topic_prefix + PROMPTS.name,
                        value=encode(prompt),
                        key=key_for(prompt),
                        headers=headers_for(prompt, producer="demo", time=now),
                    )
                    for prompt in missing
                ]
                await asyncio.gather(*written)
    finally:
        await producer.stop()
    return len(missing)


async def _held(settings: Settings) -> set[tuple[str, str]]:
    held = set()
    async with open_scan(settings, [PROMPTS.name]) as scan:
        async for record in scan.to_end():
            try:
                prompt = decode(PromptEvent, record.value, record.headers)
            except BadEvent:
                continue
            held.add((prompt.source, prompt.id))
    return held
