"""Where a ledger lies, how its schema comes about, and what is said when neither works."""

from __future__ import annotations

import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from inference.engines.ledger import (
    Answer,
    Call,
    Ledger,
    LedgerError,
    LedgerMissing,
    LedgerUnavailable,
    database,
)
from inference.engines.ledger.budgets import counters_of
from inference.engines.ledger.database import Database, prepare
from inference.engines.ledger.migrations import MIGRATIONS, migrate, version
from inference.engines.ledger.tables import metadata
from tests.inference.engines.ledger.conftest import MakeCall

SENT_BY_VERSION_1 = """
INSERT INTO calls (job, take, state, source, prompt_id, variant, run, ordinal, asked, campaign, engine, model,
    emulated, render_id, drawn_id, asset_uri, provider_id, billed, reason, held, reserved, day, worker,
    lease_ms, intended_ms, sent_ms)
VALUES (:job, 0, 'sent', 'shop', 'poster', 0, :run, 0, 'a poster', 'spring', 'gpt-image', 'gpt-image-2',
    FALSE, 'RENDER', '', '', '', 'unknown', '', '', 40000, '2026-11-23', 'w', 1, 1, 1)
""".replace("RENDER", "a" * 64)
COUNTED_BY_VERSION_1 = "INSERT INTO tallies VALUES (FALSE, :scope, :name, 40000)"
NEWER = (*MIGRATIONS, ("CREATE TABLE later (n INTEGER)",))


def row_of_version_1(call: Call) -> dict[str, str]:
    return {"job": call.job, "run": call.ref.run}


def opened(address: str) -> Database:
    made = Database(address)
    prepare(made)
    return made


def test_workers_that_start_together_make_one_schema(address: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        ledgers = list(pool.map(lambda _: Ledger.open(address), range(8)))
    with ledgers[0].database.reading() as connection:
        assert version(connection) == len(MIGRATIONS)
    for ledger in ledgers:
        ledger.close()


def test_a_step_is_taken_once_and_the_next_follows_it(address: str) -> None:
    ledger = opened(address)
    for steps, taken in ((MIGRATIONS, len(MIGRATIONS)), (MIGRATIONS, 0), (NEWER, 1), (NEWER, 0)):
        with ledger.writing() as connection:
            assert migrate(connection, steps) == taken
    ledger.close()


def test_a_newer_schema_is_refused_and_left_alone(address: str) -> None:
    ledger = opened(address)
    with ledger.writing() as connection:
        migrate(connection, NEWER)
    for create in (True, False):
        with pytest.raises(LedgerError, match=r"version 3, and this glyphstream knows 2; update"):
            Ledger.open(address, create=create)
    with ledger.reading() as connection:
        assert version(connection) == len(NEWER)
    ledger.close()


@pytest.mark.parametrize("create", [True, False], ids=["a worker", "whoever looks"])
def test_calls_of_an_older_schema_are_read_and_ended_and_their_workers_go_on(
    address: str, make_call: MakeCall, create: bool
) -> None:
    older = opened(address)
    with older.writing() as connection:
        migrate(connection, MIGRATIONS[:1])
        connection.execute(sa.text(SENT_BY_VERSION_1), row_of_version_1(make_call()))
        for counter in counters_of(make_call(), "2026-11-23"):
            tally = dict(zip(("scope", "name"), counter, strict=True))
            connection.execute(sa.text(COUNTED_BY_VERSION_1), tally)
    ledger = Ledger.open(address, create=create)
    row = ledger.last(make_call())
    assert row is not None
    assert row.call == make_call()
    assert ledger.settle(row, Answer.image("file:///a.png", 39_000)).settled == 39_000
    with older.writing() as connection:
        connection.execute(sa.text(SENT_BY_VERSION_1), row_of_version_1(make_call("later")))
    assert ledger.last(make_call("later")) is not None
    ledger.close()
    older.close()


def test_a_step_that_fails_leaves_nothing_behind(address: str) -> None:
    ledger = opened(address)
    broken = (*MIGRATIONS, ("CREATE TABLE later (n INTEGER)", "CREATE NONSENSE"))
    with pytest.raises((LedgerUnavailable, sa.exc.DBAPIError)), ledger.writing() as connection:
        migrate(connection, broken)
    with ledger.reading() as connection:
        assert (version(connection), sa.inspect(connection).get_table_names()) == (0, [])
    ledger.close()


def test_the_schema_in_the_database_is_the_one_in_the_code(address: str) -> None:
    ledger = Ledger.open(address)
    with ledger.database.reading() as connection:
        found = sa.inspect(connection)
        for table in metadata.sorted_tables:
            there = {each["name"]: each for each in found.get_columns(table.name)}
            assert set(there) == set(table.columns.keys())
            for column in table.columns:
                kind = there[column.name]["type"]
                assert isinstance(kind, type(column.type).__mro__[1] | type(column.type)), column.name
                assert there[column.name]["nullable"] == column.nullable, column.name
            key = found.get_pk_constraint(table.name)["constrained_columns"]
            assert key == [column.name for column in table.primary_key]
    ledger.close()


def test_looking_for_a_ledger_makes_none(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "ledger.db"
    with pytest.raises(LedgerMissing, match=re.escape(f"{file}: there is none yet")):
        Ledger.open(str(file), create=False)
    assert not file.parent.exists()


def test_an_empty_database_has_no_ledger(address: str) -> None:
    opened(address).close()
    with pytest.raises(LedgerMissing, match="nothing was spent"):
        Ledger.open(address, create=False)


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match=r"file/ledger\.db.*give a file that can be written"):
        Ledger.open(str(tmp_path / "file" / "ledger.db"))


def test_a_commit_in_sqlite_outlives_a_power_cut_and_readers_wait_for_nobody(
    tmp_path: Path,
) -> None:
    ledger = Ledger.open(str(tmp_path / "ledger.db"))
    with ledger.database.reading() as connection:
        assert connection.scalar(sa.text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(sa.text("PRAGMA synchronous")) == 2
    with ledger.database.writing(), ledger.database.reading() as reader:
        assert version(reader) == len(MIGRATIONS)
    ledger.close()


def test_a_ledger_that_is_locked_says_so_instead_of_letting_a_call_pass(
    tmp_path: Path, make_call: MakeCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "WAIT_S", 0.05)
    ledger = Ledger.open(str(tmp_path / "ledger.db"))
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerUnavailable, match=r"ledger\.db: database is locked"):
        ledger.begin(make_call())
    other.close()
    ledger.close()


def test_a_disk_that_cannot_be_written_is_said_with_what_to_do(tmp_path: Path) -> None:
    """Root may write wherever a file's mode forbids it: SQLite itself is told to refuse."""
    Ledger.open(str(tmp_path / "l.db")).close()
    there = Database(str(tmp_path / "l.db"))

    def refuse(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA query_only = ON")

    sa.event.listen(there.engine, "connect", refuse)
    refused = pytest.raises(LedgerUnavailable, match=r"readonly database; .* write into that folder, or copy")
    with refused, there.writing() as connection:
        connection.execute(sa.delete(metadata.tables["calls"]))
    there.close()
    (tmp_path / "folder").mkdir()
    with pytest.raises(LedgerUnavailable, match=r"unable to open database file; .* write into that folder"):
        Ledger.open(str(tmp_path / "folder"), create=False)
