"""A job that is paid for counts with its picture and its price, however late it is delivered again."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from schemas.events import Render
from streams.stages.draw import DrawDeps, draw
from tests.inference.paid_house import Clock, House, Provider, make_job
from tests.streams.stages.test_draw import NOW, StoppedClock


async def test_a_picture_that_is_paid_for_is_delivered_after_its_deadline(tmp_path: Path) -> None:
    house, provider = House(tmp_path / "ledger.db", Clock()), Provider()

    async def drawn(deadline: dt.datetime) -> Render:
        deps = DrawDeps(house.worker(provider), StoppedClock(), lambda *_: 0.04)
        (emit,) = await draw(make_job(deadline=deadline), deps)
        assert isinstance(emit.event, Render)
        return emit.event

    first = await drawn(NOW + dt.timedelta(seconds=1))
    late = await drawn(NOW)
    assert (late.outcome, late.pictures, late.usd) == ("rendered", first.pictures, 0.04)
    assert len(provider.charged) == 1
    for spending in house.opened:
        await spending.aclose()
