"""`python -m inference.engines.emulator`: the stand-in server for engines that are not at hand."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from pathlib import Path

from inference.engines.emulator.app import Emulator
from inference.engines.emulator.drawing import draw
from inference.engines.emulator.profiles import ProfileError, load_profiles
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
        bound = bind(options.port)
    except (ProfileError, EmulatorFailed, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    emulator = Emulator(
        profiles=profiles, draw=draw, executor=thread_pool(options.workers), pace=options.pace
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
        description="Draws posters with our own typography in place of engines that are not at hand.",
        epilog="example: python -m inference.engines.emulator --port 8090 --pace 0",
    )
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one (default)")
    parser.add_argument("--print-port", action="store_true", help="write only the port, on a line of its own")
    parser.add_argument("--profiles", type=Path, help="another profiles.yaml")
    parser.add_argument("--pace", type=_pace, default=1.0, help="scales every delay; 0 answers at once")
    parser.add_argument("--workers", type=int, help="threads that draw (default: two, or one on one core)")
    parser.add_argument("--until-stdin-closes", action="store_true", help="stop when the parent is gone")
    return parser.parse_args(arguments)


def _pace(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1_000:
        raise argparse.ArgumentTypeError(f"must be in 0..1000; got {text}")
    return value


if __name__ == "__main__":
    sys.exit(main())
