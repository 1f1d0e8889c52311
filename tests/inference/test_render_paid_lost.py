"""What is paid for when workers die, answers are lost, and the store or the ledger is away."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from inference.assets import AssetStore, StoreFailed
from inference.engines.base import Refused, Transient, Uncertain
from inference.engines.ledger import Answer, Call, LedgerUnavailable, Row
from inference.engines.ledger.reporting import waiting
from schemas.events import PromptRef
from tests.inference.paid_house import House, Provider, make_job, stopped


async def full(*_: object) -> None:
    raise StoreFailed("the disk is full")


async def silent(_row: Row, _answer: Answer) -> Row:
    raise LedgerUnavailable("no answer")


async def left_unsettled(house: House, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is killed between storing a picture and saying so."""
    service = house.worker(provider)

    async def killed(*_: object, **__: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(house.opened[-1], "picture_kept", killed)
    with pytest.raises(asyncio.CancelledError):
        await service.render(make_job())


async def test_what_a_stopped_worker_may_have_paid_for_is_not_sent_again(house: House) -> None:
    provider = Provider()
    await stopped(house.worker(provider), provider, make_job())
    second = house.worker(provider)
    with pytest.raises(Transient, match="has it under way"):
        await second.render(make_job())
    house.clock.move(91)
    render = await second.render(make_job())
    assert (render.outcome, len(provider.charged)) == ("failed", 1)
    assert "nobody knows its outcome; it may have cost up to $0.05" in render.reason
    assert house.line().unknown == 1


async def test_a_server_that_draws_once_for_a_name_is_asked_again(house: House) -> None:
    provider = Provider(honours_key=True)
    await stopped(house.worker(provider), provider, make_job())
    render = await house.worker(provider).render(make_job())
    assert (render.outcome, len(provider.charged)) == ("rendered", 1)
    assert (house.line().calls, house.line().settled) == (1, 40_000)


async def test_a_lost_answer_is_asked_for_again_by_its_name(house: House) -> None:
    lost = Transient("connection lost", kind="unknown", billed="unknown")
    provider = Provider(honours_key=True, answers=[lost])
    service = house.worker(provider)
    with pytest.raises(Transient, match="connection lost"):
        await service.render(make_job())
    assert (await service.render(make_job())).outcome == "rendered"
    assert (len(provider.charged), house.line().settled) == (1, 40_000)


async def test_a_picture_whose_worker_left_before_saying_so_is_settled_by_its_receipt(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = Provider()
    await left_unsettled(house, provider, monkeypatch)
    assert (house.line().under_way, house.line().settled) == (1, 0)
    again = await house.worker(provider).render(make_job())
    assert (again.outcome, again.usd, len(provider.charged)) == ("rendered", 0.04, 1)
    assert house.line().settled == 40_000


async def test_tending_settles_by_receipt_and_holds_the_rest(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = Provider()
    first = house.worker(provider)
    with monkeypatch.context() as patched:

        async def killed(*_: object, **__: object) -> None:
            raise asyncio.CancelledError

        patched.setattr(house.opened[-1], "picture_kept", killed)
        with pytest.raises(asyncio.CancelledError):
            await first.render(make_job())
    await stopped(first, provider, make_job(ref=PromptRef("s", "2"), ordinal=1))
    spending = house.spending()
    await spending.tend(house.store)
    assert house.line().under_way == 2
    house.clock.move(91)
    await spending.tend(house.store)
    line = house.line()
    assert (line.images, line.settled, line.unknown) == (1, 40_000, 1)
    assert [row.held for row in waiting(spending._ledger.ledger.database)] == [
        "the provider does not say what became of it"
    ]


async def test_an_answer_that_was_lost_fails_the_job_and_waits_for_a_person(house: House) -> None:
    provider = Provider(answers=[Uncertain("no whole answer", billed="unknown")])
    service = house.worker(provider)
    assert (await service.render(make_job())).outcome == "failed"
    assert (await service.render(make_job())).outcome == "failed"
    assert (len(provider.charged), house.line().doubtful) == (1, 50_000)


async def test_an_answer_that_comes_when_nobody_waits_any_more_is_kept_and_settled(house: House) -> None:
    gate, left = asyncio.Event(), asyncio.Event()
    provider = Provider(gate=gate, left=left)
    service = house.worker(provider)
    task = asyncio.create_task(service.render(make_job()))
    await left.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    gate.set()
    await asyncio.gather(*house.opened[0]._under_way)
    assert house.line().settled == 40_000
    again = await house.worker(provider).render(make_job())
    assert (again.outcome, again.usd, len(provider.charged)) == ("rendered", 0.04, 1)


async def test_a_job_that_waits_long_for_its_place_is_begun_anew(house: House) -> None:
    """Another worker gives the row up meanwhile, as it must of one whose worker died."""
    provider = Provider()
    other = house.spending()

    async def wait_long() -> None:
        house.clock.move(31)
        await other.tend(house.store)

    provider.place = wait_long
    render = await house.worker(provider).render(make_job())
    assert (render.outcome, len(provider.charged)) == ("rendered", 1)
    line = house.line()
    assert (line.calls, line.released, line.settled, line.reserved) == (1, 1, 40_000, 0)


async def test_what_could_not_be_settled_is_settled_as_soon_as_the_ledger_is_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = Provider(answers=[Refused("withheld", kind="refused_output", billed="billed", usd=0.03)])
    service = house.worker(provider)
    spending = house.opened[0]

    with monkeypatch.context() as patched:
        patched.setattr(spending._ledger, "settle", silent)
        assert (await service.render(make_job())).outcome == "refused"
    assert house.line().under_way == 1
    await spending.tend(house.store)
    assert (house.line().refused, house.line().settled) == (1, 30_000)


async def test_one_row_that_cannot_be_tended_does_not_end_the_tending(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spending, tended = house.spending(), asyncio.Event()
    faults = [ValueError("a price below nothing")]

    async def tend(_store: AssetStore) -> None:
        if faults:
            raise faults.pop()
        tended.set()

    monkeypatch.setattr(spending, "tend", tend)
    task = asyncio.create_task(spending.keep_tending(house.store, every_s=0.001))
    await asyncio.wait_for(tended.wait(), 10)
    task.cancel()
    assert "a price below nothing" in caplog.text


async def test_a_stored_picture_counts_though_the_ledger_is_away_as_it_is_found(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = Provider()
    await left_unsettled(house, provider, monkeypatch)
    second = house.worker(provider, no_cache=True)

    monkeypatch.setattr(house.opened[-1]._ledger, "settle", silent)
    for render in (await second.render(make_job()), await second.known(make_job())):
        assert render is not None
        assert (render.outcome, render.usd) == ("rendered", 0.04)
    assert len(provider.charged) == 1


async def test_a_stand_in_does_not_draw_what_its_provider_was_asked_for(house: House) -> None:
    provider, stand_in = Provider(), Provider()
    await house.worker(provider).render(make_job())
    paid = await house.worker(stand_in, emulated=True).render(make_job())
    assert (paid.outcome, paid.usd, paid.emulated) == ("rendered", 0.04, False)
    await stopped(house.worker(provider), provider, make_job(ref=PromptRef("s", "2"), ordinal=1))
    lost = await house.worker(stand_in, emulated=True).render(make_job(ref=PromptRef("s", "2"), ordinal=1))
    assert (lost.outcome, lost.usd_unknown, stand_in.charged) == ("failed", 0.05, [])


async def test_a_call_nobody_knows_the_outcome_of_is_told_as_money_that_may_be_gone(house: House) -> None:
    provider = Provider()
    await stopped(house.worker(provider), provider, make_job())
    second = house.worker(provider)
    with pytest.raises(Transient) as busy:
        await second.render(make_job())
    assert busy.value.usd_unknown == 0.05
    late = await second.known(make_job())
    assert late is not None
    assert (late.outcome, late.usd, late.usd_unknown) == ("failed", 0.0, 0.05)
    other = await second.render(make_job(ref=PromptRef("s", "2")))
    assert other.outcome == "rendered"
    found = await second.render(make_job())
    assert (found.outcome, found.cached, found.usd, found.usd_unknown) == ("rendered", True, 0.0, 0.05)


async def test_another_job_of_the_same_work_waits_for_the_picture_that_outlives_its_caller(
    house: House,
) -> None:
    gate, left = asyncio.Event(), asyncio.Event()
    provider = Provider(gate=gate, left=left)
    service = house.worker(provider)
    task = asyncio.create_task(service.render(make_job()))
    await left.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    other = asyncio.create_task(service.render(make_job(ref=PromptRef("s", "2"))))
    gate.set()
    assert ((await other).cached, len(provider.charged)) == (True, 1)


async def test_a_picture_whose_job_never_comes_back_is_stored_when_the_store_is_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = Provider()
    service = house.worker(provider)

    with monkeypatch.context() as patched:
        patched.setattr(AssetStore, "put_manifest", full)
        with pytest.raises(Transient, match="disk is full") as failed:
            await service.render(make_job())
    assert failed.value.usd_unknown == 0.04
    await house.opened[0].tend(house.store)
    assert (house.line().images, house.line().settled) == (1, 40_000)


async def test_a_paid_picture_that_cannot_be_stored_to_the_end_is_named(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service = house.worker(Provider())

    monkeypatch.setattr(AssetStore, "put_manifest", full)
    with pytest.raises(Transient):
        await service.render(make_job())
    await house.opened.pop().aclose()
    assert "its picture is paid for and could not be stored: it is lost" in caplog.text


async def test_closing_waits_for_a_call_that_is_paid_for(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.spending.LAST_S", 10)
    gate, left = asyncio.Event(), asyncio.Event()
    service = house.worker(Provider(gate=gate, left=left))
    task = asyncio.create_task(service.render(make_job()))
    await left.wait()
    closing = asyncio.create_task(house.opened.pop().aclose())
    gate.set()
    await closing
    assert (await task).outcome == "rendered"
    house.spending()
    assert house.line().settled == 40_000


async def test_a_picture_waits_for_a_store_that_is_away(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = Provider()
    service = house.worker(provider)
    real, away = AssetStore.put_manifest, [True]

    async def put(store: AssetStore, render_id: str, data: bytes) -> None:
        if away:
            away.pop()
            raise StoreFailed("the disk is full")
        await real(store, render_id, data)

    monkeypatch.setattr(AssetStore, "put_manifest", put)
    with pytest.raises(Transient, match="disk is full"):
        await service.render(make_job())
    render = await service.render(make_job())
    assert (render.outcome, render.usd, len(provider.charged)) == ("rendered", 0.04, 1)
    assert house.line().settled == 40_000


async def test_a_picture_that_another_worker_draws_meanwhile_is_told_with_its_price(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = Provider()
    other, service = house.worker(provider), house.worker(provider)
    spending, looked = house.opened[-1], []
    real = spending.last

    async def last(call: Call) -> Row | None:
        row = await real(call)
        if not looked:
            looked.append(row)
            await other.render(make_job())
        return row

    monkeypatch.setattr(spending, "last", last)
    render = await service.render(make_job())
    assert (looked, render.outcome, render.usd, len(provider.charged)) == ([None], "rendered", 0.04, 1)


@pytest.mark.parametrize("written", [0, 1, 2])
async def test_a_worker_killed_between_any_two_writes_leaves_no_picture_without_its_price(
    house: House, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    provider = Provider()
    # What was drawn has another id than what was asked, so there are a receipt, a pointer and a manifest.
    provider.picture = replace(provider.picture, used={"seed": 7})
    first, real, left = house.worker(provider), AssetStore.put_manifest, [written]

    async def killed(store: AssetStore, render_id: str, data: bytes) -> None:
        if not left[0]:
            raise asyncio.CancelledError
        left[0] -= 1
        await real(store, render_id, data)

    with monkeypatch.context() as patched:
        patched.setattr(AssetStore, "put_manifest", killed)
        with pytest.raises(asyncio.CancelledError):
            await first.render(make_job())
    house.clock.move(91)
    render = await house.worker(provider).render(make_job())
    assert (render.outcome, render.usd_unknown, len(provider.charged)) == ("failed", 0.05, 1)
