"""The ledger in an event loop: what is cancelled leaves nothing behind, what is unknown is asked for."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from inference.engines.base import Transient, Uncertain
from inference.engines.ledger import (
    Answer,
    AsyncLedger,
    Begun,
    Call,
    Held,
    Known,
    Ledger,
    LedgerUnavailable,
    Reconciled,
    Row,
)
from inference.engines.ledger.asynchronous import THREADS
from inference.engines.ledger.reporting import audit, report, waiting
from tests.inference.engines.ledger.conftest import Clock, MakeCall, OpenLedger

PICTURE = Answer.image("file:///a.png", 39_000)


@pytest.fixture
async def spending(ledger: Ledger) -> AsyncIterator[AsyncLedger]:
    made = AsyncLedger(ledger)
    yield made
    await made.aclose()


async def unknown(spending: AsyncLedger, call: Call, provider_id: str = "gen-1") -> Row:
    begun = await spending.begin(call)
    assert isinstance(begun, Begun)
    row = await spending.accepted(await spending.sent(begun.row), provider_id)
    return await spending.settle(row, Answer.of(Uncertain("no answer"), charged=0))


async def test_a_picture_goes_all_the_way(spending: AsyncLedger, make_call: MakeCall) -> None:
    begun = await spending.begin(make_call())
    assert isinstance(begun, Begun)
    row = await spending.settle(await spending.sent(begun.row), PICTURE)
    assert await spending.begin(make_call()) == Known(row)


@pytest.mark.parametrize("step", ["begin", "sent"])
async def test_a_cancelled_step_leaves_nothing_intended_and_nothing_sent(
    spending: AsyncLedger, make_call: MakeCall, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    row = None
    if step == "sent":
        begun = await spending.begin(make_call())
        assert isinstance(begun, Begun)
        row = begun.row
    written, go_on = Event(), Event()
    real = getattr(spending.ledger, step)

    def slow(*arguments: object, **named: object) -> object:
        answer = real(*arguments, **named)
        written.set()
        go_on.wait(10)
        return answer

    monkeypatch.setattr(spending.ledger, step, slow)
    task = asyncio.ensure_future(spending.sent(row) if row else spending.begin(make_call()))
    await asyncio.to_thread(written.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    monkeypatch.undo()
    await asyncio.gather(*spending._undoing)
    (line,) = report(spending.ledger.database, by=())
    assert (line.calls, line.released, line.reserved) == (0, 1, 0)
    assert audit(spending.ledger.database) == ()


@pytest.mark.parametrize("step", ["settle", "release", "hold", "accepted"])
async def test_a_cancelled_step_that_still_waits_for_a_thread_is_done_all_the_same(
    spending: AsyncLedger, make_call: MakeCall, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    begun = await spending.begin(make_call())
    assert isinstance(begun, Begun)
    row = await spending.sent(begun.row)
    go_on = Event()
    with monkeypatch.context() as busy:
        busy.setattr(spending.ledger, "recover", lambda: go_on.wait(10))
        others = [asyncio.ensure_future(spending.recover()) for _ in range(THREADS)]
        await asyncio.sleep(0)
        asked = {"settle": PICTURE, "accepted": "gen-1"}.get(step, "no reason")
        task = asyncio.ensure_future(getattr(spending, step)(row, asked))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        await asyncio.gather(*others)
    await asyncio.wait(spending._undoing)
    standing = await spending.last(make_call())
    assert standing is not None
    wanted = {"settle": "image", "release": "released", "hold": "unknown"}.get(step, step)
    assert standing.state == wanted
    assert audit(spending.ledger.database) == ()


async def test_a_ledger_is_closed_after_what_was_cancelled_is_done(
    ledger: Ledger, make_call: MakeCall, open_ledger: OpenLedger
) -> None:
    spending = AsyncLedger(ledger)
    begun = await spending.begin(make_call())
    assert isinstance(begun, Begun)
    row = await spending.sent(begun.row)
    task = asyncio.ensure_future(spending.settle(row, PICTURE))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await spending.aclose()
    assert open_ledger().last(make_call()) == dataclasses.replace(
        row, state="image", settled=39_000, settled_ms=row.sent_ms, answered_ms=row.sent_ms, billed="billed",
        asset_uri="file:///a.png", drawn_id=row.call.render_id,
    )  # fmt: skip
    with pytest.raises(LedgerUnavailable, match="it was closed by this process"):
        await spending.last(make_call())
    spending.release_soon(row)


async def test_the_ledgers_threads_are_its_own(spending: AsyncLedger, make_call: MakeCall) -> None:
    loop = asyncio.get_running_loop()
    go_on = Event()
    with ThreadPoolExecutor(1) as pictures:
        loop.set_default_executor(pictures)
        decoding = [asyncio.ensure_future(asyncio.to_thread(go_on.wait, 10)) for _ in range(4)]
        try:
            assert isinstance(await asyncio.wait_for(spending.begin(make_call()), 5), Begun)
        finally:
            go_on.set()
            await asyncio.gather(*decoding)


async def test_calls_that_wait_for_a_person_keep_no_others_from_being_asked_for(
    spending: AsyncLedger, make_call: MakeCall, clock: Clock
) -> None:
    for prompt in "abc":
        await spending.hold(await unknown(spending, make_call(prompt)), "nobody knows")
        clock.move(1)
    newest = await unknown(spending, make_call("d"))

    async def look_up(row: Row) -> Answer:
        assert row == newest
        return PICTURE

    done = await spending.reconcile(look_up, limit=2)
    assert (done.settled, done.held, done.left) == (1, 0, 0)
    assert len(waiting(spending.ledger.database, held=True)) == 3


async def test_an_unknown_outcome_is_asked_for_by_the_providers_id(
    spending: AsyncLedger, make_call: MakeCall
) -> None:
    await unknown(spending, make_call(), "gen-7")
    asked = []

    async def look_up(row: Row) -> Answer:
        asked.append(row.provider_id)
        return PICTURE

    known = await spending.begin(make_call(), look_up=look_up)
    assert isinstance(known, Known)
    assert (asked, known.row.asset_uri, known.row.settled) == (["gen-7"], "file:///a.png", 39_000)


async def test_a_call_that_left_no_trace_is_begun_anew(spending: AsyncLedger, make_call: MakeCall) -> None:
    await unknown(spending, make_call())

    async def look_up(_row: Row) -> Answer:
        return Answer(outcome="failed", micros=0, kind="unknown", reason="no such generation")

    begun = await spending.begin(make_call(), look_up=look_up)
    assert isinstance(begun, Begun)
    assert begun.row.take == 1


async def test_what_the_provider_does_not_say_waits_for_a_person_and_is_not_asked_again(
    spending: AsyncLedger, make_call: MakeCall
) -> None:
    await unknown(spending, make_call())
    asked = []

    async def look_up(row: Row) -> None:
        asked.append(row.name)

    for _ in range(2):
        held = await spending.begin(make_call(), look_up=look_up)
        assert isinstance(held, Held)
        assert "does not say" in held.row.held
    assert len(asked) == 1


async def test_reconciling_settles_holds_and_leaves_for_later(
    spending: AsyncLedger, make_call: MakeCall, clock: Clock
) -> None:
    for prompt in ("found", "silent", "away"):
        await unknown(spending, make_call(prompt), prompt)
        clock.move(1)

    async def look_up(row: Row) -> Answer | None:
        match row.provider_id:
            case "found":
                return PICTURE
            case "away":
                raise Transient("502")
        return None

    done = await spending.reconcile(look_up)
    assert (done.settled, done.held, done.left) == (1, 1, 1)
    (settled,) = done.rows
    assert (settled.state, settled.settled, settled.call.ref.id) == ("image", PICTURE.micros, "found")
    assert await spending.reconcile(look_up) == Reconciled(left=1)
    assert [(row.provider_id, bool(row.held)) for row in waiting(spending.ledger.database)] == [
        ("silent", True),
        ("away", False),
    ]
    assert audit(spending.ledger.database) == ()
