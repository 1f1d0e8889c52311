"""A ledger and a store that workers of one test share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.inference.paid_house import Clock, House


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    # Workers that are "stopped" here leave calls that never end.
    monkeypatch.setattr("inference.spending.LAST_S", 0.01)
    house = House(tmp_path / "ledger.db", Clock())
    yield house
    for spending in house.opened:
        await spending.aclose()
