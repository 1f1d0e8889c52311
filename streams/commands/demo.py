"""demo: the whole line on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.commands.choices import known_policy, known_readers, opened_store
from streams.commands.documents import checked_or_failure
from streams.commands.terminal import console
from streams.commands.verb import WITH_BROKER, App, Failure, pass_app, verb
from streams.runtime.errors import EXIT_DEAD_LETTER_LIMIT, EXIT_UNREACHABLE
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.demo.run import Plan

PROMPTS = Path("prompts/demo.jsonl")
INTERRUPTED = 130


@verb(
    "demo",
    examples=(
        "glyphstream demo",
        "glyphstream demo --prompts my-prompts.jsonl --policy local-first --out out/mine",
        "KAFKA_BOOTSTRAP_SERVERS=kafka:9092 glyphstream demo --fresh",
    ),
    exits=(*WITH_BROKER, EXIT_DEAD_LETTER_LIMIT),
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("out/demo"),
    show_default=True,
    help="Everything of the run: broker, pictures, report, contact sheet.",
)
@click.option(
    "--prompts",
    type=click.Path(path_type=Path, dir_okay=False),
    help="JSON lines; default: prompts/demo.jsonl of the project.",
)
@click.option("--policy", help="hybrid, local-first, hosted-first or expected; default: the setting.")
@click.option("--fresh", is_flag=True, help="Clear away a run that was cut off, instead of continuing it.")
@pass_app
def command(app: App, out: Path, prompts: Path | None, policy: str | None, fresh: bool) -> None:
    """Run the whole line on this machine, prompts to contact sheet.

    Starts a broker (unless KAFKA_BOOTSTRAP_SERVERS or --bootstrap names one), the emulator in place of
    engines without a key, and the four stages; sends the prompts; waits for one final each; checks every
    picture's SHA-256; writes report.json and the contact sheet.

    Cut off at any moment, the same command continues the run. After a finished run it starts anew.
    """
    file = prompts if prompts is not None else default_prompts()
    checked = checked_or_failure(file)
    settings = app.settings(policy=policy)
    known_policy(settings)
    known_readers(settings)
    own_assets = settings.assets == Settings().assets
    if not own_assets:
        opened_store(settings)

    from streams.demo.run import Plan
    from streams.demo.workplace import Workplace

    external = settings.bootstrap if _names_a_broker(app, settings) else None
    plan = Plan(
        place=Workplace(out.resolve()),
        prompts=tuple(placed.event for placed in checked.prompts),
        prompt_bytes=file.read_bytes(),
        settings=settings,
        external=external,
        own_assets=own_assets,
        fresh=fresh,
    )
    _run(plan)


def _run(plan: Plan) -> None:
    from streams.broker.errors import BrokerError
    from streams.demo.run import DemoFailed, Interrupted, run_demo
    from streams.demo.watching import Stalled
    from streams.demo.workplace import WorkplaceError
    from streams.scan import ScanError, Unreachable

    try:
        run_demo(plan, console())
    except Interrupted as error:
        raise Failure(str(error), exit_code=INTERRUPTED) from error
    except Unreachable as error:
        raise Failure(str(error), exit_code=EXIT_UNREACHABLE) from error
    except Stalled as error:
        raise Failure(f"{error}; {plan.place.log} says more") from error
    except (DemoFailed, WorkplaceError, BrokerError, ScanError) as error:
        raise Failure(str(error)) from error


def default_prompts() -> Path:
    """In the current folder, else in the checkout that this package was installed from.

    Raises:
        Failure: neither has them.
    """
    for folder in (Path(), Path(__file__).resolve().parents[2]):
        if (folder / PROMPTS).is_file():
            return folder / PROMPTS
    raise Failure(f"{PROMPTS}: not found here; name a file of prompts with --prompts")


def _names_a_broker(app: App, settings: Settings) -> bool:
    said = (app.flags.get("bootstrap"), app.env.get("KAFKA_BOOTSTRAP_SERVERS"))
    return any(said) or settings.bootstrap != Settings().bootstrap
