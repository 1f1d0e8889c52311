"""A job that is paid for counts with its picture and its price, however late it is delivered again."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from inference.assets import AssetStore
from inference.engines.base import Transient
from inference.engines.registry import Engines, load_registry
from inference.render import RenderService
from schemas.events import Render
from schemas.topics import POLISH
from streams.runtime.errors import Retryable
from streams.stages.draw import DrawDeps, draw, draw_stage
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


async def test_giving_up_on_a_call_that_left_says_what_it_may_have_cost(tmp_path: Path) -> None:
    house = House(tmp_path / "ledger.db", Clock())
    lost = Transient("connection lost", kind="unknown", billed="unknown")
    deps = DrawDeps(house.worker(Provider(honours_key=True, answers=[lost])), StoppedClock(), lambda *_: 0.04)
    stage = draw_stage("polish", POLISH, deps)
    with pytest.raises(Retryable) as caught:
        await stage.handle(make_job())
    (emit,) = stage.give_up(make_job(), caught.value).emits
    assert isinstance(emit.event, Render)
    assert (emit.event.outcome, emit.event.usd_unknown) == ("failed", 0.05)
    for spending in house.opened:
        await spending.aclose()


async def test_an_engine_that_is_none_fails_its_job_and_is_no_fault_of_the_stage() -> None:
    def price(engine: str, _width: int, _height: int) -> float:
        raise LookupError(engine)

    service = RenderService(Engines(load_registry(), today=lambda: NOW.date()), AssetStore.open("memory://"))
    job = make_job(engine="nonesuch", budget_usd=1.0)
    (emit,) = await draw(job, DrawDeps(service, StoppedClock(), price))
    assert isinstance(emit.event, Render)
    assert emit.event.outcome == "failed"
    assert "unknown 'nonesuch'" in emit.event.reason
