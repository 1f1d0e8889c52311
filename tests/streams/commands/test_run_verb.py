"""`glyphstream run` as a process: how it starts, how it leaves."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from schemas.events import PromptEvent, RenderJob
from schemas.topics import POLISH, PROMPTS
from schemas.wire import decode, encode, key_for
from streams.cli import main
from tests.conftest import TestTopics
from tests.support.kafka import produce, read_until

Starter = Callable[..., AbstractContextManager[subprocess.Popen[str]]]


@pytest.fixture
def start_run(topics: TestTopics) -> Starter:
    @contextmanager
    def start(*arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Yields once it said that it is ready."""
        where = ["--bootstrap", topics.bootstrap, "--topic-prefix", topics.prefix]
        process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "run", *arguments, *where],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if line == "run: ready\n":
                    break
            yield process
        finally:
            process.kill()
            process.wait()
            process.stderr.close()

    return start


@pytest.mark.parametrize("received", [signal.SIGTERM, signal.SIGINT], ids=lambda each: each.name)
def test_a_signal_drains_and_leaves_with_0(
    start_run: Starter, topics: TestTopics, received: signal.Signals
) -> None:
    prompt = PromptEvent(id="1", source="s", prompt="p")
    with start_run("route") as process:
        produce(topics.bootstrap, topics.name(PROMPTS.name), [(key_for(prompt), encode(prompt), [])])
        (message,) = read_until(topics.bootstrap, topics.name(POLISH.name), lambda found: len(found) >= 1)
        process.send_signal(received)
        assert process.wait(30) == 0
        assert process.stderr is not None
        told = process.stderr.read()
    assert decode(RenderJob, message.value()).engine == "imagen4_ultra"
    assert f"run: {received.name}: draining" in told
    assert told.endswith("run: drained\n")


def test_the_policy_of_the_flag_routes(start_run: Starter, topics: TestTopics) -> None:
    prompt = PromptEvent(id="1", source="s", prompt="p", fast_preview=True)
    with start_run("route", "--policy", "hosted-first"):
        produce(topics.bootstrap, topics.name(PROMPTS.name), [(key_for(prompt), encode(prompt), [])])
        (message,) = read_until(topics.bootstrap, topics.name(POLISH.name), lambda found: len(found) >= 1)
    assert decode(RenderJob, message.value()).policy.startswith("hosted-first")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("paint",), "'paint' is not one of 'route', 'preview', 'polish', 'score'"),
        (("route", "--policy", "bold"), "policy 'bold' is unknown; known: hosted-first, hybrid, local-first"),
    ],
    ids=["stage", "policy"],
)
def test_what_is_unknown_leaves_with_2(
    arguments: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["run", *arguments])
    assert left.value.code == 2
    assert told in capsys.readouterr().err


def test_no_broker_leaves_with_3(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["run", "route", "--bootstrap", "127.0.0.1:1"])
    assert left.value.code == 3
    assert "glyphstream: " in capsys.readouterr().err
