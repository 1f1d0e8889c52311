"""Kills, pauses, cuts and restarts everything at random while events flow, and counts what came out.

    python -m tests.chaos.run --events 1000000 --kills 300 --report docs/reliability.md

It goes on where it was interrupted with `--resume FOLDER`. Exit status 1 where an event was lost, came out
twice or out of order; with `--control`, where none was, because then the checker or the storm is too mild.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.chaos.plan import counts_for, plan
from tests.chaos.report import CHAPTERS, chaos_section, put_section
from tests.chaos.session import ChaosSession, Outcome, Size, Stalled
from tests.chaos.worker import CONTROLS
from tests.chaos.workload import Workload

SETTINGS = "settings.json"
NAMES = ("events", "kills", "seed", "keys", "partitions", "seconds_per_kill", "control")
# A little faster than the storm needs, so that there is always work.
MARGIN = 1.1


def facts_of(outcome: Outcome) -> dict[str, int]:
    facts: dict[str, int] = asdict(outcome)
    verdict = asdict(outcome.verdict)
    del facts["verdict"]
    return {**verdict, **facts}


def size_of(settings: dict[str, Any]) -> Size:
    control = settings["control"]
    workload = Workload(settings["events"], keys=settings["keys"], partitions=settings["partitions"])
    counts = counts_for(settings["kills"])
    gap_s = settings["seconds_per_kill"] * settings["kills"] / sum(counts.values())
    return Size(
        workload=workload,
        actions=plan(settings["seed"], counts, gap_s),
        seed=settings["seed"],
        rate=MARGIN * settings["events"] / (settings["kills"] * settings["seconds_per_kill"]),
        control=control,
    )


def command_of(settings: dict[str, Any]) -> str:
    """What a person types to have this run again, also after one that was resumed."""
    usual = parser().parse_args([])
    told = [
        name
        for name in NAMES
        if name in ("events", "kills", "seed") or settings[name] != getattr(usual, name)
    ]
    words = [f"--{name.replace('_', '-')} {settings[name]}" for name in told]
    return " ".join(["python -m tests.chaos.run", *words])


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=300, help="of workers; other faults in proportion")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keys", type=int, default=1_000)
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--seconds-per-kill", type=float, default=4.0)
    parser.add_argument("--control", choices=CONTROLS, default="none", help="plant a fault: must be found")
    parser.add_argument("--out", type=Path, default=Path("out/chaos"), help="emptied at the start")
    parser.add_argument("--resume", type=Path, help="the folder of a run that was interrupted")
    parser.add_argument("--report", type=Path, help="write the figures into this page")
    return parser


def prepare(options: argparse.Namespace) -> tuple[Path, dict[str, Any]]:
    """The run's folder and its settings, which a resumed run has in its folder."""
    if options.resume is not None:
        file = options.resume / SETTINGS
        if not file.exists():
            raise SystemExit(f"--resume {options.resume} has no {SETTINGS}: name the --out of an earlier run")
        return options.resume, json.loads(file.read_text("utf-8"))
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    settings = {name: getattr(options, name) for name in NAMES}
    (options.out / SETTINGS).write_text(json.dumps(settings, indent=1), "utf-8")
    return options.out, settings


def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    folder, settings = prepare(options)
    session = ChaosSession(folder, size_of(settings))
    try:
        outcome = asyncio.run(session.run())
    except (KeyboardInterrupt, Stalled) as error:
        sys.stderr.write(f"chaos: stopped: {error or 'interrupted'}; go on with --resume {folder}\n")
        return 1
    for name, value in facts_of(outcome).items():
        sys.stdout.write(f"{name}: {value:,}\n")
    if options.report is not None:
        section = chaos_section(session, outcome, command=command_of(settings))
        put_section(options.report, CHAPTERS[settings["control"]].title, section)
    planted = settings["control"] != "none"
    return 0 if outcome.clean != planted else 1


if __name__ == "__main__":
    sys.exit(main())
