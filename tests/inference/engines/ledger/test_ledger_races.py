"""Of many that do the same at the same moment, one does it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from inference.engines.base import Uncertain
from inference.engines.ledger import Answer, Begun, Call, Ledger, NotOpen, Row
from inference.engines.ledger.reporting import audit, report
from tests.inference.engines.ledger.conftest import Clock, MakeCall, OpenLedger

MANY, ROUNDS = 6, 5
Together = Callable[..., list[Any]]


@pytest.fixture
def together(open_ledger: OpenLedger) -> Iterator[Together]:
    """Does a step of many ledgers at once; the answers, or the `NotOpen` that came instead."""
    ledgers = [open_ledger() for _ in range(MANY)]
    barrier = Barrier(MANY)

    with ThreadPoolExecutor(MANY) as pool:

        def all_at_once(step: Callable[..., object], *arguments: object) -> list[Any]:
            def one(ledger: Ledger) -> object:
                barrier.wait(30)
                try:
                    return step(ledger, *arguments)
                except NotOpen as error:
                    return error

            return list(pool.map(one, ledgers))

        yield all_at_once


def kinds(answers: list[Any]) -> Counter[str]:
    return Counter(type(answer).__name__ for answer in answers)


def begun(ledger: Ledger, call: Call) -> Row:
    beginning = ledger.begin(call)
    assert isinstance(beginning, Begun)
    return beginning.row


def test_a_job_that_comes_to_many_at_once_is_begun_by_one(
    together: Together, ledger: Ledger, make_call: MakeCall
) -> None:
    for number in range(ROUNDS):
        call = make_call(str(number))
        assert kinds(together(Ledger.begin, call)) == {"Begun": 1, "Busy": MANY - 1}
    assert audit(ledger.database) == ()


def test_a_row_left_behind_is_taken_over_by_one(
    together: Together, ledger: Ledger, make_call: MakeCall, clock: Clock
) -> None:
    for number in range(ROUNDS):
        call = make_call(str(number))
        begun(ledger, call)
        clock.move(60)
        assert kinds(together(Ledger.begin, call)) == {"Begun": 1, "Busy": MANY - 1}
    assert audit(ledger.database) == ()


def test_a_call_is_sent_by_one(together: Together, ledger: Ledger, make_call: MakeCall) -> None:
    for number in range(ROUNDS):
        row = begun(ledger, make_call(str(number)))
        assert kinds(together(Ledger.sent, row)) == {"Row": 1, "NotOpen": MANY - 1}


def test_what_was_lost_is_found_by_one_and_its_money_counted_once(
    together: Together, ledger: Ledger, make_call: MakeCall, clock: Clock
) -> None:
    never, lost = begun(ledger, make_call("never")), ledger.sent(begun(ledger, make_call("lost")))
    clock.move(1_000)
    found = together(Ledger.recover)
    assert [row.job for each in found for row in each.released] == [never.job]
    assert [row.job for each in found for row in each.unknown] == [lost.job]
    picture = Answer.image("file:///a.png", 39_000)
    assert kinds(together(Ledger.settle, lost, picture)) == {"Row": MANY}
    (line,) = report(ledger.database, by=())
    assert (line.settled, line.reserved, line.doubtful) == (39_000, 0, 0)
    assert audit(ledger.database) == ()


def test_of_two_stories_about_one_call_the_first_stands(
    together: Together, ledger: Ledger, make_call: MakeCall
) -> None:
    row = ledger.sent(begun(ledger, make_call()))
    ledger.settle(row, Answer.of(Uncertain("no answer"), charged=0))

    def tell(each: Ledger) -> Row:
        return each.settle(row, Answer.image(f"file:///{each.worker}.png", 39_000))

    assert kinds(together(tell)) == {"Row": 1, "NotOpen": MANY - 1}
    assert audit(ledger.database) == ()
