"""`glyphstream run` as a process: how it starts, how it leaves."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import yaml

from schemas.events import PromptEvent, RenderJob
from schemas.topics import POLISH, PROMPTS
from schemas.wire import decode, encode, key_for
from streams.cli import main
from streams.commands.run import STAGES
from tests.conftest import TestTopics
from tests.support.kafka import produce, read_until

Starter = Callable[..., AbstractContextManager[subprocess.Popen[str]]]


@pytest.fixture
def start_run(topics: TestTopics, tmp_path: Path) -> Starter:
    @contextmanager
    def start(*arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Yields once it said that it is ready."""
        where = ["--bootstrap", topics.bootstrap, "--topic-prefix", topics.prefix]
        where += ["--assets", str(tmp_path / "assets")]
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
        (
            ("route", "--policy", "bold"),
            "policy 'bold' is unknown; known: expected, hosted-first, hybrid, local-first",
        ),
        (("score", "--readers", "nope"), "reader: 'nope' is not known; use one of rapidocr"),
        (("polish", "--assets", "ftp://x"), "unknown scheme in 'ftp://x'; give a folder or one of file://"),
    ],
    ids=["stage", "policy", "reader", "assets"],
)
def test_what_is_unknown_leaves_with_2(
    arguments: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["run", *arguments])
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert told in error
    assert "unexpected" not in error
    assert "starting" not in error


def test_a_local_model_that_was_named_and_is_not_there_leaves_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("GLYPHSTREAM_SD3_MEDIUM", str(tmp_path / "nowhere"))
    with pytest.raises(SystemExit) as left:
        main(["run", "preview", "--bootstrap", "127.0.0.1:1", "--assets", str(tmp_path)])
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert f"sd3_medium (GLYPHSTREAM_SD3_MEDIUM): {tmp_path / 'nowhere'} does not exist" in error
    assert "starting" not in error


def test_a_reader_that_is_not_installed_leaves_with_2_and_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = {"easyocr": (False, "pip install easyocr")}
    monkeypatch.setattr("inference.legibility.readers.available_readers", lambda: absent)
    with pytest.raises(SystemExit) as left:
        main(["run", "score", "--readers", "easyocr"])
    assert left.value.code == 2
    assert "reader: 'easyocr' is not installed here; pip install easyocr" in capsys.readouterr().err


def test_a_stage_that_reads_nothing_starts_whatever_the_readers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GLYPHSTREAM_READERS", "nope")
    monkeypatch.setenv("GLYPHSTREAM_ASSETS", str(tmp_path))
    with pytest.raises(SystemExit) as left:
        main(["run", "route", "--bootstrap", "127.0.0.1:1"])
    assert left.value.code == 3
    assert "run: starting route" in capsys.readouterr().err


def test_the_help_says_that_exit_code_4_wants_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    assert "Exit code 4 wants a person" in capsys.readouterr().out


@pytest.mark.parametrize("stage", STAGES)
def test_compose_does_not_start_a_stopped_stage_for_ever(stage: str) -> None:
    compose = yaml.safe_load((Path(__file__).parents[3] / "docker-compose.yml").read_text("utf-8"))
    assert re.fullmatch(r"on-failure:[1-5]", compose["services"][stage]["restart"])


def test_no_broker_leaves_with_3(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as left:
        main(["run", "route", "--bootstrap", "127.0.0.1:1", "--assets", str(tmp_path)])
    assert left.value.code == 3
    assert "glyphstream: " in capsys.readouterr().err
