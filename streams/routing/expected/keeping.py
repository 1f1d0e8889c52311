"""The memory of all workers, in the ledger's database: each result counted once, each decision made once.

What a picture came to counts as spent when it is judged; what is drawn to learn counts at the most it may
cost when it is decided. So at no moment is more than the policy's share spent on learning.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

from inference.engines.ledger import LedgerMissing, dollars, micros
from inference.engines.ledger.database import Database, prepare
from inference.engines.ledger.tables import storable
from streams.routing.expected import schema
from streams.routing.expected.deciding import credit_of
from streams.routing.expected.exploring import Purse
from streams.routing.expected.features import BUCKETS
from streams.routing.expected.grades import Credit
from streams.routing.expected.policyfile import ExpectedPolicy
from streams.routing.expected.rates import Table
from streams.routing.expected.remembering import Emulated, News, Place, Snapshot, Taken
from streams.routing.expected.rows import decision_at, insert, inserted, model_of, named, row_of, told
from streams.routing.expected.schema import DECISIONS, PURSE, RATES, RESULTS

Counts = Mapping[str, tuple[float, float]]

# Shares are compared in whole numbers, so that the purse is held to the micro-dollar.
_PARTS: Final = 1_000_000
_BUCKETS: Final = {bucket.key: bucket for bucket in BUCKETS}


class Kept:
    """`Memory` in a database that many workers share. Connects at the first call; safe between threads.

    Every method may raise `LedgerUnavailable` where the database does not answer: nothing was decided or
    counted then; and `LedgerError` where it cannot be used.
    """

    def __init__(self, address: str) -> None:
        """`address` as the ledger's.

        Raises:
            LedgerError: it cannot be used. Nothing is connected yet.
        """
        self._database = Database(address)
        self._lock = threading.Lock()
        self._ready = False

    @property
    def name(self) -> str:
        """Where it lies, without a password."""
        return self._database.name

    def open(self) -> None:
        """Makes the tables where they are absent."""
        with self._lock:
            if not self._ready:
                prepare(self._database)
                with self._database.writing() as connection:
                    schema.migrate(connection)
                self._ready = True

    def look(self) -> None:
        """Is enough before `snapshot` alone, and makes nothing.

        Raises:
            LedgerMissing: there is nothing to look at.
        """
        file = self._database.file
        if file is None or file.exists():
            with self._database.reading() as connection:
                self._ready = schema.version(connection) > 0
        if not self._ready:
            raise LedgerMissing(f"ledger {self.name}: nothing was routed by expected cost yet")

    def close(self) -> None:
        self._database.close()

    def recall(self, place: Place) -> Taken | None:
        self._opened()
        with self._database.reading() as connection:
            return decision_at(connection, place)

    def snapshot(self, policy: ExpectedPolicy, emulated: Emulated) -> Snapshot:
        self._opened()
        with self._database.reading() as connection:
            counts, seen = _counts(connection, policy, emulated)
            purse = _purse(connection, policy, any(emulated.values()))
        return Snapshot(table=policy.table().with_counts(counts), purse=purse, seen=seen)

    def keep(self, policy: ExpectedPolicy, place: Place, taken: Taken) -> Taken | None:
        self._opened()
        try:
            with self._database.writing() as connection:
                if not inserted(connection, DECISIONS, named(place) | row_of(taken)):
                    return decision_at(connection, place)
                if taken.explored and not _held(connection, policy, taken):
                    raise _NoRoom
        except _NoRoom:
            return None
        return taken

    def learn(self, policy: ExpectedPolicy, news: News) -> bool:
        self._opened()
        engine = news.tries[-1].engine
        emulated = news.emulated[engine]
        with self._database.writing() as connection:
            # Locked first, so that two results of an engine are counted one after the other.
            standing = _locked(connection, policy, engine, emulated)
            model = model_of(news) or standing.model
            anew = standing.model not in ("", model)
            credit = None if _is_known(connection, news) else _credit(connection, policy, news, anew=anew)
            row = named(news.place) | told(policy, news, credit, model)
            number = None if credit is None else int(standing.results) + 1
            if not inserted(connection, RESULTS, row | {"number": number}):
                return False
            if credit is not None:
                before = {} if anew else _read(standing.counts)
                after = _noted(policy, engine, news.features.bucket.key, before, credit)
                _counted(connection, _key(policy, engine, emulated), model, number, after)
            _spent(connection, policy, emulated, micros(news.usd))
        return True

    def table_after(self, policy: ExpectedPolicy, seen: Mapping[str, int], emulated: Emulated) -> Table:
        """The rates that a decision was made from, made again from the results alone."""
        self._opened()
        with self._database.reading() as connection:
            counts = {
                engine: _folded(connection, policy, engine, emulated[engine], upto)
                for engine, upto in seen.items()
            }
        return policy.table().with_counts(counts)

    def _opened(self) -> None:
        if not self._ready:
            self.open()


class _NoRoom(Exception):
    """To undo the transaction."""


def _noted(policy: ExpectedPolicy, engine: str, bucket: str, before: Counts, credit: Credit) -> Counts:
    """Restored, one result more, and as it is kept: the same whenever it is made again."""
    table = policy.table().with_counts({engine: before})
    return table.noted(engine, _BUCKETS[bucket], credit).counts()[engine]


def _credit(connection: sa.Connection, policy: ExpectedPolicy, news: News, *, anew: bool) -> Credit | None:
    if news.tries[-1].engine not in (*policy.engines, policy.compose.engine):
        return None
    counts, _ = _counts(connection, policy, news.emulated)
    if anew:
        counts.pop(news.tries[-1].engine, None)
    return credit_of(policy, policy.table().with_counts(counts), news.features, news.tries)


def _counts(
    connection: sa.Connection, policy: ExpectedPolicy, emulated: Emulated
) -> tuple[dict[str, Counts], dict[str, int]]:
    rows = connection.execute(sa.select(RATES).where(RATES.c.policy == policy.name)).all()
    mine = [row for row in rows if emulated.get(row.engine) == row.emulated]
    return {row.engine: _read(row.counts) for row in mine}, {row.engine: int(row.results) for row in mine}


def _read(counts: str) -> Counts:
    return {bucket: (passed, failed) for bucket, (passed, failed) in json.loads(counts).items()}


def _folded(
    connection: sa.Connection, policy: ExpectedPolicy, engine: str, emulated: bool, upto: int
) -> Counts:
    columns = RESULTS.c
    of_it = (columns.policy == policy.name, columns.engine == engine, columns.emulated == emulated)
    rows = connection.execute(
        sa.select(RESULTS).where(*of_it, columns.number <= upto).order_by(columns.number)
    ).all()
    counts: Counts = {}
    for row, earlier in zip(rows, [None, *rows], strict=False):
        if earlier is not None and earlier.model != row.model:
            counts = {}  # another model answers to the name: it begins with what was published
        counts = _noted(policy, engine, row.bucket, counts, Credit(row.passed, row.failed))
    return counts


def _key(policy: ExpectedPolicy, engine: str, emulated: bool) -> dict[str, object]:
    return {"policy": policy.name, "engine": storable(engine), "emulated": emulated}


def _locked(connection: sa.Connection, policy: ExpectedPolicy, engine: str, emulated: bool) -> Any:
    key = _key(policy, engine, emulated)
    inserted(connection, RATES, key | {"model": "", "results": 0, "counts": "{}"})
    found = sa.select(RATES).where(*(RATES.c[name] == value for name, value in key.items()))
    return connection.execute(found.with_for_update()).one()


def _counted(
    connection: sa.Connection, key: Mapping[str, object], model: str, number: int | None, counts: Counts
) -> None:
    of_it = (RATES.c[name] == value for name, value in key.items())
    values = {"model": model, "results": number, "counts": json.dumps(counts)}
    connection.execute(sa.update(RATES).where(*of_it).values(**values))


def _is_known(connection: sa.Connection, news: News) -> bool:
    """The picture was judged before, for another run: it tells nothing new."""
    if not news.render_id:
        return False
    same = sa.select(RESULTS.c.ordinal).where(RESULTS.c.render_id == news.render_id).limit(1)
    return connection.execute(same).first() is not None


def _spent(connection: sa.Connection, policy: ExpectedPolicy, emulated: bool, amount: int) -> None:
    row = {"policy": policy.name, "emulated": emulated, "spent": amount, "explored": 0}
    upsert = insert(connection, PURSE).values(**row)
    connection.execute(
        upsert.on_conflict_do_update(
            index_elements=["policy", "emulated"], set_={"spent": PURSE.c.spent + amount}
        )
    )


def _held(connection: sa.Connection, policy: ExpectedPolicy, taken: Taken) -> bool:
    """One statement, so that nobody comes between the look and the change."""
    explored = PURSE.c.explored + micros(taken.held)
    has_room = explored * _PARTS <= PURSE.c.spent * round(policy.exploration.share * _PARTS)
    of_it = (PURSE.c.policy == policy.name, PURSE.c.emulated == taken.emulated)
    update = sa.update(PURSE).where(*of_it, has_room).values(explored=explored)
    return connection.execute(update).rowcount == 1


def _purse(connection: sa.Connection, policy: ExpectedPolicy, emulated: bool) -> Purse:
    of_it = (PURSE.c.policy == policy.name, PURSE.c.emulated == emulated)
    found = connection.execute(sa.select(PURSE).where(*of_it)).first()
    share = policy.exploration.share
    return Purse(share) if found is None else Purse(share, dollars(found.spent), dollars(found.explored))
