"""The demo from the first prompt to the contact sheet."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import logging
import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console

from inference.assets import AssetStore
from inference.engines.registry import load_registry
from schemas.events import PromptEvent, Result
from streams.broker.local import LocalBroker
from streams.broker.topics import apply_topics
from streams.commands.choices import emulator
from streams.commands.logs import RateLimit
from streams.demo.figures import engine_figures, yardstick
from streams.demo.report import Run, report, write_report
from streams.demo.screen import Screen
from streams.demo.sending import send_missing
from streams.demo.sheet.page import draw_sheet
from streams.demo.tables import NOTE, engine_table, yardstick_table
from streams.demo.takeover import evict_members
from streams.demo.tally import Tally, expected_refs
from streams.demo.verify import asset_faults, count_faults, read_finals
from streams.demo.watching import watch
from streams.demo.workplace import Start, Workplace, begin, order_of
from streams.line import STAGES, run_line
from streams.models import check_models, local_models
from streams.settings import Settings

BEST_SPELLER = "imagen4_ultra"
# Whatever is not finished by then is done by the next run: a person at Ctrl-C waits no longer.
DRAIN_S = 5.0


class DemoFailed(Exception):
    """The run ended without keeping its promise; one line for each fault."""


class Interrupted(Exception):
    """A person stopped the run; the next one continues it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. `external` is a broker that somebody else runs, or None for one of our own.

    `own_assets` says that the asset store lies in the demo's folder.
    """

    place: Workplace
    prompts: tuple[PromptEvent, ...]
    prompt_bytes: bytes
    settings: Settings
    external: str | None
    own_assets: bool
    fresh: bool


def run_demo(plan: Plan, console: Console) -> None:
    """Runs until the promise is kept and shown. May be killed at any moment and called again.

    Raises:
        DemoFailed, Interrupted, WorkplaceError, BrokerError, StageStopped, ScanError
        SettingsError: a local model that was named cannot be used; nothing was begun.
    """
    check_models(local_models(plan.settings, load_registry()))
    place, screen = plan.place, Screen(console, time.monotonic)
    started, clock = dt.datetime.now(dt.UTC), time.monotonic()
    with place.claimed(), contextlib.ExitStack() as stack:
        order = order_of(plan.prompt_bytes, plan.settings.policy, plan.external or "")
        start = begin(place, order, fresh=plan.fresh)
        stack.enter_context(_logging_to(place.log))
        screen.say(start.words)
        settings, broker = _set_up(plan, start, screen, stack)
        finals, verified = asyncio.run(_work(plan.prompts, settings, broker, screen))
        run = Run(
            policy=settings.policy,
            started=started.isoformat(),
            seconds=round(time.monotonic() - clock, 1),
            continued=start.continued,
            assets_verified=verified,
        )
        asyncio.run(_present(plan, settings, run, finals, console))
        place.remember(msgspec.structs.replace(start.state, phase="finished"))
        screen.say(f"{place.sheet}  ({place.page} in a browser), {place.report}")


def _set_up(
    plan: Plan, start: Start, screen: Screen, stack: contextlib.ExitStack
) -> tuple[Settings, LocalBroker | None]:
    """The broker and the emulator, and the settings that name them."""
    settings, broker, prefix = plan.settings, None, plan.settings.topic_prefix
    if plan.external is None:
        broker = stack.enter_context(LocalBroker.start(plan.place.kafka, on_progress=screen.say))
        bootstrap = broker.bootstrap
    else:
        # On a broker that is not ours nothing is cleared away: each run has topics of its own.
        bootstrap, prefix = plan.external, f"{prefix}demo-{start.state.token}-"
        screen.say(f"using the broker at {bootstrap}, topics {prefix}*")
    url = settings.emulator_url or stack.enter_context(emulator())
    assets = str(plan.place.assets) if plan.own_assets else settings.assets
    return (
        dataclasses.replace(
            settings,
            bootstrap=bootstrap,
            topic_prefix=prefix,
            emulator_url=url,
            assets=assets,
            ledger=str(plan.place.ledger),
            # A demo costs nothing, whatever keys are set.
            hosted=False,
            drain_seconds=min(DRAIN_S, settings.drain_seconds),
        ),
        broker,
    )


async def _work(
    prompts: Sequence[PromptEvent], settings: Settings, broker: LocalBroker | None, screen: Screen
) -> tuple[list[Result], int]:
    """Sends, draws, waits, verifies; the finals, and how many assets were fetched and hashed."""
    expected = expected_refs(prompts)
    await apply_topics(settings.bootstrap, prefix=settings.topic_prefix)
    await evict_members(settings, prefix=f"{settings.topic_prefix}glyphstream.")
    sent = await send_missing(settings, prompts, dt.datetime.now(dt.UTC))
    held = len(prompts) - sent
    screen.say(f"{sent} prompts sent" + (f", {held} were on the topic already" if held else ""))
    with screen:
        await _run_line(settings, Tally(expected), broker, screen)
    finals = await read_finals(settings)
    faults = count_faults(finals, expected)
    verified, asset_problems = await asset_faults(AssetStore.open(settings.assets), finals)
    if faults or asset_problems:
        raise DemoFailed("\n".join([*faults, *asset_problems]))
    screen.say(f"verified: {len(finals)} finals, exactly one each; {verified} assets, every SHA-256 true")
    return sorted(finals, key=lambda final: final.ref.variant), verified


async def _run_line(settings: Settings, tally: Tally, broker: LocalBroker | None, screen: Screen) -> None:
    """The stages, until the tally is done or something goes wrong; drained in any case."""
    stop, interrupted = asyncio.Event(), asyncio.Event()
    _stop_on_signals(interrupted, screen)

    def trouble() -> str | None:
        if broker is not None and not broker.running:
            return f"the broker has ended; its log is {broker.log_file}"
        return None

    line = asyncio.create_task(run_line(settings, STAGES, stop=stop))
    watching = asyncio.create_task(
        watch(
            settings,
            tally,
            show=lambda now: screen.show(now.progress()),
            trouble=trouble,
            monotonic=time.monotonic,
        )
    )
    leaving = asyncio.create_task(interrupted.wait())
    try:
        await asyncio.wait((line, watching, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()
        watching.cancel()
        leaving.cancel()
        outcomes = await asyncio.gather(line, watching, return_exceptions=True)
    if interrupted.is_set():
        raise Interrupted("stopped; the same command continues this run")
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    if not tally.done:
        raise DemoFailed(f"the line ended with {len(tally.missing)} finals missing")


def _stop_on_signals(interrupted: asyncio.Event, screen: Screen) -> None:
    def on_signal(received: signal.Signals) -> None:
        if interrupted.is_set():
            os._exit(128 + received)
        screen.say(f"{received.name}: finishing what is under way; once more leaves at once")
        interrupted.set()

    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, on_signal, each)


async def _present(
    plan: Plan, settings: Settings, run: Run, finals: Sequence[Result], console: Console
) -> None:
    """The report, the contact sheet and the tables."""
    place = plan.place
    engines, measured = engine_figures(finals), yardstick(finals, _hosted_only(finals))
    write_report(place.report, report(run, plan.prompts, finals, engines, measured))
    store = AssetStore.open(settings.assets)
    await draw_sheet(place, store, plan.prompts, finals, measured)
    for shown in (engine_table(engines), yardstick_table(measured)):
        console.print(shown)
    console.print(NOTE, style="dim", markup=False)


def _hosted_only(finals: Sequence[Result]) -> list[float]:
    """What each final would cost at list price, drawn once by the best speller and by nobody else."""
    speller = load_registry().resolve(BEST_SPELLER, today=dt.datetime.now(dt.UTC).date())
    images = [final.pictures.image for final in finals if final.pictures is not None]
    return [speller.price.list_usd(image.width, image.height) for image in images]


@contextlib.contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Everything that is logged goes to the file, so that the screen stays whole."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(RateLimit("aiokafka"))
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.handlers[:] = kept
        root.setLevel(level)
        handler.close()
