"""The command line: light to start, clear when it fails."""

from __future__ import annotations

import importlib
import socket
import subprocess
import sys
from collections.abc import Sequence

import click
import pytest

from streams.cli import VERBS, cli, explain, main
from streams.commands.verb import App, Failure
from streams.runtime.errors import EXIT_DEAD_LETTER_LIMIT, StageStopped
from streams.settings import SettingsError

HEAVY = (
    "torch",
    "diffusers",
    "transformers",
    "onnxruntime",
    "aiokafka",
    "rapidocr",
    "easyocr",
    "skia",
    "uvicorn",
)


def command_of(name: str) -> click.Command:
    command: click.Command = importlib.import_module(f"streams.commands.{name.replace('-', '_')}").command
    return command


def leaves(command: click.Command) -> list[click.Command]:
    if isinstance(command, click.Group):
        return [leaf for each in command.commands.values() for leaf in leaves(each)]
    return [command]


ALL = [leaf for name in VERBS for leaf in leaves(command_of(name))]


def run_main(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert isinstance(left.value.code, int)
    return left.value.code


def loaded_by(code: str) -> set[str]:
    answer = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nsys.stderr.write(' '.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(answer.stderr.split())


def test_help_imports_nothing_heavy() -> None:
    code = "from streams.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass"
    modules = loaded_by(code)
    assert "streams.cli" in modules
    assert modules.isdisjoint({*HEAVY, "rich", "msgspec", "streams.commands.demo"})


def test_no_verb_imports_anything_heavy_before_it_runs() -> None:
    names = [f"streams.commands.{name.replace('-', '_')}" for name in VERBS]
    modules = loaded_by("\n".join(f"import {name}" for name in names))
    assert set(names) <= modules
    assert modules.isdisjoint(HEAVY)


@pytest.mark.parametrize("name", VERBS)
def test_the_list_of_verbs_says_what_each_says_of_itself(name: str) -> None:
    assert command_of(name).get_short_help_str(limit=200) == VERBS[name]


@pytest.mark.parametrize("command", ALL, ids=lambda command: command.name)
def test_every_verb_helps_with_an_example_and_its_exit_codes(command: click.Command) -> None:
    text = command.get_help(click.Context(command, info_name=command.name))
    assert "Examples:\n  glyphstream " in text or "Examples:\n  echo " in text
    assert "Exit codes:" in text
    assert command.help


@pytest.mark.parametrize("command", ALL, ids=lambda command: command.name)
def test_every_option_of_every_verb_is_explained(command: click.Command) -> None:
    unexplained = [
        option.name for option in command.params if isinstance(option, click.Option) and not option.help
    ]
    assert unexplained == []


def test_a_mistyped_verb_is_answered_with_the_likely_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main("reslts") == 2
    assert "no verb 'reslts'; did you mean 'results'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [("--topic-prefix", "a.", "engines", "--json"), ("engines", "--json", "--topic-prefix", "a.")],
    ids=["before", "after"],
)
def test_global_options_may_stand_before_and_after_the_verb(arguments: Sequence[str]) -> None:
    app = App(env={})
    cli.main(arguments, standalone_mode=False, obj=app)
    assert app.settings().topic_prefix == "a."


def test_flags_win_over_the_environment() -> None:
    app = App(flags={"bootstrap": "flag:1"}, env={"KAFKA_BOOTSTRAP_SERVERS": "env:1"})
    assert app.settings().bootstrap == "flag:1"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError("GLYPHSTREAM_CONCURRENCY is 'x'"), 2),
        (StageStopped("too many", exit_code=EXIT_DEAD_LETTER_LIMIT), 4),
        (Failure("no broker", exit_code=3), 3),
        (ValueError("a bug"), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_every_error_has_one_line_and_an_exit_code(error: Exception, code: int) -> None:
    line, found = explain(error)
    assert found == code
    assert str(error) in line
    assert "\n" not in line


def test_a_wrong_setting_names_itself_and_leaves_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GLYPHSTREAM_CONCURRENCY", "many")
    assert run_main("engines") == 2
    message = capsys.readouterr().err
    assert message.startswith("glyphstream: GLYPHSTREAM_CONCURRENCY is 'many'")
    assert "Traceback" not in message


@pytest.fixture
def nobody_there() -> str:
    """An address where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize(
    "arguments",
    [("results",), ("dead-letters", "list"), ("topics", "show"), ("topics", "apply"), ("send", "FILE")],
    ids=" ".join,
)
def test_a_broker_that_is_not_there_is_exit_code_3_in_one_line(
    arguments: Sequence[str],
    nobody_there: str,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
) -> None:
    prompts = tmp_path_factory.mktemp("prompts") / "one.jsonl"
    prompts.write_text('{"source": "test", "id": "1", "prompt": "a poster"}\n')
    told = [str(prompts) if argument == "FILE" else argument for argument in arguments]
    assert run_main(*told, "--bootstrap", nobody_there) == 3
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert f"bootstrap {nobody_there}: no broker answers" in message
    assert "glyphstream broker" in message


def test_a_reader_who_leaves_early_is_no_error() -> None:
    answer = subprocess.run(
        f"{sys.executable} -m streams.cli engines --json | head -1",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.startswith('{"name"')
    assert answer.stderr == ""


def test_a_setting_out_of_bounds_leaves_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GLYPHSTREAM_MAX_IN_FLIGHT", "0")
    assert run_main("engines") == 2
    assert "GLYPHSTREAM_MAX_IN_FLIGHT is '0'; give a whole number from 1 to" in capsys.readouterr().err


def test_the_help_of_send_says_how_far_a_resend_is_noticed() -> None:
    from streams.runtime.resends import HORIZON

    help_text = " ".join((command_of("send").help or "").split())
    assert f"sending again is safe, within about {HORIZON:,} records of a partition" in help_text


def test_the_log_on_standard_error_is_limited_in_what_the_client_repeats() -> None:
    code = """
import logging
from streams.cli import cli
cli.main(["--debug", "engines", "--json"], standalone_mode=False)
for number in range(50):
    logging.getLogger("aiokafka.conn").error("refused %d", number)
    logging.getLogger("streams.line").error("ours %d", number)
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = answer.stderr.splitlines()
    assert sum("refused" in line for line in lines) < 50
    assert sum("ours" in line for line in lines) == 50
