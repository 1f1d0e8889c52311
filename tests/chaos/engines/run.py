"""Jobs for every hosted contract, three workers, kills, lost answers and tight budgets; then the audit.

    python -m tests.chaos.engines.run --jobs 10000 --database postgres --report docs/spend-audit.md

Exit status 1 where the audit finds a fault, or where what was to be survived never happened; with
`--control`, where it does not find the planted fault, because then it is blind.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from streams.broker.local import LocalBroker
from streams.broker.topics import apply_topics
from tests.chaos.engines.audit import Fault, judge
from tests.chaos.engines.crew import storm
from tests.chaos.engines.figures import Figures, figures_of, missing
from tests.chaos.engines.jobs import Workload
from tests.chaos.engines.page import chapter, write_section
from tests.chaos.engines.session import Place, Session, Size, Stalled
from tests.chaos.engines.worker import CONTROLS
from tests.inference.engines.ledger.ledger_postgres import LocalPostgres, NoPostgres

# What the audit must say of a planted fault.
FOUND_BY: Mapping[str, Fault] = {
    "pays-again": "charged twice",
    "settles-nothing": "untold",
    "drops-jobs": "lost",
}
# A paused worker outlasts its lease and its session in the group.
PAUSE_S = (5.0, 9.0)


@contextlib.contextmanager
def ledger_at(kind: str, folder: Path) -> Iterator[str]:
    """The address of an empty ledger in a database of that kind."""
    if kind == "sqlite":
        yield str(folder / "ledger.db")
        return
    server = LocalPostgres.start()
    try:
        yield server.new_database()
    finally:
        server.stop()


def size_of(options: argparse.Namespace) -> Size:
    actions = storm(options.seed, options.kills, options.kills // 3, options.kills // 4, pause_s=PAUSE_S)
    workload = Workload(options.jobs, partitions=options.partitions)
    return Size(workload=workload, storm=actions, seed=options.seed, control=options.control)


def audited(options: argparse.Namespace, folder: Path) -> Figures:
    """Runs the whole once, on a broker and a database of its own."""
    size = size_of(options)
    _say(f"starting a broker and {options.database}")
    with (
        ledger_at(options.database, folder) as ledger,
        LocalBroker.start(folder / "kafka") as broker,
    ):
        asyncio.run(apply_topics(broker.bootstrap, partitions=size.workload.partitions))
        place = Place(bootstrap=broker.bootstrap, prefix="", ledger=ledger, folder=folder / "run")
        _say(f"{options.jobs:,} jobs, {len(size.storm)} blows")
        outcome = Session(place, size).run()
    return figures_of(outcome, judge(outcome.evidence))


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="postgres")
    parser.add_argument("--kills", type=int, default=40, help="of workers; other blows in proportion")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--partitions", type=int, default=6)
    parser.add_argument("--control", choices=CONTROLS, default="none", help="plant a fault: must be found")
    parser.add_argument("--out", type=Path, help="keep logs, bill and pictures here; emptied at the start")
    parser.add_argument("--report", type=Path, help="write the figures into this page")
    return parser


@contextlib.contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    if out is None:
        with tempfile.TemporaryDirectory(prefix="glyphstream-spend-") as made:
            yield Path(made)
        return
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    yield out


def _say(text: str) -> None:
    sys.stderr.write(f"spend audit: {text}\n")


def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    try:
        with _folder(options.out) as folder:
            figures = audited(options, folder)
    except (NoPostgres, Stalled, KeyboardInterrupt) as error:
        _say(f"stopped: {error or 'interrupted'}")
        return 1
    section = chapter(figures, options)
    sys.stdout.write(section + "\n")
    if options.report is not None:
        write_section(options.report, options, section)
    if options.control != "none":
        return 0 if figures.verdict.counts.get(FOUND_BY[options.control]) else 1
    absent = missing(figures)
    if absent:
        _say(f"too mild, these never or hardly happened: {', '.join(absent)}")
    return 0 if figures.clean and not absent else 1


if __name__ == "__main__":
    sys.exit(main())
