"""What reviewing reads from Kafka and writes to it."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import click
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from inference.reviews.pictures import Picture, by_render, picture_of
from schemas.events import Result, Review
from schemas.faults import BadEvent
from schemas.topics import RESULTS, REVIEWS
from schemas.wire import decode, encode, headers_for, key_for
from streams.commands.reading import scan_or_failure
from streams.commands.verb import Failure
from streams.reviewing.order import LogOrder, Place, in_order
from streams.runtime.bounded import within
from streams.runtime.clients import producer_options
from streams.runtime.errors import EXIT_UNREACHABLE
from streams.runtime.records import Record
from streams.scan import UNREACHABLE_AFTER_S, unreachable
from streams.settings import Settings

# aiokafka sends an idempotent batch again for ever, and a person waits. A new leader is there in less.
WRITTEN_WITHIN_S: Final = 10.0
CLOSED_WITHIN_S: Final = 5.0


class WriteFailed(Exception):
    """A review that may not have been written; the same one may be written again."""


@dataclass(frozen=True, slots=True)
class Held:
    """Pictures by render id, and reviews in the order they were written."""

    pictures: dict[str, Picture]
    reviews: list[Review]


async def read(settings: Settings) -> Held:
    """All results and reviews there are now. What is neither is told on standard error and passed over.

    Raises:
        Failure: no broker, or a topic is missing.
    """
    pictures: list[tuple[Place, Picture]] = []
    reviews: list[tuple[Place, Review]] = []
    order = LogOrder()
    reviews_topic = settings.topic_prefix + REVIEWS.name
    async with scan_or_failure(settings, [RESULTS.name, REVIEWS.name]) as scan:
        async for record in scan.to_end():
            place = order.place(record)
            try:
                if record.topic == reviews_topic:
                    reviews.append((place, decode(Review, record.value, record.headers)))
                elif (picture := picture_of(decode(Result, record.value, record.headers))) is not None:
                    pictures.append((place, picture))
            except BadEvent as error:
                _tell_passed_over(record, error)
    return Held(by_render(in_order(pictures)), in_order(reviews))


def _tell_passed_over(record: Record, error: BadEvent) -> None:
    place = f"{record.topic} {record.partition}:{record.offset}"
    click.echo(f"warning: {place} is passed over: {error.summary}", err=True)


class Writer:
    """Writes reviews to their topic, each at once, under the prompt's key, with all replicas' word."""

    def __init__(
        self,
        producer: Any,
        topic: str,
        now: Callable[[], dt.datetime],
        *,
        within_s: float = WRITTEN_WITHIN_S,
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._now = now
        self._within_s = within_s

    async def write(self, review: Review) -> None:
        """Raises:
        WriteFailed: the broker did not say in time that it has the review; it may have it all the same.
        """
        sending = self._producer.send_and_wait(
            self._topic,
            value=encode(review),
            key=key_for(review),
            headers=headers_for(review, producer="review", time=self._now()),
        )
        try:
            await asyncio.wait_for(sending, self._within_s)
        except TimeoutError as error:
            raise WriteFailed(f"{self._topic}: no word from the broker in {self._within_s:g} s") from error
        except (KafkaError, OSError) as error:
            raise WriteFailed(f"{self._topic}: {type(error).__name__}: {error}") from error


@asynccontextmanager
async def open_writer(settings: Settings, now: Callable[[], dt.datetime]) -> AsyncIterator[Writer]:
    """Raises:
    Failure: no broker answers.
    """
    producer = AIOKafkaProducer(**producer_options(settings))
    try:
        try:
            await asyncio.wait_for(producer.start(), UNREACHABLE_AFTER_S)
        except (KafkaError, OSError, TimeoutError) as error:
            raise Failure(unreachable(settings, error), exit_code=EXIT_UNREACHABLE) from error
        yield Writer(producer, settings.topic_prefix + REVIEWS.name, now)
    finally:
        # Without a broker aiokafka would flush for ever, and no Ctrl-C would be heard.
        if (fault := await within(CLOSED_WITHIN_S, producer.stop())) is not None:
            click.echo(f"warning: the writer of reviews did not close: {fault}", err=True)
