"""generate: pictures here and now, without Kafka."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import math
import secrets
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from schemas.events import Legibility, PromptEvent, PromptRef, RenderJob
from schemas.faults import BadEvent
from schemas.ids import digest
from schemas.wire import decode
from streams.commands.choices import emulator, known_readers
from streams.commands.drawing_bar import DrawingBar
from streams.commands.studio import Drawn, open_studio
from streams.commands.terminal import console, dollars, echo_json, safe
from streams.commands.verb import App, Failure, pass_app, verb
from streams.runtime.errors import EXIT_FAILED, EXIT_USAGE
from streams.settings import Settings

if TYPE_CHECKING:
    from inference.engines.registry import Entry

SOURCE = "glyphstream-generate"


@verb(
    "generate",
    examples=(
        """glyphstream generate --prompt 'A jazz night poster that says "BLUE HOUR"' --emulate""",
        "glyphstream generate --prompt-file prompts.txt --model layout --batch 4 --out pictures --json",
        "glyphstream generate --prompt-file prompts.txt --model local-sd3.5 --batch 50",
        """glyphstream generate --prompt '"ORBIT 9"' --model sd3.5_medium --steps 16 --guidance 3 --seed 7""",
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
@click.option("--negative-prompt", help="What must not be in it; looked at where guidance is above 1.")
@click.option("--steps", type=int, help="Of a local model; default: its own.")
@click.option(
    "--guidance", type=float, help="How strictly a local model follows the prompt; default: its own."
)
@click.option("--sampler", help="Of a local model: euler (default) or heun.")
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
    negative_prompt: str | None,
    steps: int | None,
    guidance: float | None,
    sampler: str | None,
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
    """Draw prompts here and now, without Kafka.

    Each picture is read back: prints the file, the legibility score, and each expected word as read or
    missed. The same prompt, model, size and seed is drawn once: a second call finds it in the asset store.
    Exit code 1 when any picture is missing.
    """
    if (prompt is None) == (prompt_file is None):
        raise click.UsageError("give one of --prompt and --prompt-file")
    given = {"negative_prompt": negative_prompt, "steps": steps, "guidance": guidance, "sampler": sampler}
    asked: dict[str, Any] = {"width": width, "height": height, "seed": seed, "variants": samples}
    asked |= {name: value for name, value in given.items() if value is not None}
    entry = _check_flags(asked, model)
    settings = app.settings()
    if entry.adapter == "sd3_local":
        _check_local(settings)
    if ocr:
        known_readers(settings)
    lines = [prompt] if prompt is not None else _lines(prompt_file)
    code = EXIT_USAGE if prompt is not None else EXIT_FAILED
    # Asked once more on the command line, it is another job: what this one cost is told by the ledger.
    run = f"generate-{secrets.token_hex(4)}"
    jobs = _apart([job for line in lines for job in _jobs(line, asked, entry.name, run, code)])
    with contextlib.ExitStack() as stack:
        if emulate:
            settings = dataclasses.replace(settings, emulator_url=stack.enter_context(emulator()))
        drawn = asyncio.run(_draw_all(settings, jobs, out, batch=batch, ocr=ocr, as_json=as_json))
    missing = sum(each.path is None for each in drawn)
    if missing:
        raise Failure(f"{missing} of {len(drawn)} pictures could not be made; the lines above say why")


def _check_flags(asked: dict[str, Any], model: str) -> Entry:
    """The engine that `model` or an alias names.

    Raises:
        UsageError: no such engine, or a size, seed or sampler that no prompt event may have.
    """
    from inference.engines.registry import UnknownEngine, load_registry

    guidance = asked.get("guidance", 0.0)
    if not math.isfinite(guidance):
        # JSON has no word for it: the event would have none, and be drawn with the default.
        raise click.UsageError(f"--guidance: must be a number; got {guidance}")
    try:
        entry = load_registry().get(model)
        decode(PromptEvent, _as_event("any", asked))
    except UnknownEngine as error:
        raise click.UsageError(f"--model: {error}") from error
    except BadEvent as error:
        told = (
            f"--{fault.field.replace('_', '-')}{str(fault).removeprefix(fault.field)}"
            for fault in error.faults
        )
        raise click.UsageError("; ".join(told)) from error
    return entry


def _check_local(settings: Settings) -> None:
    """Raises:
    SettingsError: a local model that was named cannot be used.
    """
    from inference.engines.registry import load_registry
    from streams.models import check_models, local_models

    check_models(local_models(settings, load_registry()))


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


def _jobs(line: str, asked: dict[str, Any], model: str, run: str, exit_code: int) -> list[RenderJob]:
    """A job for each sample of one line: plain text, or a prompt event whose own fields win.

    Raises:
        Failure: the line is no prompt; leaves with `exit_code`.
    """
    from streams.routing.fanout import specs

    try:
        event = decode(PromptEvent, _as_event(line, asked))
    except BadEvent as error:
        raise Failure(f"{safe(line)[:60]!r}: {error.summary}", exit_code=exit_code) from error
    return [
        RenderJob(
            ref=PromptRef(event.source, event.id, variant, run),
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


def _apart(jobs: Sequence[RenderJob]) -> list[RenderJob]:
    """Where two lines ask for the same, the second is another job: without a cache it is drawn, and paid."""
    seen = Counter[RenderJob]()
    apart = []
    for job in jobs:
        seen[job] += 1
        again = f"{job.ref.run}-{seen[job]}" if seen[job] > 1 else job.ref.run
        apart.append(dataclasses.replace(job, ref=dataclasses.replace(job.ref, run=again)))
    return apart


def _as_event(line: str, asked: dict[str, Any]) -> bytes:
    if line.lstrip().startswith("{"):
        try:
            return orjson.dumps({**asked, **orjson.loads(line)})
        except orjson.JSONDecodeError:
            return line.encode()
    return orjson.dumps({**asked, "source": SOURCE, "id": digest(line)[:16], "prompt": line})


async def _draw_all(
    settings: Settings, jobs: Sequence[RenderJob], out: Path, *, batch: int, ocr: bool, as_json: bool
) -> list[Drawn]:
    bar = DrawingBar(console(stderr=True), len(jobs))
    slots = asyncio.Semaphore(batch)
    async with open_studio(settings, out, jobs, ocr=ocr, watch=bar.watch) as studio:
        with bar:

            async def one(job: RenderJob) -> Drawn:
                async with slots:
                    drawn = await studio.draw(job)
                bar.advance()
                _tell(drawn, as_json=as_json)
                return drawn

            drawn = list(await asyncio.gather(*(one(job) for job in jobs)))
    if not as_json:
        for reason in dict.fromkeys(_remark(each) for each in drawn):
            if reason:
                click.echo(f"note: {reason}", err=True)
    return drawn


def _remark(drawn: Drawn) -> str:
    """What is otherwise than it was asked, for a picture that was drawn now."""
    render = drawn.render
    return "" if drawn.path is None or render.cached else safe(render.reason)


def _tell(drawn: Drawn, *, as_json: bool) -> None:
    if as_json:
        echo_json(_as_mapping(drawn))
        return
    render = drawn.render
    engine = f"{render.resolved_engine or render.job.engine}{' (emulated)' if render.emulated else ''}"
    if drawn.path is None:
        click.echo(f"no picture  {engine}  {render.outcome}: {safe(render.reason)}")
        return
    where = "found in the store" if render.cached else f"{render.seconds:.1f} s, {dollars(render.usd)}"
    click.echo(f"{drawn.path}  {engine}  {where}  {_score(drawn.legibility)}")


def _score(legibility: Legibility | None) -> str:
    if legibility is None:
        return "not read"
    marks = {"read": "read", "missed": "MISSED", "unreadable_by_reader": "no reader for it"}
    words = ", ".join(f'"{safe(text.text)}" {marks[text.verdict]}' for text in legibility.texts)
    score = "unscored" if legibility.score is None else f"score {legibility.score:.2f}"
    return f"{score}{': ' if words else ''}{words}"


def _as_mapping(drawn: Drawn) -> dict[str, object]:
    render = drawn.render
    image = render.pictures.image if render.pictures is not None else None
    return {
        "prompt": render.job.spec.prompt,
        "seed": render.job.spec.seed,
        "engine": render.job.engine,
        "resolved_engine": render.resolved_engine,
        "emulated": render.emulated,
        "outcome": render.outcome,
        "reason": render.reason,
        "path": str(drawn.path) if drawn.path is not None else None,
        "uri": image.uri if image is not None else None,
        "sha256": image.sha256 if image is not None else None,
        "seconds": render.seconds,
        "usd": render.usd,
        "cached": render.cached,
        "legibility": dataclasses.asdict(drawn.legibility) if drawn.legibility is not None else None,
    }
