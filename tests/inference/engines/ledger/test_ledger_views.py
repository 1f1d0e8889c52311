"""What a reader sees and what a commit is worth do not hang on how the database was set up."""

from __future__ import annotations

import psycopg
import sqlalchemy as sa

from inference.engines.ledger import Begun, Ledger
from inference.engines.ledger.reporting import audit
from inference.engines.ledger.tables import CALLS, TALLIES
from tests.inference.engines.ledger.conftest import MakeCall, OpenLedger
from tests.inference.engines.ledger.ledger_postgres import LocalPostgres

DEFAULTS = ("default_transaction_isolation = 'serializable'", "synchronous_commit = off")


def test_a_reader_has_one_view_whatever_is_written_meanwhile(
    open_ledger: OpenLedger, make_call: MakeCall
) -> None:
    reader, writer = open_ledger(), open_ledger()
    count = sa.select(sa.func.count()).select_from(CALLS)
    with reader.database.reading() as connection:
        before = connection.scalar(sa.select(sa.func.count()).select_from(TALLIES))
        assert isinstance(writer.begin(make_call()), Begun)
        assert (before, connection.scalar(count)) == (0, 0)
    with reader.database.reading() as connection:
        assert connection.scalar(count) == 1
    assert audit(reader.database) == ()


def test_what_is_paid_for_is_committed_as_we_say_whatever_a_databases_defaults_are(
    postgres: LocalPostgres, make_call: MakeCall
) -> None:
    address = postgres.new_database()
    with psycopg.connect(address, autocommit=True) as connection:
        for default in DEFAULTS:
            name = address.rpartition("/")[2]
            connection.execute(f"ALTER DATABASE {name} SET {default}")  # type: ignore[arg-type, unused-ignore] # no literal
    ledger = Ledger.open(address)
    with ledger.database.writing() as writing:
        assert _shown(writing) == ("read committed", "on", "off")
    with ledger.database.reading() as reading:
        assert _shown(reading) == ("repeatable read", "on", "on")
    with ledger.database.writing() as writing:
        assert _shown(writing) == ("read committed", "on", "off"), "after its connection was read from"
    assert isinstance(ledger.begin(make_call()), Begun)
    ledger.close()


def _shown(connection: sa.Connection) -> tuple[str, ...]:
    names = ("transaction_isolation", "synchronous_commit", "transaction_read_only")
    return tuple(str(connection.scalar(sa.text(f"SHOW {name}"))) for name in names)
