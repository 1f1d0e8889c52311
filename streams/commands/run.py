"""run: the stages, until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import logging
import os
import signal
from collections.abc import Sequence

import click

from streams.commands.choices import emulator, known_policy, known_readers, opened_store
from streams.commands.verb import App, pass_app, verb
from streams.models import check_models, local_models
from streams.runtime.errors import EXIT_DEAD_LETTER_LIMIT, EXIT_FAILED, EXIT_OK, EXIT_UNREACHABLE, EXIT_USAGE
from streams.settings import Settings

STAGES = ("route", "preview", "polish", "score")
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@verb(
    "run",
    examples=(
        "glyphstream run --emulate",
        "glyphstream run score --readers rapidocr,easyocr",
        "glyphstream run route polish --policy hosted-first --bootstrap kafka:9092",
    ),
    exits=(EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_UNREACHABLE, EXIT_DEAD_LETTER_LIMIT),
)
@click.argument("stages", nargs=-1, metavar="[STAGE]...", type=click.Choice(STAGES))
@click.option("--policy", help="hybrid, local-first, hosted-first or expected.")
@click.option("--readers", help="OCR readers, separated by commas.")
@click.option("--concurrency", type=click.IntRange(min=1), help="Events worked on at once, for each stage.")
@click.option("--emulate", is_flag=True, help="Start the emulator, which stands in for engines without key.")
@pass_app
def command(
    app: App,
    stages: Sequence[str],
    policy: str | None,
    readers: str | None,
    concurrency: int | None,
    emulate: bool,
) -> None:
    """Run the stages: all of them, or the ones named.

    STAGE is route, preview, polish or score; without one, all four run in this process. SIGTERM or Ctrl-C
    drains: what is under way is finished and committed. A second one leaves at once, and whatever was open
    is done again by the next run.

    The local model of `preview` is loaded while the stage joins its group, in a process of its own;
    `glyphstream doctor` says which model that is and why.

    Engines whose key is not set are played by the emulator where one is given: by --emulate, which starts
    it as a child of this process, or by GLYPHSTREAM_EMULATOR_URL. Otherwise their jobs fail and say so.

    Exit code 4 wants a person: look at `glyphstream dead-letters list`, mend the cause, then start again.
    A supervisor that restarts the stage at once only makes more dead letters.
    """
    chosen = [name for name in STAGES if name in stages] or list(STAGES)
    settings = app.settings(
        policy=policy,
        readers=readers,
        concurrency=concurrency,
    )
    _check(settings, chosen)
    if not app.debug:
        for ours in ("streams", "inference.sd3"):
            logging.getLogger(ours).setLevel(logging.INFO)
    with contextlib.ExitStack() as stack:
        if emulate:
            settings = dataclasses.replace(settings, emulator_url=stack.enter_context(emulator()))
        asyncio.run(_run(settings, chosen))


def _check(settings: Settings, stages: Sequence[str]) -> None:
    """What `stages` are set to use is known, before any of them joins.

    Raises:
        Failure, SettingsError: exit code 2, the setting and the fix.
    """
    known_policy(settings)
    if "score" in stages:
        known_readers(settings)
    opened_store(settings)
    if {"preview", "polish"} & set(stages):
        from inference.engines.registry import load_registry

        check_models(local_models(settings, load_registry()))


async def _run(settings: Settings, stages: Sequence[str]) -> None:
    from streams.line import run_line

    stop = asyncio.Event()
    _stop_on_signals(stop)
    stand_in = settings.emulator_url or "none"
    _tell(f"starting {', '.join(stages)} at {settings.bootstrap}, policy {settings.policy}")
    _tell(f"assets {settings.assets}, emulator {stand_in}")
    if settings.metrics_port:
        _tell(f"metrics at http://127.0.0.1:{settings.metrics_port}/metrics")
    await run_line(settings, stages, stop=stop, ready=_ready)
    _tell("drained")


def _ready() -> None:
    # What start-up made stays for good, and records leave few cycles: looking for some all the time cost
    # a stage that only decides a tenth of its CPU.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    _tell("ready")


def _stop_on_signals(stop: asyncio.Event) -> None:
    def on_signal(received: signal.Signals) -> None:
        if stop.is_set():
            _tell(f"{received.name} again: leaving at once")
            os._exit(128 + received)
        _tell(f"{received.name}: draining; once more leaves at once")
        stop.set()

    loop = asyncio.get_running_loop()
    for each in _SIGNALS:
        loop.add_signal_handler(each, on_signal, each)


def _tell(message: str) -> None:
    click.echo(f"run: {message}", err=True)
