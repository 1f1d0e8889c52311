"""The short form of `make chaos`: every kind of fault at least once, on three brokers, in about a minute."""

from __future__ import annotations

import asyncio
import collections
from pathlib import Path

import pytest

from tests.chaos.plan import Kind, plan
from tests.chaos.session import ChaosSession, Size
from tests.chaos.tally import worked_in
from tests.chaos.workload import Workload

SEED = 4
# What waits for a certain request comes first: later there might be none.
FIRST: dict[Kind, int] = {"swallow": 4, "torn": 2, "silence": 1, "kill": 2, "member": 1, "reset": 1}
THEN: dict[Kind, int] = {
    "kill": 2,
    "pause": 2,
    "member": 2,
    "broker": 1,
    "delay": 1,
    "partition": 1,
    "half-open": 1,
    "reset": 1,
}
LIMIT_S = 900.0


@pytest.mark.slow
@pytest.mark.xdist_group("cluster")
async def test_nothing_is_lost_doubled_or_reordered_whatever_is_killed_paused_or_cut(tmp_path: Path) -> None:
    size = Size(
        workload=Workload(8_000, keys=200, partitions=6),
        actions=plan(SEED, FIRST, 0.6) + plan(SEED, THEN, 1.0),
        seed=SEED,
        rate=400,
    )
    session = ChaosSession(tmp_path / "chaos", size)
    async with asyncio.timeout(LIMIT_S):
        outcome = await session.run()
    assert outcome.clean, outcome
    done = session.history.counts()
    asked = collections.Counter(FIRST) + collections.Counter(THEN)
    assert {kind: done[kind] for kind in asked} == asked
    took_effect = {line["target"].split()[0] for line in session.history.lines() if line["kind"] == "network"}
    assert took_effect == {"swallow", "torn", "silence", "delay", "partition", "half-open", "reset"}
    assert worked_in(session.workers) >= outcome.verdict.results
