"""The ledger's schema, step by step. A step that was released is never changed; a new one follows it."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from inference.engines.ledger.calls import LedgerError

Migration = Sequence[str]

# A number of our own in PostgreSQL's space of advisory locks: "glyphs" in ASCII.
ADVISORY_LOCK = 0x676C79706873

_CALLS = """
CREATE TABLE calls (
    job TEXT NOT NULL,
    take INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN (
        'intended', 'sent', 'accepted', 'image', 'refused', 'failed', 'unknown', 'released')),
    source TEXT NOT NULL,
    prompt_id TEXT NOT NULL,
    variant INTEGER NOT NULL,
    run TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    asked TEXT NOT NULL,
    campaign TEXT NOT NULL,
    engine TEXT NOT NULL,
    model TEXT NOT NULL,
    emulated BOOLEAN NOT NULL,
    render_id TEXT NOT NULL,
    drawn_id TEXT NOT NULL,
    asset_uri TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    kind TEXT,
    billed TEXT NOT NULL,
    reason TEXT NOT NULL,
    held TEXT NOT NULL,
    reserved BIGINT NOT NULL CHECK (reserved >= 0),
    settled BIGINT CHECK (settled >= 0),
    day TEXT NOT NULL,
    worker TEXT NOT NULL,
    lease_ms BIGINT NOT NULL,
    intended_ms BIGINT NOT NULL,
    sent_ms BIGINT,
    accepted_ms BIGINT,
    answered_ms BIGINT,
    settled_ms BIGINT,
    PRIMARY KEY (job, take)
)
"""
_TALLIES = """
CREATE TABLE tallies (
    emulated BOOLEAN NOT NULL,
    scope TEXT NOT NULL CHECK (scope IN ('total', 'day', 'campaign', 'engine')),
    name TEXT NOT NULL,
    committed BIGINT NOT NULL CHECK (committed >= 0),
    PRIMARY KEY (emulated, scope, name)
)
"""

MIGRATIONS: Sequence[Migration] = (
    (
        _CALLS,
        "CREATE INDEX calls_by_state ON calls (state, lease_ms)",
        "CREATE INDEX calls_by_day ON calls (day)",
        _TALLIES,
    ),
    ("ALTER TABLE calls ADD COLUMN asked_as TEXT NOT NULL DEFAULT '[]'",),
)


def version(connection: sa.Connection) -> int:
    """The schema's number in the database; 0 where there is none."""
    if not sa.inspect(connection).has_table("ledger_schema"):
        return 0
    return int(connection.scalar(sa.text("SELECT coalesce(max(version), 0) FROM ledger_schema")) or 0)


def migrate(connection: sa.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """Brings the schema up to date inside the caller's writing transaction; how many steps it took.

    Workers that start together queue up: SQLite's writing transactions are one at a time anyway, and in
    PostgreSQL an advisory lock is held to the end of this one.

    Raises:
        LedgerError: the schema is newer than this program.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
    found = version(connection)
    refuse_newer(found, len(migrations))
    if found == 0:
        connection.execute(
            sa.text("CREATE TABLE IF NOT EXISTS ledger_schema (version INTEGER NOT NULL PRIMARY KEY)")
        )
    for number, statements in enumerate(migrations[found:], start=found + 1):
        for statement in statements:
            connection.execute(sa.text(statement))
        connection.execute(sa.text("INSERT INTO ledger_schema VALUES (:number)"), {"number": number})
    return len(migrations) - found


def refuse_newer(found: int, known: int = len(MIGRATIONS)) -> None:
    """Raises:
    LedgerError: the schema is newer than this program.
    """
    if found > known:
        raise LedgerError(
            f"ledger: its schema is version {found}, and this glyphstream knows {known}; "
            "update glyphstream, or name another ledger"
        )
