"""The options of a bench, the same for both of its command lines. Imports nothing heavy: help is quick."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import click

_Function = TypeVar("_Function", bound=Callable[..., object])

STANDARD_OUTPUT: Final = Path("-")
_FILE: Final = click.Path(path_type=Path, dir_okay=False, allow_dash=True)
_SIDE: Final = click.IntRange(64, 3840)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for. `reader` is empty where the settings decide; one kind of prompt is given."""

    models: str
    prompts: Path | None = None
    prompt: str | None = None
    samples: int = 4
    seed: int = 0
    warm_up: int = 1
    width: int = 768
    height: int = 768
    max_usd: float | None = None
    json: Path | None = None
    html: Path | None = None
    out: Path = Path("out/bench")
    baseline: Path | None = None
    fail_if: tuple[str, ...] = ()
    emulate: bool = False
    batch: int = 1
    reader: str = ""
    fresh: bool = False
    command: str = ""


_DECLARED: Final = (
    click.option(
        "--models",
        "--model-list",
        "models",
        required=True,
        metavar="A,B,...",
        help="Engines (`glyphstream engines` lists them), and policies as policy:hybrid.",
    ),
    click.option(
        "--prompts", type=_FILE, metavar="FILE", help="One a line: plain text, or prompt events as JSON."
    ),
    click.option("--prompt", help='One prompt; words in "quotes" must be readable, without any none may be.'),
    click.option(
        "--samples", type=click.IntRange(1, 10_000), default=4, show_default=True, help="Of each prompt."
    ),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**32 - 1),
        default=0,
        show_default=True,
        help="All engines draw with the same seeds, derived from it.",
    ),
    click.option(
        "--warm-up",
        type=click.IntRange(0, 100),
        default=1,
        show_default=True,
        help="Pictures of each engine that do not count.",
    ),
    click.option("--width", type=_SIDE, default=768, show_default=True, help="Where a prompt says none."),
    click.option("--height", type=_SIDE, default=768, show_default=True, help="Where a prompt says none."),
    click.option(
        "--max-usd",
        type=float,
        help="The most that all pictures may cost, with those of the journal; required for live keys.",
    ),
    click.option(
        "--json",
        type=_FILE,
        metavar="FILE",
        help="The report, which --baseline reads; - for standard output.",
    ),
    click.option("--html", type=_FILE, metavar="FILE", help="The report as one page with pictures."),
    click.option(
        "--out",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("out/bench"),
        show_default=True,
        help="The journal, from which the same command goes on, and the pictures.",
    ),
    click.option("--baseline", type=_FILE, metavar="FILE", help="An earlier --json."),
    click.option(
        "--fail-if",
        multiple=True,
        metavar="CONDITION",
        help='Exit 1 where it holds: "legibility < baseline - 0.02". May be repeated.',
    ),
    click.option(
        "--emulate", is_flag=True, help="Start the emulator for engines that cannot be called here."
    ),
    click.option(
        "--batch",
        type=click.IntRange(1, 64),
        default=1,
        show_default=True,
        help="Pictures of hosted engines at once; others are drawn one by one.",
    ),
    click.option(
        "--reader", default="", metavar="NAME", help="rapidocr, easyocr or both; default: the setting."
    ),
    click.option("--fresh", is_flag=True, help="Draw all anew; the old journal is kept beside the new one."),
)


def options(function: _Function) -> _Function:
    """Decorates a click command with the options that `Options` takes."""
    for declared in reversed(_DECLARED):
        function = declared(function)
    return function


def options_of(given: Mapping[str, Any], command: str) -> Options:
    """Raises:
    UsageError: two options contradict each other, or one lacks another.
    """
    asked = Options(**given, command=command)
    if (asked.prompt is None) == (asked.prompts is None):
        raise click.UsageError("give one of --prompt and --prompts")
    if asked.baseline is not None and not asked.fail_if and asked.html is None:
        raise click.UsageError(
            "--baseline: is compared by --fail-if and shown by --html; give one, "
            'such as --fail-if "legibility < baseline - 0.02"'
        )
    if asked.html == STANDARD_OUTPUT:
        raise click.UsageError("--html: is a file; only --json may be -")
    files = (("--json", asked.json), ("--html", asked.html))
    for place, (option, path) in enumerate(files):
        taken = (("--baseline", asked.baseline), ("--prompts", asked.prompts), *files[:place])
        for other, theirs in taken:
            if path is not None and theirs is not None and path.resolve() == theirs.resolve():
                raise click.UsageError(f"{option}: {path} is {other} too; give it a file of its own")
    return asked
