"""The verbs that talk to a broker, against Apache Kafka itself."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from inference.assets import AssetStore
from schemas.events import Pictures, PromptEvent, PromptRef, Result
from schemas.topics import DEAD_LETTERS, PROMPTS, RESULTS
from schemas.wire import decode, encode, key_for
from streams.cli import main
from tests.conftest import TestTopics
from tests.support.kafka import produce, read_all

DEAD = [
    ("content-type", b"text/plain"),
    ("x-error-stage", b"route"),
    ("x-error-code", b"not-json"),
    ("x-error-message", b"not-json: $: is not JSON; got 'x\x1b[2J'"),
    ("x-original-topic", b"prompts"),
    ("x-original-partition", b"1"),
    ("x-original-offset", b"7"),
]


async def call(topics: TestTopics, *arguments: str) -> int:
    """The exit code; in a thread, since a verb has an event loop of its own."""
    told = [*arguments, "--bootstrap", topics.bootstrap, "--topic-prefix", topics.prefix]

    def run() -> int:
        with pytest.raises(SystemExit) as left:
            main(told)
        assert isinstance(left.value.code, int)
        return left.value.code

    return await asyncio.to_thread(run)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def test_sent_prompts_arrive_whole_under_their_key(
    topics: TestTopics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text('{"source": "s", "id": "1", "prompt": "夜"}\n{"source": "s", "id": "2", "prompt": "b"}\n')
    assert await call(topics, "send", str(file), "--json") == 0
    told = lines(capsys)
    messages = read_all(topics.bootstrap, topics.name(PROMPTS.name))
    events = {(m.partition(), m.offset()): (m, decode(PromptEvent, m.value())) for m in messages}
    assert len(events) == 2
    for line in told:
        message, event = events[(line["partition"], line["offset"])]
        assert (event.source, event.id) == (line["source"], line["id"])
        assert message.key() == key_for(event)


async def test_one_faulty_line_sends_nothing(
    topics: TestTopics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text('{"source": "s", "id": "1", "prompt": "a"}\n{"source": "s", "id": "2"}\n')
    assert await call(topics, "send", str(file)) == 1
    assert "line 2: prompt: is required" in capsys.readouterr().err
    assert read_all(topics.bootstrap, topics.name(PROMPTS.name)) == []


async def test_results_are_shown_filtered_and_their_pictures_saved_by_name(
    topics: TestTopics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = AssetStore.open(tmp_path / "assets")
    asset = await store.put(b"\x89PNG\r\n\x1a\n one", "image/png", 8, 8)
    finals = [_final("1", pictures=Pictures(image=asset, original=asset)), _final("2")]
    produce(
        topics.bootstrap, topics.name(RESULTS.name), [(key_for(each), encode(each), []) for each in finals]
    )
    saved = tmp_path / "saved"
    shared = ("--assets", str(tmp_path / "assets"), "--save", str(saved), "--json")
    assert await call(topics, "results", "--id", "1", *shared) == 0
    (line,) = lines(capsys)
    assert line["ref"]["id"] == "1"
    assert line["saved"] == str(saved / "s-1-v0-en-accepted.png")
    assert {path: path.read_bytes() for path in saved.iterdir()} == {
        saved / "s-1-v0-en-accepted.png": b"\x89PNG\r\n\x1a\n one"
    }


async def test_a_damaged_picture_is_not_saved(
    topics: TestTopics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = AssetStore.open(tmp_path / "assets")
    asset = await store.put(b"\x89PNG\r\n\x1a\n one", "image/png", 8, 8)
    next((tmp_path / "assets" / "sha256").rglob("*.png")).write_bytes(b"\x89PNG\r\n\x1a\n two")
    final = _final("1", pictures=Pictures(image=asset, original=asset))
    produce(topics.bootstrap, topics.name(RESULTS.name), [(key_for(final), encode(final), [])])
    shared = ("--assets", str(tmp_path / "assets"), "--save", str(tmp_path / "saved"))
    assert await call(topics, "results", *shared) == 1
    assert f"should be {asset.sha256}" in capsys.readouterr().err
    assert not (tmp_path / "saved").exists()


async def test_too_few_results_for_a_count_is_a_failure(
    topics: TestTopics, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await call(topics, "results", "--count", "1") == 1
    assert "0 of 1 results" in capsys.readouterr().err


async def test_dead_letters_are_listed_and_shown_without_steering_the_terminal(
    topics: TestTopics, capsys: pytest.CaptureFixture[str]
) -> None:
    produce(topics.bootstrap, topics.name(DEAD_LETTERS.name), [(b"k", b"\x1b]0;owned\x07\xff", DEAD)])
    assert await call(topics, "dead-letters", "list", "--code", "not-json", "--json") == 0
    (letter,) = lines(capsys)
    assert letter["headers"]["x-original-offset"] == "7"
    place = f"{letter['partition']}:{letter['offset']}"

    assert await call(topics, "dead-letters", "show", place) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\\x1b]0;owned\\x07\\xff" in shown
    assert "x-original-topic" in shown


@pytest.mark.parametrize("code", ["invalid", ""], ids=["another", "none"])
async def test_a_code_that_no_dead_letter_has_lists_none(
    topics: TestTopics, capsys: pytest.CaptureFixture[str], code: str
) -> None:
    produce(topics.bootstrap, topics.name(DEAD_LETTERS.name), [(b"k", b"x", DEAD)])
    assert await call(topics, "dead-letters", "list", "--code", code) == 0
    assert capsys.readouterr().out == "no dead letters\n"


async def test_an_offset_that_is_not_there_is_answered_with_what_is(
    topics: TestTopics, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await call(topics, "dead-letters", "show", "0:5") == 1
    assert f"offset 5: {topics.name(DEAD_LETTERS.name)} partition 0 holds nothing" in capsys.readouterr().err


async def test_a_topic_that_is_not_there_says_how_to_make_it(
    topics: TestTopics, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = TestTopics(topics.bootstrap, topics.prefix + "x-")
    assert await call(elsewhere, "results") == 1
    assert "does not exist" in capsys.readouterr().err
    assert await call(elsewhere, "topics", "show", "--json") == 0
    assert {line["exists"] for line in lines(capsys)} == {False}


def _final(id: str, pictures: Pictures | None = None) -> Result:
    return Result(
        id=f"result-{id}",
        ref=PromptRef("s", id),
        final=True,
        status="accepted",
        locale="en",
        pictures=pictures,
    )
