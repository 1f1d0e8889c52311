"""The short form of `make chaos-engines`: jobs for every hosted contract, three workers, kills, the audit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from schemas.topics import TOPICS
from streams.broker.topics import apply_topics
from tests.chaos.engines.audit import judge
from tests.chaos.engines.crew import storm
from tests.chaos.engines.figures import figures_of
from tests.chaos.engines.jobs import CAPPED, THRIFTY, Workload
from tests.chaos.engines.session import Place, Session, Size
from tests.conftest import delete_topics

WORKLOAD = Workload(240)
STORM = storm(4, kills=2, pauses=1, leaves=0, pause_s=(4.5, 5.0))


@pytest.fixture
async def place(kafka: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Place]:
    await apply_topics(kafka, prefix=topic_prefix, partitions=WORKLOAD.partitions)
    yield Place(
        bootstrap=kafka, prefix=topic_prefix, ledger=str(tmp_path / "ledger.db"), folder=tmp_path / "run"
    )
    await delete_topics(kafka, [topic_prefix + topic.name for topic in TOPICS])


@pytest.mark.slow
def test_jobs_under_kills_and_lost_answers_are_paid_once_and_booked_to_the_cent(place: Place) -> None:
    outcome = Session(place, Size(workload=WORKLOAD, storm=STORM)).run()
    figures = figures_of(outcome, judge(outcome.evidence))
    assert figures.verdict.examples == {}
    assert figures.clean
    assert sum(figures.theirs.values()) == sum(figures.ours.values()) > 0
    # What was to be survived did happen.
    assert outcome.struck == {"kill": 2, "pause": 1}
    assert all(figures.faults.get(fault) for fault in ("lost", "rate", "refuse_prompt", "withhold"))
    assert all(figures.answers.get(f"over {name}") for name in (f"campaign:{THRIFTY}", f"engine:{CAPPED}"))
    assert figures.answers.get("asked again")
    assert outcome.settled_by_a_person
