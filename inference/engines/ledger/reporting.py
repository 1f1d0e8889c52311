"""What was spent, on what, and what waits for somebody."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import sqlalchemy as sa

from inference.engines.ledger.budgets import counters_of
from inference.engines.ledger.calls import LedgerError, Row
from inference.engines.ledger.database import Database
from inference.engines.ledger.money import spelled
from inference.engines.ledger.rows import row_of
from inference.engines.ledger.tables import CALLS, TALLIES

By = Literal["day", "campaign", "engine", "model", "run"]
BY: tuple[By, ...] = get_args(By)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The calls of one group, money in micro-dollars. `group` has a value for each name asked `by`.

    `settled` is what was charged; `reserved` is for calls under way and for outcomes without a price yet;
    `doubtful` is for calls of unknown outcome, which may have been charged. `above` is what was charged over
    and above reservations. `released` calls never left and are counted nowhere else.
    """

    group: tuple[str, ...]
    emulated: bool
    calls: int
    images: int
    refused: int
    failed: int
    unknown: int
    under_way: int
    released: int
    settled: int
    reserved: int
    doubtful: int
    above: int


def report(
    database: Database,
    by: Sequence[By] = ("day", "campaign", "engine"),
    *,
    since: dt.date | None = None,
    until: dt.date | None = None,
) -> tuple[Line, ...]:
    """A line for each group, emulated money apart, in the order of the groups; days are of UTC and inclusive.

    Raises:
        ValueError: a name in `by` that is none, or is there twice.
    """
    if not set(by) <= set(BY) or len(set(by)) != len(by):
        raise ValueError(f"by: {', '.join(by)}; give some of {', '.join(BY)}, each once")
    keys = [CALLS.c[name] for name in by]
    query = sa.select(CALLS.c.emulated, *keys, *_FIGURES).group_by(CALLS.c.emulated, *keys)
    if since is not None:
        query = query.where(CALLS.c.day >= since.isoformat())
    if until is not None:
        query = query.where(CALLS.c.day <= until.isoformat())
    with database.reading() as connection:
        found = connection.execute(query.order_by(CALLS.c.emulated, *keys)).mappings().all()
    names = [figure.name for figure in _FIGURES]
    return tuple(
        Line(
            group=tuple(each[name] for name in by),
            emulated=each["emulated"],
            **{name: int(each[name]) for name in names},
        )
        for each in found
    )


def waiting(database: Database, *, limit: int | None = None, held: bool | None = None) -> tuple[Row, ...]:
    """Calls of unknown outcome, the oldest first: to be asked for, or where `held` says why, for a person;
    with `held` only those, or only the others.
    """
    unknown = CALLS.c.state == "unknown"
    if held is not None:
        unknown &= (CALLS.c.held != "") if held else (CALLS.c.held == "")
    query = sa.select(CALLS).where(unknown).order_by(CALLS.c.intended_ms, CALLS.c.job, CALLS.c.take)
    with database.reading() as connection:
        return tuple(row_of(found) for found in connection.execute(query.limit(limit)).mappings())


def unpriced(database: Database, *, limit: int | None = None) -> tuple[Row, ...]:
    """Calls with an outcome whose price nobody has told: they keep their reservation."""
    open_price = CALLS.c.settled.is_(None) & CALLS.c.state.in_(["image", "refused", "failed"])
    query = sa.select(CALLS).where(open_price).order_by(CALLS.c.intended_ms, CALLS.c.job, CALLS.c.take)
    with database.reading() as connection:
        return tuple(row_of(found) for found in connection.execute(query.limit(limit)).mappings())


def find(database: Database, name: str) -> Row:
    """The call of that name (`Row.name`), or of the one name that begins so.

    Raises:
        LedgerError: no call, or several.
    """
    job, _, take = name.partition("-")
    query = sa.select(CALLS).where(CALLS.c.job.startswith(job, autoescape=True)).limit(1_000)
    with database.reading() as connection:
        rows = [row_of(found) for found in connection.execute(query).mappings()]
    found = [row for row in rows if take in ("", str(row.take))] if job else []
    if len(found) != 1:
        many = f"{len(found)} calls are named so; give more of the name" if found else "no such call"
        raise LedgerError(f"call: {name!r}: {many}")
    return found[0]


def audit(database: Database) -> tuple[str, ...]:
    """Where the counters that budgets are held against differ from the calls they count; empty when sound."""
    counted: dict[tuple[bool, str, str], int] = {}
    summed: dict[tuple[bool, str, str], int] = {}
    with database.reading() as connection:
        for each in connection.execute(sa.select(TALLIES)):
            counted[each.emulated, each.scope, each.name] = int(each.committed)
        for found in connection.execute(sa.select(CALLS)).mappings():
            row = row_of(found)
            for scope, name in counters_of(row.call, row.day):
                key = (row.call.emulated, str(scope), name)
                summed[key] = summed.get(key, 0) + row.committed
    told = []
    for key in sorted(counted.keys() | summed.keys()):
        raised, true = counted.get(key, 0), summed.get(key, 0)
        if raised != true:
            told.append(f"{' '.join(key[1:]).strip()}: {spelled(raised)} counted, {spelled(true)} in calls")
    return tuple(told)


def _count(name: str, *states: str) -> sa.Label[Any]:
    return sa.func.coalesce(sa.func.sum(sa.case((CALLS.c.state.in_(states), 1), else_=0)), 0).label(name)


def _sum(name: str, where: sa.ColumnElement[bool], amount: sa.ColumnElement[int]) -> sa.Label[Any]:
    return sa.func.coalesce(sa.func.sum(sa.case((where, amount), else_=0)), 0).label(name)


_OPEN = CALLS.c.settled.is_(None)
_UNKNOWN = CALLS.c.state == "unknown"
_FIGURES = (
    _count("calls", "intended", "sent", "accepted", "image", "refused", "failed", "unknown"),
    _count("images", "image"),
    _count("refused", "refused"),
    _count("failed", "failed"),
    _count("unknown", "unknown"),
    _count("under_way", "intended", "sent", "accepted"),
    _count("released", "released"),
    _sum("settled", ~_OPEN, CALLS.c.settled),
    _sum("reserved", _OPEN & ~_UNKNOWN, CALLS.c.reserved),
    _sum("doubtful", _OPEN & _UNKNOWN, CALLS.c.reserved),
    _sum("above", CALLS.c.settled > CALLS.c.reserved, CALLS.c.settled - CALLS.c.reserved),
)
