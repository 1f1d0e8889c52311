"""Renders that somebody is paid for: asked once for each job, whatever is redelivered, lost or stopped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from inference.assets import AssetStore
from inference.engines.base import Broken, EngineError, Refused, Transient
from inference.engines.ledger import Budget
from inference.engines.registry import EngineUnavailable
from inference.render import RenderService
from schemas.events import PromptRef
from tests.inference.paid_house import House, Pool, Provider, Unsent, make_job, png


async def test_a_picture_is_settled_at_its_price(house: House) -> None:
    provider = Provider()
    render = await house.worker(provider).render(make_job())
    assert (render.outcome, render.usd) == ("rendered", 0.04)
    line = house.line()
    assert (line.images, line.settled, line.reserved) == (1, 40_000, 0)
    assert house.faults() == ()


@pytest.mark.parametrize("no_cache", [False, True])
async def test_a_redelivered_job_is_answered_with_its_price_and_not_paid_again(
    house: House, no_cache: bool
) -> None:
    provider = Provider()
    first = await house.worker(provider).render(make_job())
    again = await house.worker(provider, no_cache=no_cache).render(make_job())
    assert len(provider.charged) == 1
    assert (again.outcome, again.pictures, again.usd) == ("rendered", first.pictures, 0.04)
    assert "paid for before" in again.reason


async def test_what_is_known_of_a_job_is_told_without_drawing(house: House) -> None:
    provider = Provider()
    service = house.worker(provider)
    assert await service.known(make_job()) is None
    first = await service.render(make_job())
    known = await house.worker(provider).known(make_job())
    assert known is not None
    assert (known.pictures, known.usd, len(provider.charged)) == (first.pictures, 0.04, 1)


async def test_another_job_of_the_same_work_is_found_at_no_cost(house: House) -> None:
    provider = Provider()
    await house.worker(provider).render(make_job())
    other = await house.worker(provider).render(make_job(ref=PromptRef("s", "2")))
    assert (other.outcome, other.cached, other.usd, len(provider.charged)) == ("rendered", True, 0.0, 1)
    assert house.line().calls == 1


@pytest.mark.parametrize(
    ("error", "outcome", "settled", "usd"),
    [
        (Refused("no"), "refused", 0, 0.0),
        (Refused("withheld", kind="refused_output", billed="billed", usd=0.03), "refused", 30_000, 0.03),
        (Refused("withheld", kind="refused_output", billed="billed"), "refused", 50_000, 0.05),
        (Broken("a page of HTML", billed="billed", usd=0.04), "failed", 40_000, 0.04),
    ],
    ids=["free", "billed", "billed-at-most", "broken"],
)
async def test_what_came_without_a_picture_is_not_asked_again_and_costs_what_it_did(
    house: House, error: EngineError, outcome: str, settled: int, usd: float
) -> None:
    provider = Provider(answers=[error])
    for _ in range(2):
        render = await house.worker(provider).render(make_job())
        assert (render.outcome, render.usd) == (outcome, usd)
        assert str(error) in render.reason
    assert (provider.answers, house.line().settled) == ([], settled)


async def test_what_never_left_is_released(house: House) -> None:
    provider = Provider(answers=[Unsent(Transient("breaker open", after_s=5))])
    service = house.worker(provider)
    with pytest.raises(Transient, match="breaker open"):
        await service.render(make_job())
    assert (house.line().released, house.line().reserved) == (1, 0)
    assert (await service.render(make_job())).outcome == "rendered"


async def test_a_provider_that_was_too_busy_is_asked_again(house: House) -> None:
    provider = Provider(answers=[Transient("429", kind="rate", after_s=1)])
    service = house.worker(provider)
    with pytest.raises(Transient, match="429") as caught:
        await service.render(make_job())
    assert caught.value.after_s == 1
    assert (await service.render(make_job())).outcome == "rendered"
    assert house.line().calls == 2


async def test_what_was_paid_for_is_told_when_its_engine_can_be_called_no_more(house: House) -> None:
    provider = Provider()
    first = await house.worker(provider).render(make_job())
    gone = house.worker(provider, missing=EngineUnavailable("pen: no key is set"))
    again = await gone.render(make_job())
    assert (again.outcome, again.pictures, again.usd) == ("rendered", first.pictures, 0.04)
    never = await gone.render(make_job(ref=PromptRef("s", "2")))
    assert (never.outcome, never.reason) == ("failed", "pen: no key is set")


async def test_a_job_that_was_refused_stays_refused_though_another_drew_the_same(house: House) -> None:
    provider = Provider(answers=[Refused("withheld", kind="refused_output", billed="billed", usd=0.03)])
    service = house.worker(provider)
    assert (await service.render(make_job())).outcome == "refused"
    assert (await service.render(make_job(ref=PromptRef("s", "2")))).outcome == "rendered"
    again = await service.render(make_job())
    assert (again.outcome, again.usd) == ("refused", 0.03)


async def test_a_budget_that_is_spent_sends_nothing(house: House) -> None:
    provider = Provider()
    service = house.worker(provider, Budget("day", 60_000))
    await service.render(make_job())
    over = await service.render(make_job(ref=PromptRef("s", "2"), ordinal=1))
    assert over.outcome == "failed"
    assert "would pass the $0.06 of day 2026-11-24" in over.reason
    assert len(provider.charged) == 1


async def test_bytes_that_are_no_picture_are_paid_for_and_kept(house: House) -> None:
    provider = Provider()
    provider.picture = replace(provider.picture, data=png()[:60])
    render = await house.worker(provider).render(make_job())
    assert (render.outcome, render.usd) == ("failed", 0.04)
    assert "kept as" in render.reason
    assert (house.line().failed, house.line().settled) == (1, 40_000)


async def test_a_paid_picture_that_is_gone_from_the_store_is_not_paid_for_again(house: House) -> None:
    provider = Provider()
    await house.worker(provider).render(make_job())
    house.store = AssetStore.open("memory://")
    render = await house.worker(provider).render(make_job())
    assert (render.outcome, render.usd, len(provider.charged)) == ("failed", 0.04, 1)
    assert "gone from the store" in render.reason


async def test_without_a_ledger_nobody_is_paid(house: House) -> None:
    provider = Provider()
    render = await RenderService(Pool(provider), house.store).render(make_job())
    assert (render.outcome, provider.charged) == ("failed", [])
    assert "no ledger is open" in render.reason


async def test_a_ledger_that_does_not_answer_sends_nothing(house: House) -> None:
    provider = Provider()
    service = house.worker(provider)
    house.path.unlink()
    house.path.mkdir()
    house.opened[0]._ledger.ledger.close()
    with pytest.raises(Transient, match="ledger"):
        await service.render(make_job())
    assert provider.charged == []


async def test_emulated_money_is_counted_apart(house: House) -> None:
    provider = Provider()
    await house.worker(provider, emulated=True).render(make_job())
    assert (house.line().emulated, house.line().settled) == (True, 40_000)
