"""Budgets: what may be committed at most, held against counters that all workers share."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from inference.engines.ledger.calls import Call, OverBudget
from inference.engines.ledger.money import micros, spelled
from inference.engines.ledger.tables import TALLIES, storable

Scope = Literal["total", "day", "campaign", "engine"]
Counter = tuple[Scope, str]

SCOPES: tuple[Scope, ...] = get_args(Scope)


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `limit` micro-dollars committed (reserved or spent) in a scope.

    Without `name` it holds for every day, campaign or engine, each for itself; calls without a campaign are
    bound by no campaign's budget. A day is one of UTC, and a call counts for the day of its intent. An
    engine's budget binds whatever draws for it: a call counts for each name it was asked by.
    """

    scope: Scope
    limit: int
    name: str | None = None

    def __post_init__(self) -> None:
        if self.scope not in SCOPES:
            raise ValueError(f"budget.scope: {self.scope!r}; give one of {', '.join(SCOPES)}")
        if self.limit < 0:
            raise ValueError(f"budget.limit: {self.limit}; give 0 or more micro-dollars")
        if self.scope == "total" and self.name is not None:
            raise ValueError(f"budget.name: {self.name!r}; a total has none, leave it out")
        if self.scope == "day" and self.name is not None and not _is_day(self.name):
            raise ValueError(f"budget.name: {self.name!r} is no day; give one as 2026-11-23")


def parse_budget(text: str) -> Budget:
    """`day=20`, `total=500`, `campaign=10` (each), `engine:NAME=5`: dollars for a scope, or for one in it.

    Raises:
        ValueError: names the text, and what is wrong with it.
    """
    where, equals, usd = text.rpartition("=")
    scope, colon, name = (part.strip() for part in where.partition(":"))
    known: Mapping[str, Scope] = {known: known for known in SCOPES}
    if not equals or scope not in known or (colon and not name):
        raise ValueError(
            f"budget {text!r}: give SCOPE=DOLLARS or SCOPE:NAME=DOLLARS, with a scope of {', '.join(SCOPES)}"
        )
    try:
        return Budget(known[scope], micros(usd.strip()), name or None)
    except ValueError as error:
        raise ValueError(f"budget {text!r}: {error}") from None


def check_budgets(budgets: Iterable[Budget], known_engines: Collection[str]) -> None:
    """Raises:
    ValueError: a budget of an engine that is none, and so would bind nothing.
    """
    for budget in budgets:
        if budget.scope != "engine" or budget.name is None or budget.name in known_engines:
            continue
        near = difflib.get_close_matches(budget.name, known_engines, n=1)
        hint = f"did you mean {near[0]!r}? Known" if near else "known"
        raise ValueError(f"budget engine:{budget.name}: no such engine; {hint}: {', '.join(known_engines)}")


def counters_of(call: Call, day: str) -> tuple[Counter, ...]:
    """What a call is counted under, in the order in which counters are raised: all transactions begin with
    `total`, so none waits for another that waits for it.
    """
    campaign: list[Counter] = [("campaign", call.campaign)] if call.campaign else []
    engines: list[Counter] = [("engine", name) for name in sorted({call.engine, *call.asked_as})]
    counters: list[Counter] = [("total", ""), ("day", day), *campaign, *engines]
    return tuple((scope, storable(name)) for scope, name in counters)


def limits(budgets: Iterable[Budget], counters: Sequence[Counter]) -> Mapping[Counter, int]:
    """The tightest budget that binds each counter."""
    found: dict[Counter, int] = {}
    for budget in budgets:
        wanted = None if budget.name is None else storable(budget.name)
        for scope, name in counters:
            if scope == budget.scope and wanted in (None, name):
                found[scope, name] = min(budget.limit, found.get((scope, name), budget.limit))
    return found


def reserve(
    connection: sa.Connection, call: Call, day: str, budgets: Sequence[Budget] = ()
) -> OverBudget | None:
    """Raises every counter of the call by what it may cost, or says which budget has no room for it.

    After a refusal some counters are raised: the caller must undo its transaction.
    """
    counters = counters_of(call, day)
    bound = limits(budgets, counters)
    for counter in counters if call.reserve else ():
        if not _raised(connection, call.emulated, counter, call.reserve, bound.get(counter)):
            gone = _committed(connection, call.emulated, counter)
            return OverBudget(*counter, bound[counter], gone, call.reserve)
    return None


def correct(connection: sa.Connection, call: Call, day: str, change: int) -> None:
    """Moves every counter of the call by `change` micro-dollars, budget or not: what is spent is spent."""
    for counter in counters_of(call, day) if change else ():
        _raised(connection, call.emulated, counter, change, None)


def told(over: OverBudget) -> str:
    """A refusal in words."""
    where = f"{over.scope} {over.name}".strip()
    return (
        f"budget: {spelled(over.wanted)} more would pass the {spelled(over.limit)} of {where}, "
        f"of which {spelled(over.committed)} are spent or reserved; raise the budget or wait"
    )


def _is_day(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _raised(
    connection: sa.Connection, emulated: bool, counter: Counter, change: int, limit: int | None
) -> bool:
    """One statement, so that nobody comes between the look and the change."""
    if limit is not None and change > limit:
        return False
    scope, name = counter
    key = {"emulated": emulated, "scope": scope, "name": name}
    raised = TALLIES.c.committed + change
    update = sa.update(TALLIES).values(committed=raised).where(*(TALLIES.c[c] == v for c, v in key.items()))
    if change < 0:
        connection.execute(update)
        return True
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    upsert = (
        insert(TALLIES)
        .values(**key, committed=change)
        .on_conflict_do_update(
            index_elements=["emulated", "scope", "name"],
            set_={"committed": raised},
            where=None if limit is None else raised <= limit,
        )
    )
    return connection.execute(upsert.returning(TALLIES.c.committed)).first() is not None


def _committed(connection: sa.Connection, emulated: bool, counter: Counter) -> int:
    scope, name = counter
    of_it = (TALLIES.c.emulated == emulated, TALLIES.c.scope == scope, TALLIES.c.name == name)
    return int(connection.scalar(sa.select(TALLIES.c.committed).where(*of_it)) or 0)
