"""Benchmarks: the routing stage beside its rivals, the latency it adds, what poison costs.

    python -m tests.bench.run all --report docs/performance.md

Each part's figures replace its own in the JSON file; the page and its picture are made from that file, so
one part can be measured again alone. A part that fails its target is reported as such and is no error.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from streams.broker.local import LocalBroker
from tests.bench import contestants, machine, report
from tests.bench.backlog import BenchError
from tests.bench.latency import LatencyPlan, measure_latency
from tests.bench.poison import PoisonPlan, measure_poison
from tests.bench.routing import RoutingPlan, measure_routing
from tests.bench.stand import Stand

OUT = Path("out/bench")
PARTS = ("routing", "latency", "poison")
Measure = Callable[[Stand], dict[str, object]]


def say(text: str) -> None:
    sys.stderr.write(f"bench: {time.strftime('%H:%M:%S')} {text}\n")


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    OUT.mkdir(parents=True, exist_ok=True)
    parts = PARTS if options.part == "all" else () if options.part == "report" else (options.part,)
    found = _read(options.json)
    if parts:
        command = "python -m tests.bench.run " + " ".join(argv if argv is not None else sys.argv[1:])
        for name, result in _measured(parts, options):
            found[name] = {**result, "machine": machine.described(), "command": command.strip()}
            _write(options.json, found)
    if options.report:
        report.write(options.report, found)
        say(f"{options.report} written")
    for line in report.verdicts(found):
        say(line)
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("part", nargs="?", default="all", choices=(*PARTS, "all", "report"))
    parser.add_argument("--report", type=Path, help="write the page here and its picture beside it")
    parser.add_argument("--json", type=Path, default=OUT / "performance.json")
    parser.add_argument("--events", type=int, help="events of one drain (routing, poison)")
    parser.add_argument("--repetitions", type=int, help="turns of each contestant (routing)")
    parser.add_argument("--tries", type=int, help="turns of each setting before that (routing)")
    parser.add_argument("--segments", type=int, help="segments of each contestant (latency)")
    parser.add_argument("--pairs", type=int, help="clean and poisoned drains (poison)")
    parser.add_argument(
        "--quiet", type=float, default=0.0, metavar="SECONDS",
        help="before each start, wait so long at most until others leave the machine alone",
    )  # fmt: skip
    parser.add_argument("--raw-only", action="store_true", help="routing beside raw aiokafka alone")
    return parser.parse_args(argv)


def _measured(parts: Sequence[str], options: argparse.Namespace) -> Iterator[tuple[str, dict[str, object]]]:
    """Each part as soon as it is measured: a long run that breaks off keeps what it has."""
    rivals: dict[str, str] = {}
    if "routing" in parts and not options.raw_only:
        say(f"rivals' own environment: {contestants.VENV}")
        rivals = dict(contestants.prepare_rivals())
    with (
        tempfile.TemporaryDirectory(dir=OUT, prefix="broker-") as folder,
        LocalBroker.start(Path(folder)) as broker,
    ):
        stand = Stand(broker.bootstrap, OUT / "logs", broker_pid=broker.pid, quiet_s=options.quiet)
        for part in parts:
            say(f"== {part}")
            try:
                result = _measures(options)[part](stand)
            except BenchError as error:
                raise SystemExit(f"bench: {part}: {error}") from error
            yield part, {**result, "rivals": rivals} if part == "routing" else result


def _measures(options: argparse.Namespace) -> dict[str, Measure]:
    routing = _planned(
        RoutingPlan(rivals=not options.raw_only),
        events=options.events,
        repetitions=options.repetitions,
        tries=options.tries,
    )
    latency = _planned(LatencyPlan(), segments=options.segments)
    poison = _planned(PoisonPlan(), events=options.events, pairs=options.pairs)
    return {
        "routing": lambda stand: measure_routing(stand, routing, OUT, say),
        "latency": lambda stand: measure_latency(stand, latency, OUT, say),
        "poison": lambda stand: measure_poison(stand, poison, OUT, say),
    }


def _planned(plan: Any, **given: object) -> Any:
    """The plan with what was given on the command line in place of its defaults."""
    return dataclasses.replace(plan, **{name: value for name, value in given.items() if value is not None})


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return found


def _write(path: Path, found: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
