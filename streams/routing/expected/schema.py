"""What routing keeps in the ledger's database: tables of its own, with a version of their own."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from inference.engines.ledger import LedgerError
from inference.engines.ledger.migrations import ADVISORY_LOCK

_KEY = """
    source TEXT NOT NULL,
    prompt_id TEXT NOT NULL,
    variant INTEGER NOT NULL,
    run TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    PRIMARY KEY (source, prompt_id, variant, run, ordinal)
"""

# A step that was released is never changed; a new one follows it.
MIGRATIONS: Sequence[Sequence[str]] = (
    (
        """
        CREATE TABLE routing_rates (
            policy TEXT NOT NULL,
            engine TEXT NOT NULL,
            emulated BOOLEAN NOT NULL,
            model TEXT NOT NULL,
            results BIGINT NOT NULL,
            counts TEXT NOT NULL,
            PRIMARY KEY (policy, engine, emulated)
        )
        """,
        f"""
        CREATE TABLE routing_results (
            policy TEXT NOT NULL,
            engine TEXT NOT NULL,
            emulated BOOLEAN NOT NULL,
            model TEXT NOT NULL,
            number BIGINT,
            bucket TEXT NOT NULL,
            ending TEXT NOT NULL,
            passed DOUBLE PRECISION NOT NULL,
            failed DOUBLE PRECISION NOT NULL,
            render_id TEXT NOT NULL,
            spent BIGINT NOT NULL CHECK (spent >= 0),
            {_KEY}
        )
        """,
        "CREATE INDEX routing_results_by_render ON routing_results (render_id)",
        "CREATE UNIQUE INDEX routing_results_by_number ON routing_results (policy, engine, emulated, number)",
        f"""
        CREATE TABLE routing_decisions (
            policy TEXT NOT NULL,
            asked TEXT NOT NULL,
            step TEXT NOT NULL,
            engine TEXT NOT NULL,
            reason TEXT NOT NULL,
            explored BOOLEAN NOT NULL,
            held BIGINT NOT NULL CHECK (held >= 0),
            emulated BOOLEAN NOT NULL,
            rates TEXT NOT NULL,
            seen TEXT NOT NULL,
            {_KEY}
        )
        """,
        """
        CREATE TABLE routing_purse (
            policy TEXT NOT NULL,
            emulated BOOLEAN NOT NULL,
            spent BIGINT NOT NULL CHECK (spent >= 0),
            explored BIGINT NOT NULL CHECK (explored >= 0),
            PRIMARY KEY (policy, emulated)
        )
        """,
    ),
)

metadata = sa.MetaData()


def _key() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("prompt_id", sa.Text, primary_key=True),
        sa.Column("variant", sa.Integer, primary_key=True),
        sa.Column("run", sa.Text, primary_key=True),
        sa.Column("ordinal", sa.Integer, primary_key=True),
    )


# `counts` are those of `Table.counts` as JSON, after `results` results of `model`'s engine.
RATES = sa.Table(
    "routing_rates",
    metadata,
    sa.Column("policy", sa.Text, primary_key=True),
    sa.Column("engine", sa.Text, primary_key=True),
    sa.Column("emulated", sa.Boolean, primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("results", sa.BigInteger, nullable=False),
    sa.Column("counts", sa.Text, nullable=False),
)

# One row for each picture that was judged. `number` is its place among those that taught something of their
# engine, so the counts after any of them can be made again; `spent` is in micro-dollars.
RESULTS = sa.Table(
    "routing_results",
    metadata,
    *_key(),
    sa.Column("policy", sa.Text, nullable=False),
    sa.Column("engine", sa.Text, nullable=False),
    sa.Column("emulated", sa.Boolean, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("number", sa.BigInteger),
    sa.Column("bucket", sa.Text, nullable=False),
    sa.Column("ending", sa.Text, nullable=False),
    sa.Column("passed", sa.Double, nullable=False),
    sa.Column("failed", sa.Double, nullable=False),
    sa.Column("render_id", sa.Text, nullable=False),
    sa.Column("spent", sa.BigInteger, nullable=False),
)

# One row for each decision: `asked` digests the question, `rates` the counts it was made from, and `seen`
# says as JSON how many results of each engine those were.
DECISIONS = sa.Table(
    "routing_decisions",
    metadata,
    *_key(),
    sa.Column("policy", sa.Text, nullable=False),
    sa.Column("asked", sa.Text, nullable=False),
    sa.Column("step", sa.Text, nullable=False),
    sa.Column("engine", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("explored", sa.Boolean, nullable=False),
    sa.Column("held", sa.BigInteger, nullable=False),
    sa.Column("emulated", sa.Boolean, nullable=False),
    sa.Column("rates", sa.Text, nullable=False),
    sa.Column("seen", sa.Text, nullable=False),
)

# `spent` is what pictures came to, `explored` the prices of those that were drawn to learn: micro-dollars.
PURSE = sa.Table(
    "routing_purse",
    metadata,
    sa.Column("policy", sa.Text, primary_key=True),
    sa.Column("emulated", sa.Boolean, primary_key=True),
    sa.Column("spent", sa.BigInteger, nullable=False),
    sa.Column("explored", sa.BigInteger, nullable=False),
)


def version(connection: sa.Connection) -> int:
    """The tables' number in the database; 0 where there are none.

    Raises:
        LedgerError: they are newer than this program.
    """
    if not sa.inspect(connection).has_table("routing_schema"):
        return 0
    found = int(connection.scalar(sa.text("SELECT coalesce(max(version), 0) FROM routing_schema")) or 0)
    if found > len(MIGRATIONS):
        raise LedgerError(
            f"ledger: its routing tables are version {found}, and this glyphstream knows {len(MIGRATIONS)}; "
            "update glyphstream, or name another ledger"
        )
    return found


def migrate(connection: sa.Connection) -> None:
    """Brings the tables up to date inside the caller's writing transaction; workers that start together wait.

    Raises:
        LedgerError: they are newer than this program.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
    found = version(connection)
    if found == 0:
        connection.execute(
            sa.text("CREATE TABLE IF NOT EXISTS routing_schema (version INTEGER NOT NULL PRIMARY KEY)")
        )
    for number, statements in enumerate(MIGRATIONS[found:], start=found + 1):
        for statement in statements:
            connection.execute(sa.text(statement))
        connection.execute(sa.text("INSERT INTO routing_schema VALUES (:number)"), {"number": number})
