"""What was spent is added up as it was paid: settled, reserved and doubtful money apart."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from inference.engines.base import Refused, Transient, Uncertain
from inference.engines.ledger import Answer, Begun, Call, Ledger
from inference.engines.ledger.reporting import audit, report
from inference.engines.ledger.tables import TALLIES
from tests.inference.engines.ledger.conftest import Clock, MakeCall


def spend(ledger: Ledger, call: Call, answer: Answer | None) -> None:
    begun = ledger.begin(call)
    assert isinstance(begun, Begun)
    row = ledger.sent(begun.row)
    if answer is not None:
        ledger.settle(row, answer)


@pytest.fixture
def spent(ledger: Ledger, make_call: MakeCall, clock: Clock) -> Ledger:
    """Two days; a call of every outcome on the first."""
    spend(ledger, make_call("image"), Answer.image("file:///a.png", 39_000))
    spend(ledger, make_call("unpriced", campaign="autumn"), Answer.image("file:///b.png", None))
    refused = Refused("no", kind="refused_output", billed="billed")
    spend(ledger, make_call("refused"), Answer.of(refused, charged=40_000))
    spend(ledger, make_call("failed"), Answer.of(Transient("503"), charged=0))
    spend(ledger, make_call("lost"), Answer.of(Uncertain("no answer"), charged=0))
    spend(ledger, make_call("away", engine="ideogram"), None)
    clock.move(24 * 3_600)
    spend(ledger, make_call("tomorrow", model="m2"), Answer.image("file:///c.png", 13_200))
    return ledger


def test_settled_reserved_and_doubtful_money_are_apart(spent: Ledger) -> None:
    (line,) = report(spent.database, by=())
    assert (line.settled, line.reserved, line.doubtful) == (39_000 + 40_000 + 13_200, 80_000, 40_000)
    assert (line.calls, line.images, line.refused, line.failed, line.unknown, line.under_way) == (
        7, 3, 1, 1, 1, 1,
    )  # fmt: skip


def test_money_is_grouped_as_asked_in_the_order_asked(spent: Ledger) -> None:
    lines = report(spent.database, by=("campaign", "engine"))
    assert [(line.group, line.settled + line.reserved + line.doubtful) for line in lines] == [
        (("autumn", "gpt-image"), 40_000),
        (("spring", "gpt-image"), 39_000 + 40_000 + 40_000 + 13_200),
        (("spring", "ideogram"), 40_000),
    ]
    assert [line.group for line in report(spent.database, by=("day", "model"))] == [
        ("2026-11-23", "gpt-image-2"),
        ("2026-11-24", "m2"),
    ]


def test_days_are_inclusive_at_both_ends(spent: Ledger) -> None:
    first, second = dt.date(2026, 11, 23), dt.date(2026, 11, 24)

    def calls(since: dt.date | None = None, until: dt.date | None = None) -> int:
        return sum(line.calls for line in report(spent.database, since=since, until=until))

    assert [calls(since=first), calls(since=second), calls(until=first)] == [7, 1, 6]
    assert calls(since=second, until=second) == 1
    assert report(spent.database, since=dt.date(2027, 1, 1)) == ()


@pytest.mark.parametrize("by", [("week",), ("day", "day")], ids=["unknown", "twice"])
def test_a_group_that_is_none_is_refused(ledger: Ledger, by: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"by: .*give some of day, campaign"):
        report(ledger.database, by=by)  # type: ignore[arg-type] # wrong on purpose


def test_the_audit_finds_a_counter_that_was_tampered_with(spent: Ledger) -> None:
    assert audit(spent.database) == ()
    with spent.database.writing() as connection:
        connection.execute(sa.update(TALLIES).where(TALLIES.c.scope == "campaign").values(committed=1))
    assert audit(spent.database) == (
        "campaign autumn: $0.000001 counted, $0.04 in calls",
        "campaign spring: $0.000001 counted, $0.1722 in calls",
    )
