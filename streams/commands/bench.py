"""bench: engines and policies over the same prompts and seeds."""

from __future__ import annotations

import shlex
import sys
from typing import Any

from inference.bench.options import STANDARD_OUTPUT, Options, options, options_of
from streams.commands.verb import App, Failure, pass_app, verb
from streams.runtime.errors import EXIT_USAGE
from streams.settings import Settings


@verb(
    "bench",
    examples=(
        "glyphstream bench --models sd3.5_local,sd3.5_medium,imagen4_remote --prompts prompts/ai_posters.txt "
        "--samples 20 --emulate",
        """glyphstream bench --models layout,policy:hybrid --prompt 'A poster: "OPEN LATE"' --emulate""",
        "glyphstream bench --models layout --prompts prompts/ai_posters.txt --json baseline.json",
        "glyphstream bench --models layout --prompts prompts/ai_posters.txt --fresh --baseline baseline.json "
        '--fail-if "legibility < baseline - 0.02" --fail-if "p50 > 1.1 * baseline" --html report.html',
    ),
)
@options
@pass_app
def command(app: App, /, **given: Any) -> int:
    """Compare engines and policies over the same prompts and seeds.

    Each is warmed up, then draws every prompt; pictures are read back. Tells seconds, legibility and dollars
    for 1,000 pictures, with 95 % intervals, and which differences could be luck. What is drawn is kept in
    --out: the same command goes on where it was stopped. Exit code 1 also where a --fail-if trips.
    """
    asked = options_of(given, shlex.join(["glyphstream", *sys.argv[1:]]))
    from inference.bench.command import FAILED, WRONG, Book, bench
    from inference.bench.room import House
    from inference.bench.screen import Screen
    from streams.models import local_models
    from streams.policy_contestant import policy_contestant
    from streams.routing.policy import POLICY_NAMES

    settings = app.settings()
    ledger = _ledger_of_the_line(settings, asked, app)
    house = House(
        assets=settings.assets if app.flags.get("assets") else asked.out / "pictures",
        ledger=ledger or str(asked.out / "ledger.db"),
        shared=bool(ledger) and not app.flags.get("assets"),
        budgets=settings.budgets,
        models=lambda registry, watch: local_models(settings, registry, watch=watch),
        emulator_url=settings.emulator_url,
        render_url=settings.render_url,
        usd_per_gpu_hour=settings.usd_per_gpu_hour,
        usd_per_cpu_hour=settings.usd_per_cpu_hour,
        environ=app.env,
        calls_hosted=settings.hosted,
    )
    screen = Screen(aside=asked.json == STANDARD_OUTPUT)
    book = Book(POLICY_NAMES, policy_contestant)
    try:
        return bench(asked, house, screen, readers=",".join(settings.readers), book=book)
    except WRONG as error:
        raise Failure(str(error), exit_code=EXIT_USAGE) from error
    except FAILED as error:
        raise Failure(str(error)) from error


def _ledger_of_the_line(settings: Settings, asked: Options, app: App) -> str:
    """Real money is held against the budgets of the line; empty where only stand-ins can cost something.

    Raises:
        SettingsError: the line's ledger is not known.
    """
    from streams.drawing import ledger_of, live_keys

    if settings.ledger or (live_keys(settings, app.env) and _may_be_paid(asked.models)):
        return ledger_of(settings, app.env)
    return ""


def _may_be_paid(models: str) -> bool:
    from inference.engines.registry import OURS, UnknownEngine, load_registry

    registry = load_registry()
    for name in models.split(","):
        try:
            if registry.get(name.strip()).adapter not in OURS:
                return True
        except UnknownEngine:
            return True  # a policy, or a slip that is told later
    return False
