"""Where a server draws once for requests of one name, a lost request is sent again by whoever has its job."""

from __future__ import annotations

import dataclasses

import pytest

from inference.engines.base import Uncertain
from inference.engines.ledger import Answer, Begun, Busy, Call, Held, Known, Ledger, NotOpen, Row
from inference.engines.ledger.reporting import audit
from tests.inference.engines.ledger.conftest import Clock, MakeCall, OpenLedger

PICTURE = Answer.image("file:///assets/ab.png", 39_200)
LOST = Answer.of(Uncertain("no answer"), charged=40_000)


def begun(ledger: Ledger, call: Call, *, repeatable: bool = True) -> Row:
    beginning = ledger.begin(call, repeatable=repeatable)
    assert isinstance(beginning, Begun), beginning
    return beginning.row


def test_a_request_under_way_is_taken_over_with_its_reservation(
    open_ledger: OpenLedger, make_call: MakeCall
) -> None:
    first, second = open_ledger(), open_ledger()
    lost = first.sent(begun(first, make_call()), 60)
    taken = second.sent(begun(second, make_call()), 60)
    assert (taken.take, taken.worker, taken.sent_ms) == (lost.take, second.worker, lost.sent_ms)
    settled = second.settle(taken, PICTURE)
    assert second.begin(make_call(), repeatable=True) == Known(settled)
    assert first.settle(lost, PICTURE) == settled
    assert audit(first.database) == ()


def test_a_request_that_cannot_be_repeated_is_waited_for(
    open_ledger: OpenLedger, make_call: MakeCall
) -> None:
    first, second = open_ledger(), open_ledger()
    row = first.sent(begun(first, make_call(), repeatable=False), 60)
    assert second.begin(make_call()) == Busy(row, row.lease_ms)


def test_another_request_is_not_the_one_that_was_lost(open_ledger: OpenLedger, make_call: MakeCall) -> None:
    ledger = open_ledger()
    ledger.settle(ledger.sent(begun(ledger, make_call())), LOST)
    other = make_call(render_id="b" * 64)
    assert isinstance(ledger.begin(other, repeatable=True), Held)


def test_what_a_person_waits_for_is_taken_over_and_waits_no_more(ledger: Ledger, make_call: MakeCall) -> None:
    lost = ledger.settle(ledger.sent(begun(ledger, make_call())), LOST)
    ledger.hold(lost, "nobody knows")
    taken = begun(ledger, make_call())
    assert (taken.state, taken.held) == ("sent", "")
    assert ledger.settle(ledger.sent(taken), PICTURE).settled == 39_200


def test_whoever_was_taken_over_before_it_sent_does_not_send(
    open_ledger: OpenLedger, make_call: MakeCall
) -> None:
    first, second = open_ledger(), open_ledger()
    first.sent(begun(first, make_call()))
    mine = begun(first, make_call())
    begun(second, make_call())
    with pytest.raises(NotOpen, match="too late for sent"):
        first.sent(mine)


def test_a_call_is_given_the_time_of_its_engine(ledger: Ledger, make_call: MakeCall, clock: Clock) -> None:
    row = ledger.sent(begun(ledger, make_call(), repeatable=False), 60)
    clock.move(89)
    assert isinstance(ledger.begin(make_call()), Busy)
    clock.move(2)
    held = ledger.begin(make_call())
    assert isinstance(held, Held)
    assert dataclasses.replace(held.row, state="sent", reason="") == row


def test_the_last_call_of_a_job_can_be_looked_at(ledger: Ledger, make_call: MakeCall) -> None:
    assert ledger.last(make_call()) is None
    row = begun(ledger, make_call())
    assert ledger.last(make_call()) == row
