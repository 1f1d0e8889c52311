"""send: check prompts, then produce them."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from schemas.topics import PROMPTS
from schemas.wire import encode, headers_for, key_for
from streams.commands.documents import FILE_OR_STDIN, Placed, checked_or_failure
from streams.commands.terminal import echo_json, safe
from streams.commands.verb import WITH_BROKER, App, Failure, pass_app, verb
from streams.runtime.errors import EXIT_UNREACHABLE
from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class Sent:
    placed: Placed
    topic: str
    partition: int
    offset: int


@verb(
    "send",
    examples=(
        "glyphstream send prompts/demo.jsonl",
        "glyphstream send --dry-run my-prompts.jsonl",
        """echo '{"source":"me","id":"1","prompt":"a poster: \\"OPEN LATE\\""}' | glyphstream send -""",
    ),
    exits=WITH_BROKER,
)
@click.argument("file", type=FILE_OR_STDIN)
@click.option("--dry-run", is_flag=True, help="Check only; needs no broker.")
@click.option("--strict", is_flag=True, help="Fields that nobody reads are faults too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a prompt on standard output.")
@pass_app
def command(app: App, file: Path, dry_run: bool, strict: bool, as_json: bool) -> None:
    """Check prompts and send them.

    FILE holds JSON lines, one JSON object or an array of them; - reads standard input. Every line is
    checked before the first is sent, and all faults are listed. A prompt of the same source and id as
    one sent before makes no second picture: sending again is safe, within about 5,000 records of a
    partition.
    """
    checked = checked_or_failure(file)
    if strict and checked.warnings:
        raise Failure(f"{file}: {len(checked.warnings)} unknown fields and --strict; nothing was sent")
    if dry_run:
        _tell_dry(checked.prompts, as_json=as_json)
        return
    for sent in asyncio.run(_send(app.settings(), checked.prompts)):
        _tell(sent, as_json=as_json)


async def _send(settings: Settings, prompts: Sequence[Placed]) -> list[Sent]:
    from aiokafka import AIOKafkaProducer
    from aiokafka.errors import KafkaError

    from streams.runtime.clients import producer_options
    from streams.scan import UNREACHABLE_AFTER_S, unreachable

    producer = AIOKafkaProducer(**producer_options(settings))
    try:
        await asyncio.wait_for(producer.start(), UNREACHABLE_AFTER_S)
    except (KafkaError, OSError, TimeoutError) as error:
        await producer.stop()
        raise Failure(unreachable(settings, error), exit_code=EXIT_UNREACHABLE) from error
    topic = settings.topic_prefix + PROMPTS.name
    now = dt.datetime.now(dt.UTC)
    try:
        futures = [
            await producer.send(
                topic,
                value=encode(placed.event),
                key=key_for(placed.event),
                headers=headers_for(placed.event, producer="send", time=now),
            )
            for placed in prompts
        ]
        written = await asyncio.gather(*futures)
    except KafkaError as error:
        raise Failure(
            f"{topic}: the broker refused: {type(error).__name__}: {error}; mend it and send all again, "
            "what was taken already is not drawn twice"
        ) from error
    finally:
        await producer.stop()
    return [
        Sent(placed, record.topic, record.partition, record.offset)
        for placed, record in zip(prompts, written, strict=True)
    ]


def _tell(sent: Sent, *, as_json: bool) -> None:
    event = sent.placed.event
    if as_json:
        place = {"topic": sent.topic, "partition": sent.partition, "offset": sent.offset}
        echo_json({"source": event.source, "id": event.id, **place})
    else:
        click.echo(f"{safe(event.source)}/{safe(event.id)}  {sent.topic} {sent.partition}:{sent.offset}")


def _tell_dry(prompts: Sequence[Placed], *, as_json: bool) -> None:
    for placed in prompts:
        event = placed.event
        finals = event.variants * max(1, len(event.locales))
        if as_json:
            echo_json({"source": event.source, "id": event.id, "place": placed.place, "finals": finals})
        else:
            count = "one final" if finals == 1 else f"{finals} finals"
            click.echo(f"{safe(event.source)}/{safe(event.id)}  {placed.place}: sound, {count}")
