"""Everything that one seed decides before the run begins: the work, the members, the faults."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["good", "permanent", "hopeless", "poison", "unread", "unparsable"]
Action = Literal[
    "kill",
    "stop",
    "pause",
    "start",
    "brokers",
    "coordinators",
    "group",
    "transactions",
    "loading",
    "storm",
    "steps",
    "slow",
    "retention",
]
KINDS: tuple[Kind, ...] = ("permanent", "hopeless", "poison", "unread", "unparsable")
ACTIONS: tuple[Action, ...] = (
    *("kill",) * 4,
    *("stop",) * 3,
    *("pause",) * 3,
    *("start",) * 3,
    "brokers",
    "coordinators",
    "group",
    "transactions",
    "loading",
    *("storm",) * 4,
    "steps",
    "slow",
    "retention",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Work:
    """What one number stands for. `seconds` the handler takes, and `cleanup_s` when it is cancelled; it
    fails `failures` times first, with an error nobody foresaw where `unforeseen`, and where `cancels` because
    something that it waited for was cancelled.
    """

    number: int
    key: int
    kind: Kind
    seconds: float
    failures: int
    unforeseen: bool
    keeps_letter: bool
    cancels: bool
    cleanup_s: float


@dataclass(frozen=True, slots=True)
class Burst:
    """Records that a producer writes together at `at`; an aborted transaction's nobody may see."""

    at: float
    partition: int
    numbers: tuple[int, ...]
    transaction: Literal["none", "committed", "aborted"]


@dataclass(frozen=True, slots=True)
class Fault:
    """`lasts` seconds, where that has a meaning: a pause, an outage, until a killed member starts again."""

    at: float
    action: Action
    member: int
    lasts: float
    strength: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    seed: int
    partitions: int
    result_partitions: int
    members: int
    works: tuple[Work, ...]
    bursts: tuple[Burst, ...]
    faults: tuple[Fault, ...]
    quiet_at: float
    # The stage drops resends; without, every record is work of its own.
    remembers: bool
    at_once: bool
    keyless: bool
    max_in_flight: int
    slots: int
    revoke_s: float
    session_s: float
    rebalance_s: float
    transaction_s: float
    marker_delay: tuple[float, float]
    window: int
    # Records of a partition that a resend may lie apart.
    horizon: int
    latency: tuple[float, float]
    # The share of the steps of transactions that get lost or late, all through the run.
    lost_steps: float


def scenario(seed: int) -> Scenario:
    rng = random.Random(seed)
    partitions = rng.randint(1, 3)
    at_once = rng.random() < 0.2
    remembers = rng.random() < 0.7
    quiet_at = rng.uniform(8.0, 20.0)
    works = tuple(_works(rng, rng.randint(25, 60), rng.randint(1, 7), at_once=at_once))
    bursts = tuple(sorted(_bursts(rng, works, partitions, quiet_at), key=lambda burst: burst.at))
    calm = rng.random() < 0.05
    faults = [] if calm else [_fault(rng, quiet_at) for _ in range(rng.randint(2, 9))]
    revoke_s = rng.choice((0.3, 2.0, 4.0))
    # There a transaction of many batches takes seconds, and one that can never end in time never ends.
    slow_network = rng.random() < 0.3
    return Scenario(
        seed=seed,
        partitions=partitions,
        result_partitions=rng.randint(1, 3),
        members=rng.randint(1, 3),
        works=works,
        bursts=bursts,
        faults=tuple(sorted(faults, key=lambda fault: fault.at)),
        quiet_at=quiet_at,
        remembers=remembers,
        at_once=at_once,
        keyless=rng.random() < 0.1,
        max_in_flight=rng.choice((2, 8, 64)),
        slots=rng.choice((1, 4, 16)),
        revoke_s=revoke_s,
        session_s=rng.choice((3.0, 6.0)),
        # Sometimes shorter than the drain: the next owner then starts while the last one still works.
        rebalance_s=rng.choice((revoke_s + 12.0, revoke_s + 12.0, 2.0)),
        transaction_s=rng.choice((12.0, 60.0) if slow_network else (2.0, 5.0, 60.0)),
        marker_delay=rng.choice(((0.0, 0.005), (0.0, 0.3), (0.2, 1.0))),
        window=rng.choice((8_192, 8_192, 16)),
        horizon=rng.choice((5_000, 20)),
        latency=(0.005, 0.1) if slow_network else (0.001, 0.004),
        lost_steps=rng.choice((0.0, 0.0, 0.0, 0.03, 0.1)),
    )


def _works(rng: random.Random, count: int, keys: int, *, at_once: bool) -> Iterator[Work]:
    odd = rng.choice((0.0, 0.05, 0.25))
    slow = 0.0 if at_once else rng.choice((0.0, 0.1, 1.5))
    faulty = rng.choice((0.0, 0.2))
    cleanup = rng.choice(((0.0,), (0.0,), (0.0, 0.5), (0.0,) * 12 + (40.0,)))
    for number in range(count):
        cleanup_s = rng.choice(cleanup)
        # What is slow to clean up is under way for long enough to be cancelled, too.
        longest = 6.0 if cleanup_s > 1.0 else slow
        yield Work(
            number=number,
            key=rng.randrange(keys),
            kind=rng.choice(KINDS) if rng.random() < odd else "good",
            seconds=rng.uniform(0.0, longest),
            failures=rng.randint(1, 3) if rng.random() < faulty else 0,
            unforeseen=rng.random() < 0.3,
            keeps_letter=rng.random() < 0.8,
            cancels=rng.random() < 0.3,
            cleanup_s=cleanup_s,
        )


def _bursts(rng: random.Random, works: tuple[Work, ...], partitions: int, quiet_at: float) -> Iterator[Burst]:
    """Every number once, in order within its key's partition, and some of them again a little later."""
    again = rng.choice((0.0, 0.25))
    last = rng.uniform(1.0, quiet_at)
    for partition in range(partitions):
        numbers: list[int] = []
        for work in works:
            if work.key % partitions == partition:
                numbers.append(work.number)
                if rng.random() < again:
                    numbers.append(rng.choice(numbers[-15:]))
        at = 0.0
        while numbers:
            size = rng.choice((1, 3, 10))
            taken, numbers = numbers[:size], numbers[size:]
            chance = rng.random()
            if chance < 0.1:
                yield Burst(at, partition, tuple(taken), "aborted")
            yield Burst(at, partition, tuple(taken), "committed" if chance < 0.4 else "none")
            at = min(quiet_at, at + rng.uniform(0.0, 2 * last * size / max(1, len(works) / partitions)))


def _fault(rng: random.Random, quiet_at: float) -> Fault:
    return Fault(
        at=rng.uniform(0.2, quiet_at),
        action=rng.choice(ACTIONS),
        member=rng.randrange(4),
        lasts=rng.choice((0.2, 1.0, 4.0, 9.0)) * rng.uniform(0.5, 1.5),
        strength=rng.choice((0.02, 0.1, 0.3)),
    )
