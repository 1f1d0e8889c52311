"""The whole line as `glyphstream run`, killed between the times that one prompt is published."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from confluent_kafka import Message

from inference.engines.emulator.app import Emulator
from inference.engines.emulator.drawing import Drawing, draw
from inference.engines.emulator.profiles import load_profiles
from inference.engines.emulator.serving import emulator_thread, thread_pool
from streams.demo.takeover import evict_members
from streams.settings import Settings
from tests.conftest import TestTopics
from tests.support.kafka import Row, produce, read_all, read_until

# What the prompt makes, once each: a job for the engine, a picture, an answer.
MADE = ("polish", "renders", "results")
SIZE = {"width": 256, "height": 256}
THRICE = {"id": "thrice", "source": "shop", "prompt": 'a "SALE" sign', "tags": ["stylised"], **SIZE}
LAST = {"id": "last", "source": "shop", "prompt": 'a "JAZZ" sign', "tags": ["layout-only"], **SIZE}


@pytest.fixture
def drawn() -> list[Drawing]:
    return []


@pytest.fixture
def emulator_url(drawn: list[Drawing]) -> Iterator[str]:
    """An engine that never misspells and keeps an account of what it drew: each drawing is a charge."""

    def note(drawing: Drawing) -> bytes:
        drawn.append(drawing)
        return draw(dataclasses.replace(drawing, misspell=0.0))

    with thread_pool(1) as executor:
        emulator = Emulator(profiles=load_profiles(None), draw=note, executor=executor, pace=0.0)
        with emulator_thread(emulator) as url:
            yield url


@contextlib.contextmanager
def line_until_killed(topics: TestTopics, folder: Path, emulator_url: str) -> Iterator[None]:
    """All four stages in a process, which gets SIGKILL, and so do the readers it started.

    The dead members are put out of their groups: nobody waits here for their sessions' 45 s.
    """
    where = ["--bootstrap", topics.bootstrap, "--topic-prefix", topics.prefix]
    process = subprocess.Popen(
        [sys.executable, "-m", "streams.cli", "run", *where, "--assets", str(folder / "assets")],
        env={**os.environ, "GLYPHSTREAM_EMULATOR_URL": emulator_url},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        process.wait()
        psutil.wait_procs(family, timeout=30)
        settings = Settings(bootstrap=topics.bootstrap, topic_prefix=topics.prefix)
        asyncio.run(evict_members(settings, prefix=f"{topics.prefix}glyphstream."))


def publish(topics: TestTopics, *prompts: dict[str, Any]) -> None:
    """Under one key, so that they come in this order."""
    rows: list[Row] = [(b"one", json.dumps(prompt).encode(), []) for prompt in prompts]
    produce(topics.bootstrap, topics.name("prompts"), rows)


def of(messages: list[Message], id: str) -> list[dict[str, Any]]:
    """The bodies that belong to the prompt."""
    bodies = [json.loads(message.value() or b"{}") for message in messages]
    return [body for body in bodies if body.get("ref", body.get("job", {}).get("ref", {})).get("id") == id]


def wait_for(topics: TestTopics, topic: str, enough: Callable[[list[Message]], bool]) -> None:
    read_until(topics.bootstrap, topics.name(topic), enough, timeout_s=120)


@pytest.mark.slow
def test_a_prompt_published_three_times_with_kills_between_is_drawn_charged_and_answered_once(
    topics: TestTopics, tmp_path: Path, emulator_url: str, drawn: list[Drawing]
) -> None:
    publish(topics, THRICE)
    with line_until_killed(topics, tmp_path, emulator_url):
        wait_for(topics, "renders", lambda found: bool(of(found, "thrice")))
    publish(topics, THRICE)
    with line_until_killed(topics, tmp_path, emulator_url):
        wait_for(topics, "results", lambda found: any(result["final"] for result in of(found, "thrice")))
    publish(topics, THRICE, LAST)
    with line_until_killed(topics, tmp_path, emulator_url):
        wait_for(topics, "results", lambda found: bool(of(found, "last")))

    made = {topic: of(read_all(topics.bootstrap, topics.name(topic)), "thrice") for topic in MADE}
    assert {topic: len(bodies) for topic, bodies in made.items()} == dict.fromkeys(MADE, 1)
    assert made["results"][0]["final"]
    assert made["results"][0]["status"] == "accepted"
    assert len(drawn) == 1
