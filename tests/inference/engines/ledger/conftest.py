"""An empty ledger in each kind of database, and a clock that a test moves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from inference.engines.ledger import Call, Ledger
from schemas.events import PromptRef
from tests.inference.engines.ledger.ledger_postgres import LocalPostgres, NoPostgres


@dataclass
class Clock:
    now: dt.datetime = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)


class MakeCall(Protocol):
    def __call__(self, id: str = ..., **changes: Any) -> Call: ...


OpenLedger = Callable[[], Ledger]


@pytest.fixture(scope="session")
def postgres() -> Iterator[LocalPostgres]:
    try:
        server = LocalPostgres.start()
    except NoPostgres as error:
        pytest.skip(str(error))
    yield server
    server.stop()


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.xdist_group("postgresql"))],
)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty ledger may be made."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.db")
    server: LocalPostgres = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_ledger(address: str, clock: Clock) -> Iterator[OpenLedger]:
    """A further worker at the same ledger, each time it is called."""
    with ExitStack() as opened:

        def made() -> Ledger:
            ledger = Ledger.open(address, clock=clock)
            opened.callback(ledger.close)
            return ledger

        yield made


@pytest.fixture
def ledger(open_ledger: OpenLedger) -> Ledger:
    return open_ledger()


@pytest.fixture
def make_call() -> MakeCall:
    def made(id: str = "poster", **changes: Any) -> Call:
        variant = changes.pop("variant", 0)
        given: dict[str, Any] = {
            "ref": PromptRef("shop", id, variant),
            "ordinal": 0,
            "asked": "a poster",
            "render_id": "a" * 64,
            "engine": "gpt-image",
            "model": "gpt-image-2",
            "reserve": 40_000,
            "campaign": "spring",
        }
        return Call(**{**given, **changes})

    return made
