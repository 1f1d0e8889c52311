"""What fails for a while is tried again in place; what fails for good is kept, byte for byte."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence

import pytest
from confluent_kafka import Message, Producer

from schemas.events import PromptEvent
from schemas.wire import encode, key_for
from streams.runtime.deadletters import DeadLetterLimit
from streams.runtime.errors import EXIT_DEAD_LETTER_LIMIT, Permanent, Retryable, StageStopped
from streams.runtime.stage import Emit
from streams.runtime.work import Done
from tests.conftest import TestTopics
from tests.support.kafka import Row, header, headers, produce, read_all
from tests.support.numbers import (
    Echo,
    Tally,
    all_results,
    assert_each_once_in_order,
    event,
    loop_of,
    numbers_by_key,
    results,
    running,
    send_numbers,
)

OURS = (
    "x-error-stage",
    "x-error-class",
    "x-error-code",
    "x-error-message",
    "x-original-topic",
    "x-original-partition",
    "x-original-offset",
    "x-original-timestamp",
)


def dead_letters(topics: TestTopics) -> list[Message]:
    return read_all(topics.bootstrap, topics.name("dead-letters"))


async def test_a_record_that_is_tried_again_holds_up_its_own_key_and_no_other(topics: TestTopics) -> None:
    """With one slot for all, key 0 fails until everything else is done; then its records follow in order."""
    others, tries, order, echo = Tally(), Tally(), [], Echo()

    async def handle(prompt: PromptEvent) -> Sequence[Emit]:
        if prompt.id == "k0" and others.count < 70:
            tries.add()
            raise Retryable("the engine is away")
        return await echo.handle(prompt)

    def note(done: Done) -> None:
        number = int(json.loads(done.outputs[0].value or b"{}")["id"])
        order.append(number)
        if number % 8:
            others.add()

    send_numbers(topics, range(80))
    async with running(loop_of(topics, handle, slots=1, on_done=note)):
        await results(topics, 80)
    assert tries.count >= 2
    assert all(number % 8 for number in order[:70])
    assert_each_once_in_order(all_results(topics), 80)


async def test_what_was_being_tried_again_at_a_stop_is_tried_by_the_next_owner(topics: TestTopics) -> None:
    tries, echo = Tally(), Echo()

    async def away(_prompt: PromptEvent) -> Sequence[Emit]:
        tries.add()
        raise Retryable("the engine is away")

    send_numbers(topics, range(16))
    async with running(loop_of(topics, away, drain_s=0.2)):
        await tries.reached(20)
    assert all_results(topics) == []
    async with running(loop_of(topics, echo.handle)):
        await results(topics, 16)
    assert_each_once_in_order(all_results(topics), 16)
    assert dead_letters(topics) == []


BINARY = bytes(range(256))
ODD_HEADERS: list[tuple[str, bytes | None]] = [
    ("mine", b"first"),
    ("other", BINARY),
    ("mine", b"second"),
    ("empty", b""),
    ("null", None),
    ("näme", b"kept"),
    ("x-error-code", b"from an earlier life"),
    ("mine", b"first"),
]
IN_2009_MS = 1_234_567_890_123


@pytest.mark.parametrize("key", [b"key", b"", None, BINARY], ids=["text", "empty", "none", "binary"])
async def test_a_dead_letter_is_the_record_byte_for_byte_with_our_headers_behind_its_own(
    topics: TestTopics, key: bytes | None
) -> None:
    value = BINARY * 3
    producer = Producer({"bootstrap.servers": topics.bootstrap})
    producer.produce(topics.name("prompts"), value, key, 1, timestamp=IN_2009_MS, headers=[*ODD_HEADERS])
    producer.flush(30)
    (record,) = read_all(topics.bootstrap, topics.name("prompts"))
    timestamp = record.timestamp()[1]
    dead = Tally()
    async with running(loop_of(topics, Echo().handle, on_done=dead.add)):
        await dead.reached(1)
    (letter,) = dead_letters(topics)
    own, ours = headers(letter)[: len(ODD_HEADERS)], headers(letter)[len(ODD_HEADERS) :]
    assert (letter.key(), letter.value()) == (key, value)
    assert letter.timestamp()[1] == timestamp
    # The producer's would be past the topic's retention, and the prompt soon gone.
    assert timestamp > IN_2009_MS
    assert own == ODD_HEADERS
    assert tuple(name for name, _ in ours) == OURS
    assert {name: value for name, value in ours if name != "x-error-message"} == {
        "x-error-stage": b"echo",
        "x-error-class": b"BadEvent",
        "x-error-code": b"not-json",
        "x-original-topic": topics.name("prompts").encode(),
        "x-original-partition": b"1",
        "x-original-offset": b"0",
        "x-original-timestamp": str(timestamp).encode(),
    }


async def test_bad_records_become_dead_letters_and_those_behind_still_flow(topics: TestTopics) -> None:
    rows: list[Row] = [
        (b"k", b"not json", [("mine", b"kept")]),
        (b"k", b'{"id":"k1","source":"test","prompt":7}', []),
        (b"k", encode(event(0, 0)), []),
    ]
    produce(topics.bootstrap, topics.name("prompts"), rows)
    async with running(loop_of(topics, Echo().handle)):
        found = await results(topics, 2)
    letters = dead_letters(topics)
    assert {letter.value() for letter in letters} == {value for _, value, _ in rows[:2]}
    not_json = next(letter for letter in letters if letter.value() == b"not json")
    assert header(not_json, "mine") == "kept"
    assert header(not_json, "x-error-code") == "not-json"
    named = next(letter for letter in letters if letter is not not_json)
    assert "prompt" in header(named, "x-error-message")
    statuses = [json.loads(message.value() or b"{}")["status"] for message in found]
    assert sorted(statuses) == ["accepted", "failed"]


# Why each is poison, its value, and its headers; none names its prompt, so each is a dead letter alone.
POISON: list[tuple[str, bytes | None, list[tuple[str, bytes]]]] = [
    ("cut off", b'{"id":"k0","source":"te', []),
    ("not UTF-8", b"\xff\xfe\x00poison", []),
    ("no object", b'["id","source"]', []),
    ("no value", None, []),
    ("no bytes", b"", []),
    ("no id", b'{"source":"test","prompt":"x"}', []),
    ("nested deeply", b"[" * 50_000 + b"]" * 50_000, []),
    ("another type", b'{"prompt":"x"}', [("ce_type", b"glyphstream.prompt.v9")]),
]
RECORDS = 2_000


async def test_of_one_percent_poison_exactly_those_records_are_dead_letters(topics: TestTopics) -> None:
    rows: list[Row] = []
    poison: list[int] = []
    good = 0
    for place in range(RECORDS):
        if place % 100 == 37:
            _, value, named = POISON[place // 100 % len(POISON)]
            # The key says which it was; a key of the good records, so that those behind it wait in line.
            rows.append((b"k%d" % (place % 8), value, [*named, ("place", b"%d" % place)]))
            poison.append(place)
        else:
            prompt = event(good, good % 8)
            rows.append((key_for(prompt), encode(prompt), []))
            good += 1
    produce(topics.bootstrap, topics.name("prompts"), rows)
    ended = Tally()
    async with running(loop_of(topics, Echo(longest_s=0).handle, on_done=ended.add)):
        await ended.reached(RECORDS, timeout_s=60)
    assert_each_once_in_order(all_results(topics), good)
    letters = dead_letters(topics)
    assert sorted(int(header(letter, "place")) for letter in letters) == poison
    for letter in letters:
        assert letter.value() == rows[int(header(letter, "place"))][1]


@pytest.mark.parametrize(
    ("every", "limit", "said"),
    [
        (1, DeadLetterLimit(run=5), r"5 records in a row became dead letters \(limit 5\)"),
        (3, DeadLetterLimit(share=0.2, window=20), r"\d+ of the last 20 records .* \(limit 20%\)"),
    ],
    ids=["run", "share"],
)
async def test_too_many_dead_letters_stop_the_stage_with_its_exit_code_and_say_which_limit(
    topics: TestTopics, every: int, limit: DeadLetterLimit, said: str
) -> None:
    async def some_fail(prompt: PromptEvent) -> Sequence[Emit]:
        if int(prompt.prompt) % every == 0:
            raise Permanent("no")
        return await Echo().handle(prompt)

    send_numbers(topics, range(60))
    loop = loop_of(topics, some_fail, limit=limit)
    with pytest.raises(StageStopped, match=f"stage echo stopped: {said}") as stopped:
        await asyncio.wait_for(loop.run(asyncio.Event()), 30)
    assert stopped.value.exit_code == EXIT_DEAD_LETTER_LIMIT


async def test_glyphstream_run_leaves_with_code_4_and_says_why_when_a_topic_is_all_poison(
    topics: TestTopics,
) -> None:
    produce(topics.bootstrap, topics.name("prompts"), [(None, b"not json", [])] * 600)
    where = ["--bootstrap", topics.bootstrap, "--topic-prefix", topics.prefix]
    ran = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "streams.cli", "run", "route", *where],
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    assert ran.returncode == EXIT_DEAD_LETTER_LIMIT
    assert "route stopped: " in ran.stderr
    assert "records in a row became dead letters (limit 500)" in ran.stderr
    assert numbers_by_key(all_results(topics)) == {}
