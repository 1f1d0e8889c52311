"""An outcome without a price is no free one: it keeps its reservation until somebody tells its price."""

from __future__ import annotations

import pytest

from inference.engines.base import Broken, EngineError, Refused, Transient
from inference.engines.ledger import Answer, Begun, Call, Known, Ledger, Row
from inference.engines.ledger.reporting import audit, unpriced, waiting
from tests.inference.engines.ledger.conftest import MakeCall


def sent(ledger: Ledger, call: Call) -> Row:
    begun = ledger.begin(call)
    assert isinstance(begun, Begun)
    return ledger.sent(begun.row)


def test_a_price_that_is_not_known_is_not_free(ledger: Ledger, make_call: MakeCall) -> None:
    row = ledger.settle(sent(ledger, make_call()), Answer.image("file:///a.png", None))
    assert (row.settled, row.committed, row.settled_ms) == (None, 40_000, None)
    assert unpriced(ledger.database) == (row,)
    priced = ledger.settle(row, Answer.image("file:///a.png", 13_200))
    assert (priced.committed, unpriced(ledger.database)) == (13_200, ())
    assert audit(ledger.database) == ()


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (Refused("no", kind="refused_prompt", billed="unknown"), "refused"),
        (Broken("no picture", kind="no_image", billed="unknown"), "failed"),
        (Transient("502 after it was sent", billed="unknown"), "failed"),
        (Transient("429, and perhaps drawn", kind="rate", billed="unknown"), "failed"),
    ],
    ids=lambda each: each.kind if isinstance(each, EngineError) else each,
)
def test_an_outcome_whose_price_nobody_publishes_stays_what_it_is_and_is_not_sent_again(
    ledger: Ledger, make_call: MakeCall, error: EngineError, state: str
) -> None:
    row = ledger.settle(sent(ledger, make_call()), Answer.of(error, charged=40_000, provider_id="gen-1"))
    assert (row.state, row.kind, row.billed, row.settled, row.committed) == (
        state, error.kind, "unknown", None, 40_000,
    )  # fmt: skip
    assert ledger.begin(make_call()) == Known(row), "the redelivered job is told what the first was told"
    assert (unpriced(ledger.database), waiting(ledger.database)) == ((row,), ())
    assert audit(ledger.database) == ()


def test_a_failure_without_a_price_is_not_free_whatever_it_says_of_the_bill(
    ledger: Ledger, make_call: MakeCall
) -> None:
    row = ledger.settle(sent(ledger, make_call()), Answer(outcome="failed", kind="rate", billed="never"))
    assert ledger.begin(make_call()) == Known(row)
