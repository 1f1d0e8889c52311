"""Decisions and results as rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from inference.engines.ledger import dollars, micros
from inference.engines.ledger.tables import storable
from streams.routing.expected.deciding import Step
from streams.routing.expected.grades import Credit
from streams.routing.expected.policyfile import ExpectedPolicy
from streams.routing.expected.remembering import News, Place, Taken
from streams.routing.expected.schema import DECISIONS


def told(policy: ExpectedPolicy, news: News, credit: Credit | None, model: str) -> dict[str, object]:
    last = news.tries[-1]
    return {
        "policy": policy.name,
        "engine": storable(last.engine),
        "emulated": news.emulated[last.engine],
        "model": model,
        "bucket": news.features.bucket.key,
        "ending": last.ending,
        "passed": 0.0 if credit is None else credit.passed,
        "failed": 0.0 if credit is None else credit.failed,
        "render_id": news.render_id,
        "spent": micros(news.usd),
    }


def model_of(news: News) -> str:
    """What drew, without what the machine adds in brackets: one checkpoint on two devices is one model."""
    return storable(news.model.partition(" (")[0])


def decision_at(connection: sa.Connection, place: Place) -> Taken | None:
    of_it = (DECISIONS.c[name] == value for name, value in named(place).items())
    row = connection.execute(sa.select(DECISIONS).where(*of_it)).first()
    if row is None:
        return None
    return Taken(
        step=cast(Step, row.step),
        engine=row.engine,
        reason=row.reason,
        explored=row.explored,
        held=dollars(row.held),
        emulated=row.emulated,
        asked=row.asked,
        policy=row.policy,
        rates=row.rates,
        seen=json.loads(row.seen),
    )


def row_of(taken: Taken) -> dict[str, object]:
    return {
        "policy": taken.policy,
        "asked": taken.asked,
        "step": taken.step,
        "engine": taken.engine,
        "reason": storable(taken.reason),
        "explored": taken.explored,
        "held": micros(taken.held),
        "emulated": taken.emulated,
        "rates": taken.rates,
        "seen": json.dumps(dict(taken.seen), sort_keys=True),
    }


def named(place: Place) -> dict[str, object]:
    ref = place.ref
    return {
        "source": storable(ref.source),
        "prompt_id": storable(ref.id),
        "variant": ref.variant,
        "run": storable(ref.run),
        "ordinal": place.ordinal,
    }


def insert(connection: sa.Connection, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """Both dialects say `ON CONFLICT` alike, and SQLAlchemy has no common word for it."""
    return (postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert)(table)


def inserted(connection: sa.Connection, table: sa.Table, values: Mapping[str, object]) -> bool:
    """False where that key was there before."""
    key = list(table.primary_key)
    statement = insert(connection, table).values(**values).on_conflict_do_nothing(index_elements=key)
    return connection.execute(statement.returning(*key)).first() is not None
