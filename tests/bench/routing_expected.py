"""The policy of expected costs: does it learn what engines are worth, and how does it compare?

    python -m tests.bench.routing_expected --report docs/routing.md

Simulated from published rates; no engine is called. A seed takes about twelve seconds of a core.
What was found is kept (--json); --from-json writes the page anew. Exit code 1 when a check is not met.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from streams.routing.expected.policyfile import ExpectedPolicy, load_policy
from tests.bench import routing_page
from tests.bench.routing_pairs import by_worth, figures, ran, settings
from tests.bench.routing_policies import orders
from tests.bench.routing_trials import USUAL, WAYS, WORLDS, exploring, trial, way_trial
from tests.bench.routing_world import on_offer

OUT = Path("out/routing/expected.json")
SEEDS, OTHER_SEEDS, WAY_SEEDS, SAMPLES, SWEEP_SAMPLES = 40, 6, 8, 20, 5
PAIR_SEED = 11


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    if options.from_json:
        found = json.loads(options.json.read_text("utf-8"))
    else:
        found = _measured(options)
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(found, indent=1), "utf-8")
    if options.report:
        routing_page.write(options.report, found)
        sys.stderr.write(f"{options.report} written\n")
    checks = routing_page.checks(found)
    for check in checks:
        sys.stdout.write(f"{'met    ' if check.met else 'NOT MET'} {check.target}: {check.measured}\n")
    return 0 if all(check.met for check in checks) else 1


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--report", type=Path, help="write the page here and its figure beside it")
    parser.add_argument("--json", type=Path, default=OUT)
    parser.add_argument("--from-json", action="store_true")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of the world as the policy expects it")
    parser.add_argument("--other-seeds", type=int, default=OTHER_SEEDS, help="of each other world")
    parser.add_argument("--way-seeds", type=int, default=WAY_SEEDS, help="of each way to explore")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    return parser.parse_args(argv)


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    """Trials are independent of each other, so any number of workers finds the same."""
    whole, posters = load_policy(), len(tuple(orders()))
    policy = on_offer(whole)
    with ProcessPoolExecutor(options.workers) as pool:
        worlds = {
            world.name: [
                pool.submit(trial, policy, world, seed)
                for seed in range(1, 1 + (options.seeds if world is USUAL else options.other_seeds))
            ]
            for world in WORLDS
        }
        explored = {
            name: [
                pool.submit(way_trial, exploring(policy, way, share), seed)
                for seed in range(1, 1 + options.way_seeds)
            ]
            for name, (way, share) in WAYS.items()
        }
        pairs = {
            name: pool.submit(_pair, believed, truth, posters)
            for name, (believed, truth) in settings(whole).items()
        }
        worth = pool.submit(by_worth, policy, SWEEP_SAMPLES, PAIR_SEED)
        return {
            "policy": policy.label,
            "posters": posters,
            "samples": SAMPLES,
            "worlds": _results(worlds),
            "ways": _results(explored),
            "pairs": {name: future.result() for name, future in pairs.items()},
            "worth": worth.result(),
        }


def _pair(believed: ExpectedPolicy, truth: ExpectedPolicy | None, posters: int) -> dict[str, Any]:
    return {**figures(ran(believed, SAMPLES, PAIR_SEED, truth=truth), posters)}


def _results(running: Mapping[str, Sequence[Future[Any]]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for name, futures in running.items():
        for place, future in enumerate(futures, 1):
            found.setdefault(name, []).append(asdict(future.result()))
            sys.stderr.write(f"{name}: {place} of {len(futures)}\n")
    return found


if __name__ == "__main__":
    sys.exit(main())
