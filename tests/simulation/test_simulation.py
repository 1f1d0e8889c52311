"""Nothing lost, nothing twice, order kept, whatever the seed does to the members, brokers and network.

`python -m tests.simulation.run --seeds 0-10000` runs as many as one likes.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.plants import PLANTS, Plant
from tests.simulation.run import Outcome, simulate
from tests.simulation.scenario import Fault, scenario
from tests.simulation.shorten import shortened
from tests.simulation.world import World

SEEDS = 240
BLOCK = 30
HARMLESS_SEEDS = 40
HARMFUL = [plant for plant in PLANTS.values() if not plant.harmless]
HARMLESS = [plant for plant in PLANTS.values() if plant.harmless]


def named(plant: Plant) -> str:
    return plant.name


@pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
def test_every_promise_is_kept_under_faults(first: int) -> None:
    broken = [outcome for seed in range(first, first + BLOCK) if (outcome := simulate(seed)).problems]
    assert not broken, "\n\n".join(_told(outcome) for outcome in broken[:3])


def _told(outcome: Outcome) -> str:
    return f"{outcome.report()}\n{outcome.story()}"


@pytest.mark.parametrize("plant", HARMFUL, ids=named)
def test_a_planted_bug_is_caught(plant: Plant) -> None:
    """By a seed that the runtime itself passes."""
    caught = (seed for seed in range(SEEDS) if simulate(seed, plant).problems and not simulate(seed).problems)
    seed = next(caught, None)
    assert seed is not None, f"{plant.name} ({plant.what}) goes unnoticed in {SEEDS} seeds"


@pytest.mark.parametrize("plant", HARMLESS, ids=named)
def test_what_the_protocol_makes_up_for_breaks_no_promise(plant: Plant) -> None:
    broken = [
        outcome.report() for seed in range(HARMLESS_SEEDS) if (outcome := simulate(seed, plant)).problems
    ]
    assert not broken, "\n".join(broken)


def test_the_seeds_meet_every_hard_path() -> None:
    """A simulation that never comes there proves nothing about it."""
    told = [what for seed in range(60) for _, _, what in simulate(seed).trace]
    for phrase in (
        "SIGKILL",
        "SIGTERM",
        "SIGSTOP",
        "ProducerFenced",
        "UnknownError",
        "fenced with transaction",
        "timed out",
        "is silent and out",
        "did not come in time",
        "the brokers go down",
        "the coordinators are gone",
        "the group coordinator is gone",
        "the transaction coordinator is gone",
        "the group coordinator loads",
        "outcome unknown",
        "EndTxn arrives late: done",
        "EndTxn arrives late: InvalidProducerEpoch",
        "TxnOffsetCommit arrives late: done",
        "TxnOffsetCommit arrives late: InvalidProducerEpoch",
        "retention",
        "(aborted)",
    ):
        assert any(phrase in what for what in told), f"no seed meets: {phrase}"


@pytest.mark.parametrize("seed", [2, 19])
def test_a_seed_tells_the_same_story_in_every_process(seed: int) -> None:
    root = Path(__file__).parents[2]
    stories = []
    for hash_seed in ("1", "2"):
        told = subprocess.run(
            [sys.executable, "-m", "tests.simulation.run", "--seed", str(seed), "--trace"],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert told.returncode in (0, 1), told.stderr
        stories.append(told.stdout)
    assert len(stories[0].splitlines()) > 10
    assert stories[0] == stories[1]


def test_a_seed_tells_the_same_story_twice() -> None:
    for seed in range(12):
        assert simulate(seed) == simulate(seed)


@pytest.mark.parametrize("down_at", [4.3, 4.6, 4.9, 5.2, 8.0])
def test_a_stop_ends_in_time_while_no_broker_answers(down_at: float) -> None:
    """Also in the middle of a rebalance, which the outage keeps from ending."""
    faults = (
        Fault(4.0, "start", 1, 0.0, 0.0),
        Fault(down_at, "brokers", 0, 300.0, 0.0),
        Fault(9.0, "stop", 0, 300.0, 0.0),
        Fault(9.0, "stop", 1, 300.0, 0.0),
    )
    chosen = dataclasses.replace(
        scenario(0), members=1, faults=faults, quiet_at=70.0, session_s=6.0, rebalance_s=30.0, at_once=False
    )
    with shortened(chosen):
        world = World(chosen)
        world.run()
    assert not world.faults, world.faults


@pytest.mark.parametrize("seed", [3, 9, 16])
def test_an_unparsable_record_is_passed_over_also_when_the_broker_is_far(seed: int) -> None:
    """A fetch takes longer than a poll waits."""
    chosen = dataclasses.replace(scenario(seed), faults=(), latency=(0.12, 0.2), transaction_s=60.0)
    assert any(work.kind == "unparsable" for work in chosen.works)
    with shortened(chosen):
        world = World(chosen)
        world.run()
    assert not world.faults, world.faults
