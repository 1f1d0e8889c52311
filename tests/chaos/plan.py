"""The schedule of faults: a pure function of the seed and how many of each kind there are to be."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal[
    "kill",
    "pause",
    "member",
    "broker",
    "delay",
    "partition",
    "half-open",
    "reset",
    "swallow",
    "torn",
    "silence",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
# For each kill, in the long run.
PER_KILL: Mapping[Kind, float] = {
    "kill": 1.0,
    "pause": 0.4,
    "member": 0.75,
    "broker": 0.1,
    "delay": 0.1,
    "partition": 0.1,
    "half-open": 0.1,
    "reset": 0.3,
    "swallow": 0.5,
    "torn": 0.2,
    "silence": 0.1,
}


@dataclass(frozen=True, slots=True)
class Action:
    """`gap_s` after the one before it; `span` and `pick` from 0 to 1 choose for how long and whom."""

    kind: Kind
    gap_s: float
    span: float
    pick: float


def counts_for(kills: int) -> dict[Kind, int]:
    """At least one of every kind."""
    return {kind: max(1, round(kills * share)) for kind, share in PER_KILL.items()}


def plan(seed: int, counts: Mapping[Kind, int], mean_gap_s: float) -> tuple[Action, ...]:
    """All of them in random order, with gaps from nothing to twice the mean."""
    rng = random.Random(seed)
    kinds = [kind for kind in KINDS for _ in range(counts.get(kind, 0))]
    rng.shuffle(kinds)
    return tuple(
        Action(kind, rng.uniform(0.0, 2.0 * mean_gap_s), rng.random(), rng.random()) for kind in kinds
    )
