"""Our own books: the ledger's tables, read by an auditor's own SQL and drivers, and watched as they change.

A trigger writes down every value that a budget's counter ever takes. Counters are changed under their row's
lock, which is held until the commit, so for each of them the order of these lines is the order of commits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from typing import Any, Final, TypeAlias

import psycopg

Connection: TypeAlias = Any
UNDER_WAY: Final = ("intended", "sent", "accepted")

_SQLITE: Final = """
CREATE TABLE audit_tallies (seq INTEGER PRIMARY KEY, scope TEXT, name TEXT, committed INTEGER);
CREATE TRIGGER audit_first AFTER INSERT ON tallies BEGIN
  INSERT INTO audit_tallies (scope, name, committed) VALUES (NEW.scope, NEW.name, NEW.committed); END;
CREATE TRIGGER audit_next AFTER UPDATE ON tallies BEGIN
  INSERT INTO audit_tallies (scope, name, committed) VALUES (NEW.scope, NEW.name, NEW.committed); END;
"""
_POSTGRESQL: Final = """
CREATE TABLE audit_tallies (seq BIGSERIAL PRIMARY KEY, scope TEXT, name TEXT, committed BIGINT);
CREATE FUNCTION audit_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO audit_tallies (scope, name, committed) VALUES (NEW.scope, NEW.name, NEW.committed);
  RETURN NULL; END $$;
CREATE TRIGGER audit_changed AFTER INSERT OR UPDATE ON tallies FOR EACH ROW EXECUTE FUNCTION audit_note();
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """One call as it stands in the table `calls`; money in micro-dollars, `settled` None where unknown."""

    prompt_id: str
    take: int
    job: str
    state: str
    engine: str
    campaign: str
    day: str
    reserved: int
    settled: int | None
    kind: str | None = None
    reason: str = ""
    lease_ms: int = 0

    @property
    def committed(self) -> int:
        return self.reserved if self.settled is None else self.settled


@dataclass(frozen=True, slots=True)
class Counter:
    """A budget's counter, and what it stood at."""

    scope: str
    name: str
    committed: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """At one moment: the counters as they stand, and the same figures added up from the calls."""

    counters: Mapping[tuple[str, str], int]
    added_up: Mapping[tuple[str, str], int]


class Books:
    """The ledger at a SQLite path or a postgresql:// address, whose tables exist."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._is_postgresql = "://" in address

    def watch(self) -> None:
        """From now on every change of a counter is written down."""
        with closing(self._connected()) as connection:
            if self._is_postgresql:
                connection.execute(_POSTGRESQL)
                connection.commit()
            else:
                connection.executescript(_SQLITE)

    def calls(self) -> list[Booked]:
        names = [field.name for field in fields(Booked)]
        query = f"SELECT {', '.join(names)} FROM calls ORDER BY prompt_id, take"
        return [Booked(**dict(zip(names, row, strict=True))) for row in self._read(query)]

    def history(self) -> list[Counter]:
        """Every value of every counter, in order for each."""
        return [
            Counter(*row)
            for row in self._read("SELECT scope, name, committed FROM audit_tallies ORDER BY seq")
        ]

    def snapshot(self) -> Snapshot:
        with closing(self._connected()) as connection:
            return _snapshot(connection)

    def last_lease_ms(self) -> int:
        """When the last call under way is given up, in Unix milliseconds; 0 where there is none."""
        states = ", ".join(f"'{state}'" for state in UNDER_WAY)
        query = f"SELECT COALESCE(MAX(lease_ms), 0) FROM calls WHERE state IN ({states})"
        return int(self._read(query)[0][0])

    def _read(self, query: str) -> Sequence[Sequence[Any]]:
        with closing(self._connected()) as connection:
            found: Sequence[Sequence[Any]] = connection.execute(query).fetchall()
            return found

    def _connected(self) -> Connection:
        if self._is_postgresql:
            connection = psycopg.connect(self._address)
            # One view of the whole for both halves of a snapshot.
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            return connection
        return sqlite3.connect(self._address, timeout=30.0)


def _snapshot(connection: Connection) -> Snapshot:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("BEGIN")
    counted = connection.execute("SELECT scope, name, committed FROM tallies").fetchall()
    by = "SELECT day, campaign, engine, SUM(COALESCE(settled, reserved)) FROM calls GROUP BY 1, 2, 3"
    added: dict[tuple[str, str], int] = {}
    for day, campaign, engine, micros in connection.execute(by).fetchall():
        for scope, name in (("total", ""), ("day", day), ("campaign", campaign), ("engine", engine)):
            if name or scope == "total":
                added[scope, name] = added.get((scope, name), 0) + int(micros)
    counters = {(scope, name): int(committed) for scope, name, committed in counted}
    return Snapshot(counters, added)
