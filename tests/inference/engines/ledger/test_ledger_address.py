"""Where a ledger lies, as people write it: what cannot be used is said, and no password is ever shown."""

from __future__ import annotations

import re

import pytest

from inference.engines.ledger import Ledger, LedgerError, LedgerUnavailable, holds_password
from inference.engines.ledger.address import place
from inference.engines.ledger.database import Database

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("mysql://h/x", "no mysql; give a path"),
        ("sqlite://", "would forget"),
        ("sqlite:///:memory:", "would forget"),
        ("nonsense://[", "ledger: "),
        ("", "would forget"),
    ],
    ids=["mysql", "memory", "named memory", "no URL", "nothing"],
)
def test_an_address_that_cannot_be_used_says_what_can(address: str, told: str) -> None:
    with pytest.raises(LedgerError, match=re.escape(told)):
        place(address)


def test_a_password_is_never_shown() -> None:
    with pytest.raises(LedgerUnavailable) as failed:
        Ledger.open(f"postgresql://me:{SECRET}@127.0.0.1:1/money")
    told: list[BaseException | None] = [failed.value]
    while told[-1] is not None:
        told.append(told[-1].__cause__ or told[-1].__context__)
    shown = [str(error) for error in told] + [
        repr(vars(Database(f"postgresql://me:{SECRET}@127.0.0.1:1/money")))
    ]
    assert SECRET not in "".join(shown)
    assert str(failed.value).startswith("ledger 127.0.0.1:1/money: ")


@pytest.mark.parametrize(
    ("address", "told"),
    [
        (f"postgresql://u@h/db?password={SECRET}", "set PGPASSWORD"),
        (f"postgresql://u@h/db?p%61ssword={SECRET}", "set PGPASSWORD"),
        (f"postgresql://u@h/db?sslpassword={SECRET}", "set PGPASSWORD"),
        (f"postgresql://u@h/db?options=-c%20x={SECRET}", "parameters that are not taken (1); known: "),
        (f"postgresql://u@h/db?{SECRET}", "parameters that are not taken (1); known: "),
        (f"postgresql://u:SE@{SECRET}/x@h", "more than one @; write one in a name or a password as %40"),
        (f"postgresql://u:SE@h:{SECRET}/x", "its port no number"),
        (f"postgresql://u/x:{SECRET}@h/db", "no user before it; write a / in a name as %2F"),
        (f"postgresql://h/u:{SECRET}", "the database in its address has a : or a /"),
        (f"postgresql://u:{SECRET}@h:99999/db", "the port in its address is 99999"),
        (f"postgresql//u:{SECRET}@h", "looks like a URL and has no ://"),
        (f"postgresql:/u:{SECRET}@h/db", "looks like a URL and has no ://"),
        (f"u:{SECRET}@h/db", "looks like a URL and has no ://"),
        (f"host=h dbname=db password={SECRET}", "looks like a URL and has no ://"),
        (f"mysql://u:{SECRET}@h/db", "no mysql"),
        (f"sqlite://u:{SECRET}@h/db", "sqlite has no user"),
    ],
)
def test_what_is_wrong_with_an_address_is_told_without_showing_it(address: str, told: str) -> None:
    with pytest.raises(LedgerError) as failed:
        Database(address)
    assert told in str(failed.value)
    error: BaseException | None = failed.value
    while error is not None:
        assert SECRET not in str(error)
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (f"postgresql://me:{SECRET}@db.example:5432/money?sslmode=require", "db.example:5432/money"),
        (f"postgres://me:{SECRET}%40%2F@[::1]/money", "[::1]/money"),
        ("postgresql:///money?host=/run/postgresql", "local/money"),
        ("sqlite:////var/lib/ledger.db", "/var/lib/ledger.db"),
        ("out/a@b.db", "out/a@b.db"),
        ("postgresql/ledger.db", "postgresql/ledger.db"),
    ],
)
def test_a_ledger_is_named_by_its_file_or_by_host_and_database_alone(address: str, name: str) -> None:
    database = Database(address)
    assert database.name == name
    database.close()


@pytest.mark.parametrize(
    ("address", "holds"),
    [
        (f"postgresql://u:{SECRET}@h/db", True),
        (f"postgresql://u:SE/{SECRET}@h/db", True),
        (f"postgresql://u@h/db?password={SECRET}", True),
        (f"postgresql://u@h/db?p%61ssword={SECRET}", True),
        (f"postgresql//u:{SECRET}@h", True),
        (f"host=h password={SECRET}", True),
        ("postgresql://u@h:5432/db?passfile=/run/pgpass", False),
        ("postgresql://h/db", False),
        ("sqlite:////var/lib/ledger.db", False),
        ("out/ledger.db", False),
    ],
)
def test_an_address_that_may_hold_a_password_is_known_by_sight(address: str, holds: bool) -> None:
    assert holds_password(address) is holds
