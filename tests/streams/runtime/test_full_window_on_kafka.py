"""A record that does not end, with more than the window's 8,192 offsets behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from schemas.events import PromptEvent
from streams.runtime.loop import CHUNK, StageLoop
from streams.runtime.offsets import WINDOW
from streams.runtime.stage import Emit
from tests.conftest import TestTopics
from tests.support.kafka import produce_aborted
from tests.support.numbers import (
    Tally,
    all_results,
    assert_each_once_in_order,
    loop_of,
    numbers_by_key,
    results,
    running,
    send_numbers,
)
from tests.support.stages import numbered_result

STUCK = 0
BEHIND = WINDOW + 2 * CHUNK
OTHERS = 200


class Stuck:
    """Record 0 waits until it is let go; all others are done in place and counted by partition."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        self.behind, self.others = Tally(), Tally()

    async def handle(self, prompt: PromptEvent) -> Sequence[Emit]:
        await self.let_go.wait()
        return (numbered_result(prompt),)

    def at_once(self, prompt: PromptEvent) -> Sequence[Emit]:
        number = int(prompt.prompt)
        if number == STUCK:
            raise LookupError("not at once")
        (self.behind if number < BEHIND else self.others).add()
        return (numbered_result(prompt),)

    def loop(self, topics: TestTopics) -> StageLoop:
        stage = {"at_once": self.at_once}
        return loop_of(topics, self.handle, stage=stage, drain_s=0.2)


def send_behind(topics: TestTopics) -> None:
    """Keys of their own: nothing waits in line, all waits for the window."""
    send_numbers(topics, range(BEHIND), keys=BEHIND, partition=0)


async def test_a_full_window_pauses_its_partition_alone_until_the_record_ends(topics: TestTopics) -> None:
    stuck = Stuck()
    send_behind(topics)
    async with running(stuck.loop(topics)):
        await stuck.behind.reached(WINDOW - 1)
        others = range(BEHIND, BEHIND + OTHERS)
        send_numbers(topics, others, keys=others.stop, partition=1)
        await stuck.others.reached(OTHERS)
        # What one poll may bring on top: the pause comes before the next.
        assert WINDOW - 1 <= stuck.behind.count < WINDOW + CHUNK
        stuck.let_go.set()
        await results(topics, BEHIND + OTHERS)
    assert_each_once_in_order(all_results(topics), BEHIND + OTHERS)


async def test_what_was_finished_in_a_full_window_is_not_done_again_by_the_next_owner(
    topics: TestTopics,
) -> None:
    send_behind(topics)
    first = Stuck()
    async with running(first.loop(topics)):
        await first.behind.reached(WINDOW - 1)
    await assert_the_next_owner_repeats_nothing(topics, BEHIND)


async def test_what_was_finished_behind_a_gap_wider_than_a_commit_can_tell_is_not_done_again(
    topics: TestTopics,
) -> None:
    """Aborted records take offsets too: ten records behind them are far outside the window."""
    send_numbers(topics, range(10), keys=20, partition=0)
    produce_aborted(topics.bootstrap, topics.name("prompts"), 3 * WINDOW, partition=0)
    send_numbers(topics, range(10, 20), keys=20, partition=0)
    first = Stuck()
    async with running(first.loop(topics)):
        await first.behind.reached(19)
    await assert_the_next_owner_repeats_nothing(topics, 20)


async def test_what_was_finished_behind_such_a_gap_comes_out_in_order_when_the_record_ends(
    topics: TestTopics,
) -> None:
    behind = range(11, 30, 2)
    send_numbers(topics, range(10), keys=20, partition=0)
    produce_aborted(topics.bootstrap, topics.name("prompts"), 3 * WINDOW, partition=0)
    send_numbers(topics, behind, keys=2, partition=0)
    stuck = Stuck()
    async with running(stuck.loop(topics)):
        await stuck.behind.reached(19)
        stuck.let_go.set()
        await results(topics, 20)
    assert numbers_by_key(all_results(topics))["k1"] == [1, *behind]


async def assert_the_next_owner_repeats_nothing(topics: TestTopics, count: int) -> None:
    second = Stuck()
    second.let_go.set()
    async with running(second.loop(topics)):
        await results(topics, count)
    assert_each_once_in_order(all_results(topics), count)
