"""Where the ledger lies: a SQLite file or a PostgreSQL database, and its transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError

from inference.engines.ledger.calls import LedgerError, LedgerUnavailable

# How long a transaction waits for another's before it gives up.
WAIT_S = 30
_READING = "glyphstream_reading"


def place(address: str) -> URL:
    """A path, `sqlite:///PATH` or `postgresql://USER@HOST/DATABASE` as a URL for SQLAlchemy.

    Raises:
        LedgerError: another database, or one in memory.
    """
    try:
        url = make_url(address if "://" in address else f"sqlite:///{address}")
    except ArgumentError as error:
        raise LedgerError(
            "ledger: the address is no URL; give a path, sqlite:///PATH or postgresql://USER@HOST/DATABASE"
        ) from error
    match url.get_backend_name():
        case "sqlite" if url.database and ":memory:" not in url.database:
            return URL.create("sqlite+pysqlite", database=url.database)
        case "sqlite":
            raise LedgerError(f"ledger: {address!r} would forget what was paid; give the path of a file")
        case "postgresql" | "postgres":
            return url.set(drivername="postgresql+psycopg")
        case other:
            raise LedgerError(f"ledger: no {other}; give a path, sqlite:///PATH or postgresql://...")


class Database:
    """Connections to one ledger. Safe to share between threads; not across a fork."""

    def __init__(self, address: str) -> None:
        """Raises:
        LedgerError: an address that cannot be used. Nothing is connected yet.
        """
        url = place(address)
        self.file = Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None
        # Without the password, for errors and pages.
        self.name = str(self.file) if self.file else url.render_as_string(hide_password=True)
        self.engine = _sqlite(url) if self.file else _postgresql(url)

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that is committed where the block ends, and undone where it raises.

        Raises:
            LedgerUnavailable: no answer, or no turn within `WAIT_S`.
        """
        with self._told(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One view of the whole, that waits for no writer.

        Raises:
            LedgerUnavailable: no answer.
        """
        with self._told(), self.engine.connect() as connection:
            yield connection.execution_options(**{_READING: True})

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.TimeoutError as error:
            raise LedgerUnavailable(f"ledger {self.name}: {error}") from error
        except DBAPIError as error:
            # The rest are faults of ours, and would come again.
            if isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated:
                raise LedgerUnavailable(f"ledger {self.name}: {str(error.orig).strip()}") from error
            raise


def _sqlite(url: URL) -> sa.Engine:
    engine = sa.create_engine(url, connect_args={"timeout": WAIT_S}, hide_parameters=True)

    def set_up(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where SQLAlchemy says so, not by the driver
        # FULL: a commit outlives a power cut. A lost `sent` would be money spent twice.
        connection.execute("PRAGMA synchronous = FULL")

    def begin(connection: sa.Connection) -> None:
        # A writer takes its turn at once: one that had read first would be refused, not queued.
        reads = connection.get_execution_options().get(_READING)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    sa.event.listen(engine, "connect", set_up)
    sa.event.listen(engine, "begin", begin)
    return engine


def _postgresql(url: URL) -> sa.Engine:
    # A worker that is stopped inside a transaction must not keep all others from spending.
    waits = f"-c lock_timeout={WAIT_S}s -c idle_in_transaction_session_timeout={WAIT_S}s"
    return sa.create_engine(
        url,
        connect_args={"connect_timeout": WAIT_S, "options": waits},
        pool_pre_ping=True,
        hide_parameters=True,
    )


def prepare(database: Database) -> None:
    """Makes the folder and turns the write-ahead log on, so that readers and a writer do not wait.

    Raises:
        LedgerError: the folder or the file cannot be written.
    """
    if database.file is None:
        return
    try:
        database.file.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(database.file, timeout=WAIT_S, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        finally:
            connection.close()
    except (OSError, sqlite3.Error) as error:
        raise LedgerError(f"ledger {database.file}: {error}; give a file that can be written") from error
