"""The short form of `python -m tests.chaos.slow_work`: work of several sessions' length."""

from __future__ import annotations

from tests.chaos.slow_work import Load, Place, run
from tests.conftest import TestTopics

SHORT = Load(
    each=4, shortest_s=4.0, longest_s=5.0, burn_s=1.0, session_ms=1_500, heartbeat_ms=250, max_poll_ms=2_000
)


def test_work_that_outlasts_session_and_poll_limit_makes_no_rebalance(topics: TestTopics) -> None:
    outcome = run(Place(topics.bootstrap, topics.prefix), SHORT)
    assert outcome.turns == []
    assert outcome.results == list(range(outcome.records))
    assert len({member["generation"] for member in outcome.members}) == 1
    for member in outcome.members:
        assert member["seconds"] > SHORT.longest_s
        assert member["heartbeats"] > 2 * SHORT.longest_s
        assert member["longest_heartbeat_gap_s"] < SHORT.session_ms / 1_000
