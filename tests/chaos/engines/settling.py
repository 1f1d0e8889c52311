"""What a person does at the end of the month: each call that waits is settled by the bill."""

from __future__ import annotations

from contextlib import closing
from typing import Final

from inference.engines.base import Billed
from inference.engines.ledger import Answer, Ledger, Row
from inference.engines.ledger.reporting import unpriced, waiting
from tests.chaos.engines.audit import by_job
from tests.chaos.engines.bill import Bill, charged
from tests.chaos.engines.books import Books
from tests.chaos.engines.jobs import number_of

BY_BILL: Final = "settled by the audit: by the provider's bill"


def settle(address: str, bill: Bill) -> int:
    """Does for each call that waits, for its outcome or for its price alone, what `glyphstream spend settle`
    does; how many there were.

    A call has cost what its job's lines on the bill come to, less what is booked for them already.
    """
    booked = by_job(Books(address).calls())
    with closing(Ledger.open(address, create=False)) as ledger:
        rows = (*waiting(ledger.database), *unpriced(ledger.database))
        for row in rows:
            number = number_of(row.call.ref.id)
            known = sum(call.settled or 0 for call in booked[number])
            ledger.settle(row, said_of(row, max(0, charged(bill.get(number, ())) - known)))
    return len(rows)


def said_of(row: Row, owed: int) -> Answer:
    """What a person says of `row`, which has cost `owed` micro-dollars."""
    billed: Billed = "billed" if owed else "never"
    match row.state:
        case "image" | "refused" | "failed":
            return Answer(
                outcome=row.state,
                micros=owed,
                kind=row.kind,
                billed=billed,
                reason=row.reason,
                asset_uri=row.asset_uri,
                drawn_id=row.drawn_id,
            )
        case _:
            return Answer(outcome="failed", micros=owed, kind="unknown", billed=billed, reason=BY_BILL)
