"""Rows of the table `calls`: written, read, and kept for change."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from inference.engines.ledger.calls import Call, LedgerError, Row
from inference.engines.ledger.tables import CALLS, storable

Changes = Mapping[str, str | int | None]

# Columns of the prompt and of the call, by the names they have in the events.
_REF = {"source": "source", "prompt_id": "id", "variant": "variant", "run": "run"}
_CALL = {"reserved": "reserve"} | {
    field.name: field.name for field in fields(Call) if field.name not in ("ref", "reserve", "asked_as")
}
_ROW = tuple(field.name for field in fields(Row) if field.name != "call")


def insert(connection: sa.Connection, call: Call, take: int, changes: Changes) -> Row | None:
    """Writes a take as intended; None where another worker was quicker."""
    ref = call.ref
    values: dict[str, Any] = {
        "job": call.job,
        "take": take,
        "state": "intended",
        "source": ref.source,
        "prompt_id": ref.id,
        "variant": ref.variant,
        "run": ref.run,
        "ordinal": call.ordinal,
        "asked": call.asked,
        "campaign": call.campaign,
        "engine": call.engine,
        "model": call.model,
        "emulated": call.emulated,
        "render_id": call.render_id,
        "reserved": call.reserve,
        "billed": "unknown",
        "asked_as": msgspec.json.encode([storable(name) for name in call.asked_as]).decode(),
        **dict.fromkeys(("drawn_id", "asset_uri", "provider_id", "reason", "held"), ""),
        **changes,
    }
    into = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    written = into(CALLS).values(_stored(values)).on_conflict_do_nothing().returning(CALLS)
    found = connection.execute(written).mappings().first()
    return None if found is None else row_of(found)


def last_of(connection: sa.Connection, job: str, *, for_change: bool = True) -> Row | None:
    """The latest take of a job, kept for this transaction to change unless it is only looked at."""
    query = sa.select(CALLS).where(CALLS.c.job == job).order_by(CALLS.c.take.desc()).limit(1)
    found = connection.execute(query.with_for_update() if for_change else query).mappings().first()
    return None if found is None else row_of(found)


def kept(connection: sa.Connection, row: Row) -> Row:
    """`row` as it stands now, kept for this transaction to change.

    Raises:
        LedgerError: it is not in this ledger.
    """
    query = sa.select(CALLS).where(CALLS.c.job == row.job, CALLS.c.take == row.take)
    found = connection.execute(query.with_for_update()).mappings().first()
    if found is None:
        raise LedgerError(f"ledger: no call {row.name}; it was begun in another ledger")
    return row_of(found)


def change(connection: sa.Connection, row: Row, changes: Changes) -> Row:
    """Writes `changes`; the row as it is then."""
    update = sa.update(CALLS).where(CALLS.c.job == row.job, CALLS.c.take == row.take)
    written = connection.execute(update.values(_stored(changes)).returning(CALLS)).mappings().one()
    return row_of(written)


def row_of(found: Mapping[Any, Any]) -> Row:
    """Raises:
    LedgerError: the row holds a state or a kind that this program does not know.
    """
    ref = {name: found[column] for column, name in _REF.items()}
    call = {name: found[column] for column, name in _CALL.items()}
    try:
        call |= {"ref": ref, "asked_as": msgspec.json.decode(found["asked_as"])}
        return msgspec.convert({"call": call, **{name: found[name] for name in _ROW}}, Row)
    except msgspec.DecodeError as error:
        raise LedgerError(f"ledger: call {found['job'][:16]}-{found['take']}: {error}") from error


def day_of(ms: int) -> str:
    """The day in UTC of a moment in milliseconds since 1970, as 2026-11-23."""
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).date().isoformat()


def _stored(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: storable(value) if isinstance(value, str) else value for name, value in values.items()}
