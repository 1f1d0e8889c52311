"""Results as the score stage publishes them: in transactions, with pictures in an asset store."""

from __future__ import annotations

import asyncio
import datetime as dt
import io
from collections.abc import Sequence
from pathlib import Path

from confluent_kafka import Producer
from PIL import Image

from inference.assets import AssetStore
from schemas.events import Asset, Pictures, PromptRef, Result, Status
from schemas.ids import result_id
from schemas.wire import encode, headers_for, key_for

NOW = dt.datetime(2026, 5, 1, 9, 30, tzinfo=dt.UTC)


def picture(folder: Path, colour: str) -> Asset:
    """A stored PNG of one colour, named by a `file:` uri."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(buffer, "png")
    return asyncio.run(AssetStore.open(folder).put(buffer.getvalue(), "image/png", 64, 64))


def result(ref: PromptRef, image: Asset | None, *, status: Status | None, reason: str = "") -> Result:
    return Result(
        id=result_id(ref, 0, status is not None),
        ref=ref,
        final=status is not None,
        status=status,
        pictures=Pictures(image=image, original=image) if image else None,
        reason=reason,
    )


def publish(
    bootstrap: str, topic: str, results: Sequence[Result], *, taken_back: Sequence[Result] = ()
) -> None:
    """`taken_back` first, in a transaction that is aborted once the broker has it; then `results`."""
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"{topic}-score"})
    producer.init_transactions(30)
    for events, finish in ((taken_back, producer.abort_transaction), (results, producer.commit_transaction)):
        if events:
            producer.begin_transaction()
            for event in events:
                headers: list[tuple[str, str | bytes | None]] = [
                    *headers_for(event, producer="score", time=NOW)
                ]
                producer.produce(topic, key=key_for(event), value=encode(event), headers=headers)
            producer.flush(30)
            finish(30)
