"""The command `glyphstream`. A verb's module is imported when the verb is called, and not before."""

from __future__ import annotations

import difflib
import importlib
import logging
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import click

from streams.commands.logs import RateLimit
from streams.commands.verb import EXIT_CODES, App, Failure, global_options
from streams.runtime.errors import EXIT_FAILED, EXIT_OK, EXIT_USAGE, StageStopped
from streams.settings import SettingsError

INTERRUPTED = 130
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

VERBS: Mapping[str, str] = {
    "demo": "Run the whole line on this machine, prompts to contact sheet.",
    "broker": "Run a local Apache Kafka until Ctrl-C.",
    "topics": "Create the topics, or show them.",
    "run": "Run the stages: all of them, or the ones named.",
    "send": "Check prompts and send them.",
    "results": "Read results, and save their pictures.",
    "review": "Judge pictures on a local page, or compare people with the line.",
    "dead-letters": "List what could not be worked on, or show one.",
    "route": "Explain where a prompt would go, and why.",
    "generate": "Draw prompts here and now, without Kafka.",
    "bench": "Compare engines and policies over the same prompts and seeds.",
    "spend": "Show what was spent, what is reserved, and what waits for a person.",
    "engines": "List the engines: role, price, key, what stands in.",
    "sd3": "Make the tiny checkpoint that can spell, and train it.",
    "doctor": "Check this machine, and say how to get what is missing.",
}


class _Verbs(click.Group):
    def list_commands(self, _context: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            near = difflib.get_close_matches(name, VERBS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(VERBS)}"
            raise click.UsageError(f"no verb {name!r}; {hint}", context)
        module = importlib.import_module(f"streams.commands.{name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))

    def format_epilog(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES.items()])
        formatter.write_paragraph()
        formatter.write_text(
            "Settings: flags, then GLYPHSTREAM_* (and KAFKA_BOOTSTRAP_SERVERS), then glyphstream.toml. "
            "Keys come from the environment alone. `glyphstream VERB --help` has examples."
        )


@click.group(cls=_Verbs, params=[*global_options()], context_settings=CONTEXT)
@click.version_option(package_name="glyphstream", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Prompt events on Kafka in; finished, scored posters whose words can be read out."""
    _set_up_logging(debug=context.ensure_object(App).debug)


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs one command line and leaves with its exit code."""
    app = App()
    try:
        answer: Any = cli.main(args=argv, prog_name="glyphstream", standalone_mode=False, obj=app)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has left (`| head`): nothing more can be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(EXIT_OK) from None
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        raise SystemExit(EXIT_USAGE) from None
    except (KeyboardInterrupt, click.Abort):
        raise SystemExit(INTERRUPTED) from None
    except Exception as error:
        if app.debug:
            traceback.print_exc()
        message, code = explain(error)
        click.echo(f"glyphstream: {message}", err=True)
        raise SystemExit(code) from None
    raise SystemExit(answer if isinstance(answer, int) else EXIT_OK)


def explain(error: Exception) -> tuple[str, int]:
    """One line for a person, and the exit code."""
    match error:
        case click.UsageError():
            where = error.ctx.command_path if error.ctx is not None else "glyphstream"
            return f"{error.format_message()} (`{where} --help` tells more)", EXIT_USAGE
        case Failure():
            return error.format_message(), error.code
        case click.ClickException():
            return error.format_message(), error.exit_code
        case SettingsError():
            return str(error), EXIT_USAGE
        case StageStopped():
            return str(error), error.exit_code
        case _:
            first = str(error).partition("\n")[0]
            return f"unexpected {type(error).__name__}: {first} (--debug shows where)", EXIT_FAILED


def _set_up_logging(*, debug: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(RateLimit("aiokafka"))
    # Attempts that fail and resends that are dropped come in floods too.
    handler.addFilter(RateLimit("streams.runtime.work"))
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        handlers=[handler],
    )
    if not debug:
        # aiokafka logs what it also raises; a user gets it once, in words.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


if __name__ == "__main__":
    main()
