"""Numbered prompts in, numbered results out: what the tests of the loop send, run and count."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Protocol

from confluent_kafka import Message

from schemas.events import PromptEvent
from schemas.wire import encode, key_for
from streams.runtime.loop import StageLoop
from streams.runtime.stage import Emit
from tests.support import stages
from tests.support.kafka import Row, produce, read_all, read_until
from tests.support.stages import Handle, numbered_result, stage_of

KEYS = 8


class Place(Protocol):
    """Where a test's topics are; `tests.conftest.TestTopics` is one."""

    @property
    def bootstrap(self) -> str: ...
    @property
    def prefix(self) -> str: ...


def event(number: int, key: int) -> PromptEvent:
    return PromptEvent(id=f"k{key}", source="test", prompt=f"{number}")


def send_numbers(place: Place, numbers: Iterable[int], *, keys: int = KEYS, **where: int) -> None:
    """A prompt for each number, in turn under one of `keys` keys; `where` may name a `partition`."""
    send_events(place, (event(number, number % keys) for number in numbers), **where)


def send_events(place: Place, events: Iterable[PromptEvent], **where: int) -> None:
    rows: list[Row] = [(key_for(each), encode(each), []) for each in events]
    produce(place.bootstrap, place.prefix + "prompts", rows, **where)


class Echo:
    """A stage that answers each prompt with a result naming it, after a random moment."""

    def __init__(self, *, longest_s: float = 0.01) -> None:
        self.longest_s = longest_s
        self.running: set[str] = set()
        self.seen: collections.Counter[int] = collections.Counter()

    @property
    def calls(self) -> int:
        return self.seen.total()

    async def handle(self, prompt: PromptEvent) -> Sequence[Emit]:
        assert prompt.id not in self.running, "two records of one key at once"
        self.running.add(prompt.id)
        self.seen[int(prompt.prompt)] += 1
        try:
            await asyncio.sleep(random.random() * self.longest_s)
        finally:
            self.running.discard(prompt.id)
        return (numbered_result(prompt),)


def loop_of(place: Place, handle: Handle, **changes: Any) -> StageLoop:
    """As `tests.support.stages.loop_of`; `stage` holds further fields of the `Stage`."""
    stage = stage_of(handle, **changes.pop("stage", {}))
    return stages.loop_of(place.bootstrap, place.prefix, stage, **changes)


@contextlib.asynccontextmanager
async def running(loop: StageLoop) -> AsyncIterator[asyncio.Task[None]]:
    """The loop at work; drained at the end. Raises what the loop raises."""
    stop = asyncio.Event()
    task = asyncio.create_task(loop.run(stop))
    try:
        yield task
    finally:
        stop.set()
        await task


async def results(place: Place, count: int, *, timeout_s: float = 60.0) -> list[Message]:
    return await asyncio.to_thread(
        read_until,
        place.bootstrap,
        place.prefix + "results",
        lambda found: len(found) >= count,
        timeout_s=timeout_s,
    )


def all_results(place: Place) -> list[Message]:
    return read_all(place.bootstrap, place.prefix + "results")


def numbers_by_key(messages: Sequence[Message]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for message in messages:
        body = json.loads(message.value() or b"{}")
        found.setdefault(body["ref"]["id"], []).append(int(body["id"]))
    return found


def numbers(messages: Sequence[Message]) -> list[int]:
    """The numbers in order of size, doubles included."""
    return sorted(number for found in numbers_by_key(messages).values() for number in found)


def assert_each_once_in_order(messages: Sequence[Message], count: int) -> None:
    by_key = numbers_by_key(messages)
    found = collections.Counter(number for of_key in by_key.values() for number in of_key)
    lost = [number for number in range(count) if number not in found]
    again = {number: times for number, times in found.items() if times > 1}
    assert not lost, f"{len(lost)} lost: {lost[:20]}"
    assert not again, f"{len(again)} more than once: {dict(sorted(again.items())[:20])}"
    assert len(found) == count
    for of_key in by_key.values():
        assert of_key == sorted(of_key)


class Tally:
    """Counts what happens; a test waits until it happened often enough."""

    def __init__(self) -> None:
        self.count = 0
        self._changed = asyncio.Event()

    def add(self, *_what: object) -> int:
        self.count += 1
        self._changed.set()
        return self.count

    async def reached(self, count: int, *, timeout_s: float = 30.0) -> None:
        """Raises:
        TimeoutError: it did not happen that often; the text says how often it did.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while self.count < count:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            raise TimeoutError(f"{self.count} of {count} within {timeout_s:g} s") from error
