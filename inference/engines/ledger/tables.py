"""The ledger's tables as SQLAlchemy sees them. What makes them in a database is `migrations.py`."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

# One row for each take of a job. Money is in micro-dollars, times are milliseconds since 1970, UTC;
# `asked_as` is a list in JSON.
CALLS = sa.Table(
    "calls",
    metadata,
    sa.Column("job", sa.Text, primary_key=True),
    sa.Column("take", sa.Integer, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("prompt_id", sa.Text, nullable=False),
    sa.Column("variant", sa.Integer, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("ordinal", sa.Integer, nullable=False),
    sa.Column("asked", sa.Text, nullable=False),
    sa.Column("campaign", sa.Text, nullable=False),
    sa.Column("engine", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("emulated", sa.Boolean, nullable=False),
    sa.Column("render_id", sa.Text, nullable=False),
    sa.Column("drawn_id", sa.Text, nullable=False),
    sa.Column("asset_uri", sa.Text, nullable=False),
    sa.Column("provider_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text),
    sa.Column("billed", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("held", sa.Text, nullable=False),
    sa.Column("reserved", sa.BigInteger, nullable=False),
    sa.Column("settled", sa.BigInteger),
    sa.Column("day", sa.Text, nullable=False),
    sa.Column("worker", sa.Text, nullable=False),
    sa.Column("lease_ms", sa.BigInteger, nullable=False),
    sa.Column("intended_ms", sa.BigInteger, nullable=False),
    sa.Column("sent_ms", sa.BigInteger),
    sa.Column("accepted_ms", sa.BigInteger),
    sa.Column("answered_ms", sa.BigInteger),
    sa.Column("settled_ms", sa.BigInteger),
    sa.Column("asked_as", sa.Text, nullable=False),
)

# What budgets are held against: reserved and settled money together. It could be summed from `calls`; a row
# that is locked while it is raised is what keeps two workers from spending the same rest.
TALLIES = sa.Table(
    "tallies",
    metadata,
    sa.Column("emulated", sa.Boolean, primary_key=True),
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("committed", sa.BigInteger, nullable=False),
)


def storable(text: str) -> str:
    """`text` without what a database refuses: NUL and half a surrogate pair are written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")
