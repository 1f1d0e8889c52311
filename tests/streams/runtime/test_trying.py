"""What counts as a try, and what a handler may raise."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import cast

import pytest

from schemas.events import PromptEvent
from streams.runtime.errors import Retryable
from streams.runtime.records import Outgoing
from streams.runtime.stage import Emit
from streams.runtime.work import Done
from tests.support.epochs import VirtualClock, prompt_record, started_epoch, worker_of
from tests.support.stages import Handle, numbered_result, stage_of

# What the retry policy allows, `RetryPolicy.unknown_errors`.
UNFORESEEN = 3


class Tries:
    """A handler that raises what it is given, one each try, and then answers."""

    def __init__(self, errors: Sequence[BaseException]) -> None:
        self.count = 0
        self._errors: Iterator[BaseException] = iter(errors)

    async def handle(self, prompt: PromptEvent) -> Sequence[Emit]:
        self.count += 1
        for error in self._errors:
            raise error
        return (numbered_result(prompt),)


async def worked(handle: Handle) -> Done:
    worker = worker_of(stage_of(handle))
    return await worker.work(worker.open(prompt_record(0, key="a", number="7")))


def header(output: Outgoing, name: str) -> str:
    return dict(output.headers)[name].decode()


BUSY = [Retryable("busy")] * 5


@pytest.mark.parametrize(
    ("errors", "tries", "dead"),
    [
        ([*BUSY, KeyError("once")], 7, False),
        ([KeyError("once"), *BUSY, KeyError("twice")], 8, False),
        ([KeyError("once"), *BUSY, KeyError("twice"), KeyError("thrice")], 8, True),
    ],
    ids=["one at the end", "two around them", "the third"],
)
async def test_only_unforeseen_errors_use_up_the_tries_for_unforeseen_errors(
    errors: Sequence[Exception], tries: int, dead: bool
) -> None:
    handler = Tries(errors)
    done = await worked(handler.handle)
    assert (handler.count, done.dead) == (tries, dead)


class SlowSlots:
    """A semaphore whose slot comes after `wait_s`: in a long line all slots are taken."""

    def __init__(self, clock: VirtualClock, wait_s: float) -> None:
        self._clock, self._wait_s = clock, wait_s

    async def __aenter__(self) -> None:
        wait_s, self._wait_s = self._wait_s, 0.0
        self._clock.elapsed += wait_s

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


async def test_waiting_for_the_first_slot_is_no_trying() -> None:
    """Five minutes of trying begin when it begins: a busy stage is no reason to give a prompt up."""
    clock, handler = VirtualClock(), Tries([Retryable("busy for a second")])
    slots = cast(asyncio.Semaphore, SlowSlots(clock, 3_600.0))
    worker = worker_of(stage_of(handler.handle), clock=clock, slots=slots)
    done = await worker.work(worker.open(prompt_record(0, key="a", number="7")))
    assert (handler.count, done.dead) == (2, False)
    assert json.loads(done.outputs[0].value or b"{}")["status"] == "accepted"


async def cancelled_elsewhere() -> None:
    """As a pool, a task group or a client ends that somebody closed: nobody cancelled this task."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


async def test_a_handler_that_raises_cancelled_error_by_itself_is_tried_again_until_it_works() -> None:
    handler = Tries([asyncio.CancelledError(), asyncio.CancelledError()])
    done = await worked(handler.handle)
    assert (handler.count, done.dead) == (3, False)


async def test_a_handler_that_always_raises_cancelled_error_gives_a_dead_letter_and_its_key_goes_on() -> None:
    tries = 0

    async def handle(prompt: PromptEvent) -> Sequence[Emit]:
        nonlocal tries
        if prompt.prompt == "bad":
            tries += 1
            await cancelled_elsewhere()
        return (numbered_result(prompt),)

    epoch, written = await started_epoch(worker_of(stage_of(handle)))
    lines = [("a", "bad"), ("a", "behind it"), ("b", "beside it")]
    epoch.feed([prompt_record(offset, key=key, number=number) for offset, (key, number) in enumerate(lines)])
    assert await epoch.drain(5.0)
    await epoch.release()
    assert tries == UNFORESEEN
    assert written.marks[-1].offset == len(lines)
    letters = [output for output in written.outputs if output.topic == "dead-letters"]
    assert [header(letter, "x-original-offset") for letter in letters] == ["0"]
    accepted = [json.loads(output.value or b"{}") for output in written.outputs if output not in letters]
    assert sorted(each["id"] for each in accepted if each["status"] == "accepted") == [
        "behind it",
        "beside it",
    ]


async def test_a_handler_that_is_cancelled_by_a_release_is_not_tried_again_and_leaves_nothing() -> None:
    tries, begun = 0, asyncio.Event()

    async def handle(_prompt: PromptEvent) -> Sequence[Emit]:
        nonlocal tries
        tries += 1
        begun.set()
        await asyncio.Event().wait()
        return ()

    epoch, written = await started_epoch(worker_of(stage_of(handle)))
    epoch.feed([prompt_record(0, key="a", number="7")])
    await begun.wait()
    await epoch.release()
    assert (tries, epoch.running, written.marks) == (1, 0, [])
