"""sd3: the tiny checkpoint of the local engine, made and trained here."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.commands.terminal import console
from streams.commands.verb import Failure, VerbGroup, subverb

if TYPE_CHECKING:
    from rich.progress import Progress

    from inference.sd3.tiny.store import Run

FOLDER = click.Path(path_type=Path, file_okay=False)
FOLDER_THERE = click.Path(path_type=Path, file_okay=False, exists=True)
# The trainer's own defaults, written down again: to ask it for them would load torch for a help page.
SEED = 7
FLOW_STEPS = 10_000

command = VerbGroup("sd3", help="Make the tiny checkpoint that can spell, and train it.")
command.examples = ("glyphstream sd3 make-tiny out/untrained", "glyphstream sd3 train-tiny out/tiny")


@subverb(
    command,
    "make-tiny",
    examples=("glyphstream sd3 make-tiny out/untrained", "glyphstream sd3 make-tiny out/other --seed 11"),
)
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option("--seed", type=click.IntRange(min=0), default=SEED, show_default=True, help="Of its weights.")
def make_tiny(folder: Path, seed: int) -> None:
    """Write the tiny checkpoint as it is before training.

    DIR is new or empty. It gets diffusers' layout of Stable Diffusion 3.5 and a glyphstream.json; what it
    draws is noise. `train-tiny --start-from DIR` trains it.
    """
    click.echo("make-tiny: fitting the latents, drawing the weights", err=True)
    with _explained():
        from inference.sd3.tiny.training import make

        make(folder, seed)
    _tell_written("make-tiny", folder)


@subverb(
    command,
    "train-tiny",
    examples=(
        "glyphstream sd3 train-tiny out/tiny",
        "glyphstream sd3 train-tiny out/tiny --export out/tiny-sd3.5",
        "glyphstream sd3 train-tiny out/more --start-from out/tiny-sd3.5 --flow-steps 20000",
    ),
)
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=SEED,
    show_default=True,
    help="Of a new run; a resumed one keeps its own.",
)
@click.option(
    "--flow-steps",
    type=click.IntRange(min=1),
    default=FLOW_STEPS,
    show_default=True,
    help="Steps of the transformer, in all; the rate falls over the last fifth.",
)
@click.option(
    "--stop-after", metavar="STEPS", type=click.IntRange(min=1), help="End this sitting early, and save."
)
@click.option(
    "--start-from", metavar="DIR", type=FOLDER_THERE, help="Begin a new run from this exported checkpoint."
)
@click.option("--export", "target", metavar="DIR", type=FOLDER, help="Write the checkpoint there, and end.")
@click.option("--threads", type=click.IntRange(min=1), default=2, show_default=True, help="Of torch.")
def train_tiny(
    folder: Path,
    seed: int,
    flow_steps: int,
    stop_after: int | None,
    start_from: Path | None,
    target: Path | None,
    threads: int,
) -> None:
    """Begin or resume training in DIR.

    SIGTERM or Ctrl-C saves and stops, any other end loses two minutes at most; the same command goes on.
    DIR gets state.pt, train.log, curve.jsonl (held-out words, read) and sheets/. The whole takes hours on
    two cores; --export writes the checkpoint as it was last saved, also while it is being trained.
    """
    with _explained():
        from inference.sd3.tiny.training import Training, train, write

        if target is not None:
            write(folder, target)
            _tell_written("train-tiny", target)
            return
        asked = Training(
            folder=folder,
            seed=seed,
            start_from=start_from,
            flow_steps=flow_steps,
            stop_after=stop_after,
            threads=threads,
        )
        with _bar() as (screen, watch):
            run = train(asked, screen, watch)
    steps = ", ".join(f"{task.name} {task.learner.step}" for task in run.tasks)
    if all(task.learner.finished for task in run.tasks):
        click.echo(f"{folder}: trained ({steps}); --export DIR writes the checkpoint")
    else:
        click.echo(f"{folder}: stopped and saved ({steps}); the same command goes on")


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        from inference.sd3.tiny.training import CannotTrain

        if isinstance(error, CannotTrain):
            raise Failure(str(error)) from error
        raise


class _Above(logging.Handler):
    """Writes what the trainer tells above its bar."""

    def __init__(self, bar: Progress) -> None:
        super().__init__()
        self._bar = bar

    def emit(self, record: logging.LogRecord) -> None:
        self._bar.console.print(self.format(record), markup=False, soft_wrap=True)


@contextlib.contextmanager
def _bar() -> Iterator[tuple[logging.Handler, Callable[[Run], None]]]:
    """Where the trainer's words go, and what moves the bar by a run's steps: primer's, then flow's."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    errors = console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=errors,
        disable=not errors.is_terminal,
    )
    with bar:
        shown = bar.add_task("preparing", total=None)

        def watch(run: Run) -> None:
            now = run.flow if run.primer.learner.finished else run.primer
            cooldown = now.learner.cooldown
            total = cooldown.end if cooldown is not None else None
            bar.update(shown, description=now.name, completed=now.learner.step, total=total)

        yield _Above(bar), watch


def _tell_written(who: str, folder: Path) -> None:
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    click.echo(f"{who}: {folder} written, {size / 1e6:.1f} MB")
