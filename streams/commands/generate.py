"""generate: pictures here and now, without Kafka."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from schemas.events import Legibility, PromptEvent, PromptRef, Render, RenderJob, Spec
from schemas.faults import BadEvent
from schemas.ids import digest
from schemas.wire import decode
from streams.commands.choices import emulator
from streams.commands.terminal import console, dollars, echo_json, safe
from streams.commands.verb import App, Failure, pass_app, verb
from streams.settings import Settings

if TYPE_CHECKING:
    from inference.assets import AssetStore
    from inference.legibility.service import OcrService
    from inference.render import RenderService

SOURCE = "glyphstream-generate"
_NOT_IN_NAMES = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Drawn:
    """`path` is where the picture lies; None where there is none."""

    render: Render
    legibility: Legibility | None
    path: Path | None


@dataclass(frozen=True, slots=True)
class Studio:
    """What draws, keeps and reads one picture."""

    service: RenderService
    store: AssetStore
    ocr: OcrService | None
    out: Path


@verb(
    "generate",
    examples=(
        """glyphstream generate --prompt 'A jazz night poster that says "BLUE HOUR"' --emulate""",
        "glyphstream generate --prompt-file prompts.txt --model layout --batch 4 --out pictures --json",
    ),
)
@click.option("--prompt", help='What to draw; words in "quotes" must be readable.')
@click.option(
    "--prompt-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="One prompt a line: plain text, or prompt events as JSON.",
)
@click.option(
    "--model", default="layout", show_default=True, help="Engine; `glyphstream engines` lists them."
)
@click.option("--batch", type=click.IntRange(1, 64), default=1, show_default=True, help="Pictures at once.")
@click.option("--samples", type=click.IntRange(1, 200), default=1, show_default=True, help="Of each prompt.")
@click.option("--width", type=int, default=768, show_default=True, help="Pixels, a multiple of 16.")
@click.option("--height", type=int, default=768, show_default=True, help="Pixels, a multiple of 16.")
@click.option("--seed", type=int, help="Of the first sample; default: from the prompt.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("out/pictures"),
    show_default=True,
    help="Where the pictures go.",
)
@click.option("--ocr/--no-ocr", default=True, show_default=True, help="Read every picture back.")
@click.option("--emulate", is_flag=True, help="Start the emulator for engines that cannot be called here.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a picture.")
@pass_app
def command(
    app: App,
    prompt: str | None,
    prompt_file: Path | None,
    model: str,
    batch: int,
    samples: int,
    width: int,
    height: int,
    seed: int | None,
    out: Path,
    ocr: bool,
    emulate: bool,
    as_json: bool,
) -> None:
    """Draw prompts here and now, without Kafka, and read each picture back.

    Prints the file, the legibility score, and each expected word as read or missed. The same prompt,
    model, size and seed is drawn once: a second call finds it in the asset store. Exit code 1 when any
    picture is missing.
    """
    if (prompt is None) == (prompt_file is None):
        raise click.UsageError("give one of --prompt and --prompt-file")
    asked = {"width": width, "height": height, "seed": seed, "variants": samples}
    lines = [prompt] if prompt is not None else _lines(prompt_file)
    jobs = [job for line in lines for job in _jobs(line, asked, model)]
    settings = app.settings()
    with contextlib.ExitStack() as stack:
        if emulate:
            settings = dataclasses.replace(settings, emulator_url=stack.enter_context(emulator()))
        drawn = asyncio.run(_draw_all(settings, jobs, out, batch=batch, ocr=ocr, as_json=as_json))
    missing = sum(each.path is None for each in drawn)
    if missing:
        raise Failure(f"{missing} of {len(drawn)} pictures could not be made; the lines above say why")


def _lines(path: Path | None) -> list[str]:
    if path is None:
        return []
    try:
        lines = [line for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"--prompt-file {path}: {error}; give a UTF-8 text file, one prompt a line") from error
    if not lines:
        raise Failure(f"--prompt-file {path}: is empty; write one prompt a line")
    return lines


def _jobs(line: str, asked: dict[str, Any], model: str) -> list[RenderJob]:
    """A job for each sample of one line: plain text, or a prompt event whose own fields win."""
    from streams.routing.fanout import specs

    try:
        event = decode(PromptEvent, _as_event(line, asked))
    except BadEvent as error:
        raise Failure(f"{safe(line)[:60]!r}: {error.summary}") from error
    return [
        RenderJob(
            ref=PromptRef(event.source, event.id, variant),
            spec=spec,
            engine=model,
            purpose="final",
            ordinal=0,
            route="generate",
            reason="asked for on the command line",
            policy="",
        )
        for variant, spec in specs(event)
    ]


def _as_event(line: str, asked: dict[str, Any]) -> bytes:
    if line.lstrip().startswith("{"):
        try:
            return orjson.dumps({**asked, **orjson.loads(line)})
        except orjson.JSONDecodeError:
            return line.encode()
    return orjson.dumps({**asked, "source": SOURCE, "id": digest(line)[:16], "prompt": line})
