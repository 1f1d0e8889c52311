"""What may follow what in a call's life, and what each step writes."""

from __future__ import annotations

import sqlalchemy as sa

from inference.engines.ledger import rows
from inference.engines.ledger.budgets import correct
from inference.engines.ledger.calls import (
    ANSWERABLE,
    UNDER_WAY,
    Answer,
    Beginning,
    Busy,
    Call,
    Held,
    Known,
    NotOpen,
    Row,
    State,
)

REASON_CHARACTERS = 500
NEVER_SENT = "its worker left before it was sent"
NO_ANSWER = "sent, and its worker left without an answer"


def known(row: Row) -> Beginning | None:
    """What a job's latest take says of the job; None where it may have a further one."""
    match row.state:
        case "unknown":
            return Held(row)
        case "intended" | "sent" | "accepted":
            return Busy(row, row.lease_ms)
    return None if row.may_be_sent_again else Known(row)


def may_be_taken_over(row: Row, call: Call) -> bool:
    """Whether the request of `call` is the one that is under way, or was lost."""
    return row.state in ANSWERABLE and row.call.render_id == call.render_id


def is_taken_over(row: Row, standing: Row) -> bool:
    """Whether `row`, as `begin` gave it, is a call that was taken over, and that nobody took since."""
    same = (standing.state, standing.worker, standing.lease_ms) == (row.state, row.worker, row.lease_ms)
    return row.state == "sent" and same


def must_be(states: tuple[State, ...], row: Row, step: str) -> Row:
    """Raises:
    NotOpen: the row is in none of `states`.
    """
    if row.state not in states:
        raise NotOpen(
            f"call {row.name}: it is {row.state} ({row.reason or 'no reason'}), too late for {step}"
        )
    return row


def lapsed(connection: sa.Connection, row: Row, now_ms: int) -> Row:
    """The row given up, where its lease has run out: what never left is released, the rest is unknown."""
    if row.lease_ms > now_ms:
        return row
    if row.state == "intended":
        return let_go(connection, row, NEVER_SENT, now_ms)
    if row.state in UNDER_WAY:
        return rows.change(connection, row, {"state": "unknown", "reason": NO_ANSWER})
    return row


def let_go(connection: sa.Connection, row: Row, reason: str, now_ms: int) -> Row:
    """The row released and its reservation given back."""
    changes: rows.Changes = {
        "state": "released",
        "settled": 0,
        "settled_ms": now_ms,
        "answered_ms": now_ms,
        "billed": "never",
        "reason": cut(reason),
    }
    return _paid(connection, row, rows.change(connection, row, changes))


def answered(connection: sa.Connection, row: Row, answer: Answer, now_ms: int) -> Row:
    """The row with its outcome; as it was, where it says so already.

    Raises:
        NotOpen: it was never sent, or has another outcome.
    """
    if answer.outcome != "unknown" and _told(row) == _said(answer):
        return row
    if not (_is_its_price(row, answer) or _is_proof(row, answer)):
        must_be(ANSWERABLE, row, answer.outcome)
    return _paid(connection, row, rows.change(connection, row, _changes(row, answer, now_ms)))


def cut(reason: str) -> str:
    return reason[:REASON_CHARACTERS]


def _paid(connection: sa.Connection, before: Row, after: Row) -> Row:
    correct(connection, after.call, after.day, after.committed - before.committed)
    return after


def _told(row: Row) -> tuple[object, ...]:
    return row.state, row.asset_uri, row.settled, row.billed, row.kind


def _said(answer: Answer) -> tuple[object, ...]:
    return answer.outcome, answer.asset_uri, answer.micros, answer.billed, answer.kind


def _is_its_price(row: Row, answer: Answer) -> bool:
    """Whether it only adds what an outcome cost that had no price yet."""
    return (row.state, row.asset_uri, row.settled) == (answer.outcome, answer.asset_uri, None)


def _is_proof(row: Row, answer: Answer) -> bool:
    """Whether it comes after somebody concluded that the call was lost: an answer in hand knows better."""
    return row.state == "failed" and row.kind == "unknown" and answer.outcome in ("image", "refused")


def _changes(row: Row, answer: Answer, now_ms: int) -> rows.Changes:
    return {
        "state": answer.outcome,
        "settled": answer.micros,
        "settled_ms": None if answer.micros is None else now_ms,
        "answered_ms": now_ms if row.answered_ms is None else row.answered_ms,
        "kind": answer.kind,
        "billed": answer.billed,
        "reason": cut(answer.reason),
        "provider_id": answer.provider_id or row.provider_id,
        "asset_uri": answer.asset_uri,
        "drawn_id": (answer.drawn_id or row.call.render_id) if answer.outcome == "image" else "",
        "held": row.held if answer.outcome == "unknown" else "",
    }
