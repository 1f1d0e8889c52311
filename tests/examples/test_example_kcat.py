"""Every line of kcat.md, run by kcat."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import re
import shutil
import signal
from contextlib import suppress
from dataclasses import dataclass

import pytest

from schemas.events import PromptEvent, PromptRef, Result, Status, Text
from schemas.faults import BadEvent
from schemas.wire import decode, headers_for, key_for
from streams.runtime.deadletters import dead_letter
from tests.conftest import TestTopics
from tests.examples.conftest import TIMEOUT_S, Shell
from tests.examples.fenced import EXAMPLES, scripts
from tests.examples.finals import NOW, publish, result
from tests.examples.prompts import headers_of, prompt_of
from tests.support.kafka import produce, read_all

SCRIPTS = scripts(EXAMPLES / "kcat.md")
INSTALL = "apt-get install {0} (Debian, Ubuntu) or brew install {0}"


def script(heading: str) -> str:
    """The page's script, or a skip that says which tool is missing and where it comes from."""
    for tool in ("kcat", "jq"):
        if re.search(rf"^\s*{tool} ", SCRIPTS[heading], re.MULTILINE) and shutil.which(tool) is None:
            pytest.skip(f"{tool} is not on PATH: {INSTALL.format(tool)}")
    return SCRIPTS[heading]


@dataclass(frozen=True, slots=True)
class Received:
    """A record as a stage sees it."""

    topic: str
    value: bytes
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    partition: int = 0
    offset: int = 4
    timestamp: int = 1_777_627_800_000


def final(id: str, status: Status | None, run: str = "live") -> Result:
    return result(PromptRef("campaign-tool", id, run=run), None, status=status, reason="as asked")


def bury(topics: TestTopics, values: list[bytes]) -> list[str]:
    """Dead letters as the route stage writes them; returns what each says is wrong."""
    rows, said = [], []
    for value in values:
        with pytest.raises(BadEvent) as refused:
            decode(PromptEvent, value)
        record = Received("prompts", value, b"any-key", (("traceparent", b"00-ab-cd-01"),))
        letter = dead_letter(record, prefix=topics.prefix, stage="route", error=refused.value)
        rows.append((letter.key, letter.value, list(letter.headers)))
        said.append(str(refused.value))
    produce(topics.bootstrap, topics.name("dead-letters"), rows)
    return said


def test_the_page_holds_these_lines_and_no_others() -> None:
    assert set(SCRIPTS) == {
        "By hand, with kcat",
        "Send a prompt",
        "Follow the results",
        "Count how prompts ended",
        "Read the dead letters",
        "Count the dead letters",
    }


def test_the_address_is_a_default_that_the_environment_overrides(shell: Shell) -> None:
    lines = SCRIPTS["By hand, with kcat"] + 'echo "$KAFKA_BOOTSTRAP_SERVERS" "$GLYPHSTREAM_TOPIC_PREFIX"'
    assert shell.run(lines).stdout.split() == [
        shell.env["KAFKA_BOOTSTRAP_SERVERS"],
        shell.env["GLYPHSTREAM_TOPIC_PREFIX"],
    ]
    bare = {name: value for name, value in shell.env.items() if not name.startswith(("KAFKA", "GLYPH"))}
    assert Shell(shell.folder, bare).run(lines).stdout.split() == ["127.0.0.1:9092"]


def test_kcat_sends_a_whole_prompt_event(shell: Shell, topics: TestTopics) -> None:
    done = shell.run(script("Send a prompt"))
    assert done.returncode == 0, done.stderr
    (message,) = read_all(topics.bootstrap, topics.name("prompts"))
    prompt = prompt_of(message)
    assert prompt.texts == (Text("JAZZ NIGHT"),)
    assert message.key() == key_for(prompt)
    sent = headers_of(message)
    assert {name for name, _ in headers_for(prompt, producer="any", time=NOW)} - set(sent) == {"ce_subject"}
    assert dt.datetime.fromisoformat(sent["ce_time"].decode()).tzinfo is dt.UTC


async def test_kcat_follows_what_is_committed(shell: Shell, topics: TestTopics) -> None:
    lines = script("Follow the results")

    def send(committed: str, taken_back: str) -> None:
        publish(
            topics.bootstrap,
            topics.name("results"),
            [final(committed, "accepted")],
            taken_back=[final(taken_back, "accepted")],
        )

    await asyncio.to_thread(send, "before", "undone-before")
    kcat = await asyncio.create_subprocess_exec(
        "bash", "-c", lines, cwd=shell.folder, env=shell.env, stdout=-1, start_new_session=True
    )
    assert kcat.stdout is not None
    seen = b""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            seen += await kcat.stdout.readline()
            await asyncio.to_thread(send, "after", "undone-after")
            seen += await kcat.stdout.readline()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(kcat.pid, signal.SIGINT)
        rest, _ = await kcat.communicate()
    keys = [line.partition(b" ")[0] for line in (seen + rest).splitlines()]
    assert keys == [b'["campaign-tool","before"]', b'["campaign-tool","after"]']


def test_kcat_counts_live_finals_by_status(shell: Shell, topics: TestTopics) -> None:
    lines = script("Count how prompts ended")
    publish(
        topics.bootstrap,
        topics.name("results"),
        [
            final("a", None),
            final("a", "accepted"),
            final("b", "accepted"),
            final("c", "failed"),
            final("c", "accepted", run="replay-7"),
        ],
        taken_back=[final("d", "accepted")],
    )
    done = shell.run(lines)
    assert done.returncode == 0, done.stderr
    assert [line.split() for line in done.stdout.splitlines()] == [["2", "accepted"], ["1", "failed"]]


def test_kcat_shows_why_a_record_is_a_dead_letter(shell: Shell, topics: TestTopics) -> None:
    lines = script("Read the dead letters")
    (said,) = bury(topics, [b'{"id":"a","source":"b","prompt":"c","width":"wide"}'])
    done = shell.run(lines)
    assert done.returncode == 0, done.stderr
    shown, record = done.stdout.strip().rsplit("\n", 1)
    assert "width" in said
    assert f"x-error-message={said}," in shown
    assert "traceparent=00-ab-cd-01," in shown
    assert record == 'any-key {"id":"a","source":"b","prompt":"c","width":"wide"}'


def test_kcat_counts_dead_letters_with_line_breaks_in_them(shell: Shell, topics: TestTopics) -> None:
    lines = script("Count the dead letters")
    bury(topics, [b"not\njson", b"{}", b"[\n]"])
    done = shell.run(lines)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "3"
