"""What every verb shares: settings from wherever they were given, help with examples, faults in one line."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from streams.runtime.errors import (
    EXIT_DEAD_LETTER_LIMIT,
    EXIT_FAILED,
    EXIT_OK,
    EXIT_UNREACHABLE,
    EXIT_USAGE,
)
from streams.settings import Settings, load_settings

EXIT_CODES: Mapping[int, str] = {
    EXIT_OK: "done",
    EXIT_FAILED: "failed; standard error says why",
    EXIT_USAGE: "a wrong option, argument or setting",
    EXIT_UNREACHABLE: "no broker answers at the bootstrap address",
    EXIT_DEAD_LETTER_LIMIT: "a stage stopped itself: too many dead letters; look before it is started again",
}


@dataclass(slots=True)
class App:
    """What was said before or after the verb, shared by all of one command line."""

    flags: dict[str, object] = field(default_factory=dict)
    config: Path | None = None
    debug: bool = False
    env: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def settings(self, **flags: object) -> Settings:
        """The settings, `flags` being the verb's own.

        Raises:
            SettingsError: names the setting, its value and the fix.
        """
        return load_settings({**self.flags, **flags}, self.env, file=self.config)


class Failure(click.ClickException):
    """A fault told in words a user can act on."""

    def __init__(self, message: str, *, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.code = exit_code


def global_options() -> list[click.Option]:
    """Accepted before the verb and after it."""
    return [
        click.Option(
            ["--config"],
            type=click.Path(path_type=Path, dir_okay=False),
            help="Settings file; default: glyphstream.toml where there is one.",
            expose_value=False,
            callback=_note_config,
        ),
        click.Option(
            ["--bootstrap"],
            metavar="HOST:PORT",
            help="Kafka; default: KAFKA_BOOTSTRAP_SERVERS, then 127.0.0.1:9092.",
            expose_value=False,
            callback=_note_flag,
        ),
        click.Option(
            ["--topic-prefix"],
            metavar="TEXT",
            help="Put before the name of every topic and group.",
            expose_value=False,
            callback=_note_flag,
        ),
        click.Option(
            ["--assets"],
            metavar="FOLDER|URL",
            help="The asset store; default: out/assets.",
            expose_value=False,
            callback=_note_flag,
        ),
        click.Option(
            ["--debug"],
            is_flag=True,
            help="Show tracebacks and the clients' own logs.",
            expose_value=False,
            callback=_note_debug,
        ),
    ]


def _note_flag(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None and parameter.name is not None:
        context.ensure_object(App).flags[parameter.name] = value


def _note_config(context: click.Context, _parameter: click.Parameter, value: Path | None) -> None:
    if value is not None:
        context.ensure_object(App).config = value


def _note_debug(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(App).debug = True


class _Explained(click.Command):
    """Help that ends in examples and in what the exit codes mean."""

    examples: Sequence[str] = ()
    exits: Sequence[int] = ()

    def format_epilog(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    # Not wrapped: a line cut in two cannot be pasted into a shell.
                    formatter.write(f"{'':>{formatter.current_indent}}{example}\n")
        if self.exits:
            with formatter.section("Exit codes"):
                formatter.write_dl([(str(code), EXIT_CODES[code]) for code in self.exits])


class Verb(_Explained):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(global_options())


class VerbGroup(_Explained, click.Group):
    command_class = Verb

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(global_options())


def verb(
    name: str, *, examples: Sequence[str], exits: Sequence[int] = (EXIT_OK, EXIT_FAILED, EXIT_USAGE)
) -> Callable[[Callable[..., object]], Verb]:
    """Makes a function a verb; its docstring is the help."""

    def decorate(function: Callable[..., object]) -> Verb:
        made: Verb = click.command(name, cls=Verb)(function)
        made.examples, made.exits = examples, exits
        return made

    return decorate


def subverb(
    group: VerbGroup,
    name: str,
    *,
    examples: Sequence[str],
    exits: Sequence[int] = (EXIT_OK, EXIT_FAILED, EXIT_USAGE),
) -> Callable[[Callable[..., object]], Verb]:
    def decorate(function: Callable[..., object]) -> Verb:
        made = verb(name, examples=examples, exits=exits)(function)
        group.add_command(made)
        return made

    return decorate


pass_app = click.make_pass_decorator(App, ensure=True)

WITH_BROKER = (EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_UNREACHABLE)
