"""The ledger: every call that may cost money is written down before it leaves, and again when it is known
what became of it.
"""

from __future__ import annotations

import datetime as dt
import os
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from inference.engines.ledger import rows, steps
from inference.engines.ledger.budgets import Budget, reserve
from inference.engines.ledger.calls import (
    ANSWERABLE,
    UNDER_WAY,
    Answer,
    Beginning,
    Begun,
    Call,
    LedgerError,
    OverBudget,
    Row,
    State,
)
from inference.engines.ledger.database import Database, prepare
from inference.engines.ledger.migrations import MIGRATIONS, migrate, refuse_newer, version
from inference.engines.ledger.tables import CALLS

Clock = Callable[[], dt.datetime]

GIVEN_UP_FROM: tuple[State, ...] = ("intended", *UNDER_WAY)


class LedgerMissing(LedgerError):
    """There is no ledger at that address yet: nothing was ever spent through it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leases:
    """How long a worker that has gone silent keeps a row, in seconds.

    Before sending it is a courtesy: `sent` is refused once a row was given up, whatever the clocks say.
    After it, a worker is given its engine's time-out and `margin_s` besides, or `answer_s` where it names no
    time-out; then the outcome counts as unknown, and an answer that comes later still is taken.
    """

    intent_s: float = 30.0
    margin_s: float = 30.0
    answer_s: float = 660.0

    def __post_init__(self) -> None:
        if min(self.intent_s, self.margin_s, self.answer_s) <= 0:
            raise ValueError(
                f"leases: {self.intent_s}, {self.margin_s} and {self.answer_s}; give seconds above 0"
            )


@dataclass(frozen=True, slots=True)
class Recovered:
    """What `recover` found left behind: calls that never left, and calls whose outcome is unknown."""

    released: tuple[Row, ...]
    unknown: tuple[Row, ...]


def worker_name() -> str:
    """One for each process, and each start of it."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Ledger:
    """One worker's door to the ledger. It blocks: `AsyncLedger` takes it to a thread. Safe to share between
    threads, not across a fork. Every method raises `LedgerUnavailable` where the database does not answer.
    """

    def __init__(self, database: Database, *, clock: Clock, worker: str, leases: Leases) -> None:
        self.database = database
        self.worker = worker
        self._clock = clock
        self._leases = leases

    @classmethod
    def open(
        cls,
        address: str,
        *,
        clock: Clock = utc_now,
        worker: str | None = None,
        leases: Leases | None = None,
        create: bool = True,
    ) -> Ledger:
        """The ledger at a path, `sqlite:///PATH` or `postgresql://USER@HOST/DATABASE`, its schema up to date.

        Raises:
            LedgerMissing: without `create`, where there is none.
            LedgerError: an address that cannot be used, or a schema newer than this program.
        """
        database = Database(address)
        try:
            if create:
                prepare(database)
                with database.writing() as connection:
                    migrate(connection)
            else:
                _require(database)
        except BaseException:
            database.close()
            raise
        return cls(database, clock=clock, worker=worker or worker_name(), leases=leases or Leases())

    def close(self) -> None:
        self.database.close()

    def begin(self, call: Call, budgets: Sequence[Budget] = (), *, repeatable: bool = False) -> Beginning:
        """Writes down that `call` is intended and reserves its money, in one transaction; or says what is
        known of its job: only `Begun` may be sent.

        Where the provider draws once for requests of one name, and so a request is `repeatable`, a call of
        the job that is under way, or of unknown outcome, is taken over and may be sent again.
        """
        while True:
            try:
                with self.database.writing() as connection:
                    begun = self._begin(connection, call, budgets, repeatable)
            except _NoRoom as refused:
                return refused.over
            if begun is not None:
                return begun

    def last(self, call: Call) -> Row | None:
        """The latest call of the job, as it stands; None where there was none."""
        with self.database.reading() as connection:
            return rows.last_of(connection, call.job, for_change=False)

    def sent(self, row: Row, within_s: float | None = None) -> Row:
        """Said before the request leaves, which has `within_s` seconds for its answer. Whoever gets an error
        here must not send.

        Raises:
            NotOpen: it was sent already, or given up because its worker was silent too long, or taken over:
                begin anew.
        """
        now = self._now_ms()
        leases = self._leases
        lease = now + _ms(leases.answer_s if within_s is None else within_s + leases.margin_s)
        with self.database.writing() as connection:
            standing = rows.kept(connection, row)
            if not steps.is_taken_over(row, standing):
                steps.must_be(("intended",), standing, "sent")
            first = now if standing.sent_ms is None else standing.sent_ms
            return rows.change(connection, standing, {"state": "sent", "sent_ms": first, "lease_ms": lease})

    def accepted(self, row: Row, provider_id: str) -> Row:
        """The provider has taken the request, under an id by which it can be asked later.

        Raises:
            NotOpen: it was never sent, or has ended.
        """
        now = self._now_ms()
        with self.database.writing() as connection:
            standing = steps.must_be(ANSWERABLE, rows.kept(connection, row), "accepted")
            taken: rows.Changes = {"provider_id": provider_id, "accepted_ms": now}
            if standing.state != "unknown":
                taken = {**taken, "state": "accepted", "lease_ms": now + _ms(self._leases.answer_s)}
            return rows.change(connection, standing, taken)

    def settle(self, row: Row, answer: Answer) -> Row:
        """Writes how the call ended, and what it cost where that is known. The same answer twice is one.

        An answer that comes after the outcome was called unknown is taken. More than was reserved is
        written down as it is, whatever the budgets say.

        Raises:
            NotOpen: it was never sent, or has ended otherwise.
        """
        now = self._now_ms()
        with self.database.writing() as connection:
            return steps.answered(connection, rows.kept(connection, row), answer, now)

    def release(self, row: Row, reason: str) -> Row:
        """Nothing left this machine: the reservation goes back, and the job may be begun anew.

        Raises:
            NotOpen: it has an outcome.
        """
        with self.database.writing() as connection:
            standing = rows.kept(connection, row)
            if standing.state == "released":
                return standing
            steps.must_be(("intended", "sent"), standing, "released")
            return steps.let_go(connection, standing, reason, self._now_ms())

    def hold(self, row: Row, reason: str) -> Row:
        """Its outcome cannot be found out by asking: a person must look.

        Raises:
            NotOpen: it was never sent, or has ended.
        """
        with self.database.writing() as connection:
            standing = steps.must_be(ANSWERABLE, rows.kept(connection, row), "held")
            return rows.change(
                connection, standing, {"state": "unknown", "held": steps.cut(reason) or "no reason given"}
            )

    def recover(self) -> Recovered:
        """Writes down what has become of calls whose workers have been silent for too long. Any number of
        workers may do it at once, and again.
        """
        now = self._now_ms()
        with self.database.reading() as connection:
            overdue = CALLS.c.state.in_(GIVEN_UP_FROM) & (CALLS.c.lease_ms <= now)
            lapsed = [
                rows.row_of(found) for found in connection.execute(sa.select(CALLS).where(overdue)).mappings()
            ]
        found = [self._given_up(row, now) for row in lapsed]
        return Recovered(
            tuple(row for row in found if row is not None and row.state == "released"),
            tuple(row for row in found if row is not None and row.state == "unknown"),
        )

    def _begin(
        self, connection: sa.Connection, call: Call, budgets: Sequence[Budget], repeatable: bool
    ) -> Beginning | None:
        """None where another worker began the same take at the same moment.

        Raises:
            _NoRoom: to undo the transaction.
        """
        now = self._now_ms()
        last = rows.last_of(connection, call.job)
        if last is not None:
            last = steps.lapsed(connection, last, now)
            if repeatable and steps.may_be_taken_over(last, call):
                lease = now + _ms(self._leases.intent_s)
                taken: rows.Changes = {
                    "state": "sent", "worker": self.worker, "lease_ms": lease, "held": ""
                }  # fmt: skip
                return Begun(rows.change(connection, last, taken))
            known = steps.known(last)
            if known is not None:
                return known
        take = 0 if last is None else last.take + 1
        row = rows.insert(connection, call, take, self._intent(now))
        if row is None:
            return None
        over = reserve(connection, row.call, row.day, budgets)
        if over is not None:
            raise _NoRoom(over)
        return Begun(row)

    def _intent(self, now: int) -> rows.Changes:
        return {
            "worker": self.worker,
            "day": rows.day_of(now),
            "intended_ms": now,
            "lease_ms": now + _ms(self._leases.intent_s),
        }

    def _given_up(self, row: Row, now: int) -> Row | None:
        with self.database.writing() as connection:
            standing = rows.kept(connection, row)
            return steps.lapsed(connection, standing, now) if standing.state in GIVEN_UP_FROM else None

    def _now_ms(self) -> int:
        return round(self._clock().timestamp() * 1000)


class _NoRoom(Exception):
    def __init__(self, over: OverBudget) -> None:
        super().__init__()
        self.over = over


def _require(database: Database) -> None:
    if database.file is not None and not database.file.exists():
        raise LedgerMissing(f"ledger {database.name}: there is none yet, nothing was spent")
    with database.reading() as connection:
        found = version(connection)
    if found == 0:
        raise LedgerMissing(f"ledger {database.name}: there is none yet, nothing was spent")
    refuse_newer(found)
    if found < len(MIGRATIONS):
        with database.writing() as connection:
            migrate(connection)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
