"""`python -m inference.engines.emulator`: the stand-in server for engines that are not at hand."""

from __future__ import annotations

import argparse
import datetime as dt
import logging
import signal
import sys
from pathlib import Path

from inference.engines.emulator.app import Emulator
from inference.engines.emulator.drawing import draw, draw_plain
from inference.engines.emulator.ledger import Ledger
from inference.engines.emulator.profiles import ProfileError, load_profiles
from inference.engines.emulator.scripts import Plan, ScriptError, Scripts, load_plan
from inference.engines.emulator.serving import (
    HOST,
    EmulatorFailed,
    bind,
    exit_when_stdin_closes,
    server_of,
    thread_pool,
)


def main(arguments: list[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT. Exit status 2: it could not start."""
    options = _options(arguments)
    logging.basicConfig(level=logging.INFO, format="emulator: %(message)s")
    try:
        profiles = load_profiles(options.profiles)
        plan = load_plan(options.plan) if options.plan else Plan()
        bound = bind(options.port)
    except (ProfileError, ScriptError, EmulatorFailed, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    emulator = Emulator(
        profiles=profiles,
        draw=draw_plain if options.plain else draw,
        executor=thread_pool(options.workers),
        pace=options.pace,
        ledger=Ledger(options.ledger),
        scripts=Scripts(plan),
        today=options.today,
    )
    server = server_of(emulator)

    def leave(_signal: int, _frame: object) -> None:
        server.should_exit = True

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    if options.until_stdin_closes:
        exit_when_stdin_closes(server)
    port = bound.getsockname()[1]
    sys.stdout.write(f"{port}\n" if options.print_port else f"listening on http://{HOST}:{port}\n")
    sys.stdout.flush()
    server.run([bound])
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m inference.engines.emulator",
        description="Speaks every engine's contract, and draws posters with our own typography in its place.",
        epilog="example: python -m inference.engines.emulator --port 8090 --pace 0 --ledger spent.jsonl",
    )
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one (default)")
    parser.add_argument("--print-port", action="store_true", help="write only the port, on a line of its own")
    parser.add_argument("--profiles", type=Path, help="another profiles.yaml")
    parser.add_argument("--pace", type=_pace, default=1.0, help="scales every delay; 0 answers at once")
    parser.add_argument("--workers", type=int, help="threads that draw (default: two, or one on one core)")
    parser.add_argument("--plain", action="store_true", help="draw one colour and no words, which is quick")
    parser.add_argument("--ledger", type=Path, help="append every request, and its charge, to this file")
    parser.add_argument("--plan", type=Path, help="a seeded plan of what goes wrong, in YAML")
    parser.add_argument("--today", type=dt.date.fromisoformat, help="models that ended before are gone")
    parser.add_argument("--until-stdin-closes", action="store_true", help="stop when the parent is gone")
    return parser.parse_args(arguments)


def _pace(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1_000:
        raise argparse.ArgumentTypeError(f"must be in 0..1000; got {text}")
    return value


if __name__ == "__main__":
    sys.exit(main())
