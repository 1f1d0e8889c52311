"""Where the ledger lies: a SQLite file or a PostgreSQL database, and its transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from inference.engines.ledger.address import place, shown
from inference.engines.ledger.calls import LedgerError, LedgerUnavailable

# How long a transaction waits for another's before it gives up.
WAIT_S = 30
_READING = "glyphstream_reading"
_ONE_VIEW = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


class Database:
    """Connections to one ledger. Safe to share between threads; not across a fork."""

    def __init__(self, address: str) -> None:
        """Raises:
        LedgerError: an address that cannot be used. Nothing is connected yet.
        """
        url = place(address)
        self.file = Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None
        # For errors and pages.
        self.name = shown(url)
        self.engine = _sqlite(url) if self.file else _postgresql(url)
        # A transaction of SQLite's is one view by itself.
        self._reading: dict[str, Any] = {} if self.file else _ONE_VIEW

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
            yield connection.execution_options(**{_READING: True}, **self._reading)

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
                raise LedgerUnavailable(f"ledger {self.name}: {_in_words(error)}") from error
            raise


def _in_words(error: DBAPIError) -> str:
    said = str(error.orig).strip()
    # The low byte of an extended code is the kind.
    match getattr(error.orig, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return (
                f"{said}; whoever only reads writes beside it too: let this user write into that folder, or "
                "copy the file, with those beside it that end in -wal and -shm, to one where it can"
            )
    return said


def _sqlite(url: URL) -> sa.Engine:
    engine = sa.create_engine(url, connect_args={"timeout": WAIT_S}, hide_parameters=True)

    def set_up(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where SQLAlchemy says so, not by the driver
        # FULL: a commit outlives a power cut. A lost `sent` would be money spent twice.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # where an fsync stops at the drive's cache: macOS

    def begin(connection: sa.Connection) -> None:
        # A writer takes its turn at once: one that had read first would be refused, not queued.
        reads = connection.get_execution_options().get(_READING)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    sa.event.listen(engine, "connect", set_up)
    sa.event.listen(engine, "begin", begin)
    return engine


def _postgresql(url: URL) -> sa.Engine:
    # What is said here outranks a role's and a database's own defaults. A worker that is stopped inside a
    # transaction must not keep all others from spending. A commit outlives a power cut: a lost `sent` would
    # be money spent twice.
    waits = f"-c lock_timeout={WAIT_S}s -c idle_in_transaction_session_timeout={WAIT_S}s"
    return sa.create_engine(
        url,
        # Each statement sees what was committed before it: a take is looked for again after a lost race.
        isolation_level="READ COMMITTED",
        connect_args={"connect_timeout": WAIT_S, "options": f"{waits} -c synchronous_commit=on"},
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
