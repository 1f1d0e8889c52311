"""Measures what 1 % poison costs the good events, and that exactly the poison becomes dead letters."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.topics import DEAD_LETTERS
from tests.bench import contestants
from tests.bench.backlog import BenchError, committed_records
from tests.bench.routing import Say, check_outputs, described
from tests.bench.stand import Contestant, Drain, Stand
from tests.bench.workload import POISON_HEADER, Row, good_rows, mixed, poison_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonPlan:
    events: int = 40_000
    pairs: int = 10
    share: float = 0.01
    seed: int = 1


def measure_poison(stand: Stand, plan: PoisonPlan, folder: Path, say: Say) -> dict[str, object]:
    """CPU for each good event in pairs of drains, clean and poisoned, the first of a pair in turns."""
    good = good_rows(plan.events)
    poison = poison_rows(round(plan.events * plan.share), first=plan.events)
    rng = random.Random(plan.seed)
    contestant = contestants.glyphstream(folder)
    clean: list[Drain] = []
    poisoned: list[Drain] = []
    # A broker that is just up is slow until its code is compiled: nobody's figure.
    drained(stand, contestant, good, good, ())
    for pair in range(plan.pairs):
        spoilt = mixed(good, poison, rng)
        runs = [(clean, good, ()), (poisoned, spoilt, poison)]
        for drains, rows, bad in runs if pair % 2 == 0 else reversed(runs):
            drains.append(drained(stand, contestant, rows, good, bad))
            kind = "poisoned" if bad else "clean"
            say(f"pair {pair + 1} of {plan.pairs}: {kind:9} {described(drains[-1])}")
    return {
        "plan": dataclasses.asdict(plan),
        "poison": len(poison),
        "clean_us": [drain.cpu_s / plan.events * 1e6 for drain in clean],
        "poisoned_us": [drain.cpu_s / plan.events * 1e6 for drain in poisoned],
        "foreign": [drain.foreign for drain in (*clean, *poisoned)],
    }


def drained(
    stand: Stand, contestant: Contestant, rows: Sequence[Row], good: Sequence[Row], bad: Sequence[Row]
) -> Drain:
    """One drain after which good jobs and dead letters were counted.

    Raises:
        BenchError: a dead letter is missing, is there twice, or holds a good prompt.
    """
    with stand.topics() as prefix:
        drain = stand.drain(contestant, prefix, rows)
        check_outputs(stand.bootstrap, prefix, good, contestant)
        letters = [
            dict(message.headers() or []).get(POISON_HEADER)
            for message in committed_records(stand.bootstrap, [prefix + DEAD_LETTERS.name])
        ]
    planted = sorted(row.headers[0][1] for row in bad)
    if sorted(letter or b"good" for letter in letters) != planted:
        raise BenchError(f"{len(letters)} dead letters for {len(planted)} poison records, or not the same")
    return drain
