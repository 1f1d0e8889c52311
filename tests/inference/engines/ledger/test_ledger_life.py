"""A call from its intent to its price, and what a redelivered job is told."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest

from inference.engines.base import Broken, EngineError, Kind, Refused, Transient, Uncertain
from inference.engines.ledger import (
    Answer,
    Begun,
    Busy,
    Call,
    Held,
    Known,
    Ledger,
    LedgerError,
    NotOpen,
    Row,
)
from inference.engines.ledger.reporting import audit, find, waiting
from schemas.events import PromptRef, RenderJob, Spec, Text
from tests.inference.engines.ledger.conftest import Clock, MakeCall, OpenLedger

PICTURE = Answer.image("file:///assets/ab.png", 39_200, provider_id="gen-1")


def begun(ledger: Ledger, call: Call) -> Row:
    beginning = ledger.begin(call)
    assert isinstance(beginning, Begun), beginning
    return beginning.row


def sent(ledger: Ledger, call: Call) -> Row:
    return ledger.sent(begun(ledger, call))


def test_a_picture_that_is_paid_for_is_known_to_every_worker(
    open_ledger: OpenLedger, make_call: MakeCall
) -> None:
    first, second = open_ledger(), open_ledger()
    row = first.settle(first.accepted(sent(first, make_call()), "gen-1"), PICTURE)
    again = second.begin(make_call())
    assert again == Known(row)
    assert (row.asset_uri, row.drawn_id, row.settled) == ("file:///assets/ab.png", "a" * 64, 39_200)
    assert audit(first.database) == ()


def test_a_job_is_the_same_whatever_engine_stands_in_by_then(ledger: Ledger, make_call: MakeCall) -> None:
    row = ledger.settle(sent(ledger, make_call()), PICTURE)
    assert ledger.begin(make_call(engine="ideogram", model="v4", render_id="b" * 64)) == Known(row)


@pytest.mark.parametrize(
    "change",
    [{"id": "other"}, {"variant": 1}, {"ordinal": 1}, {"asked": "another"}, {"emulated": True}],
    ids=["prompt", "variant", "attempt", "work", "emulated"],
)
def test_another_final_or_attempt_or_other_work_is_another_job(
    ledger: Ledger, make_call: MakeCall, change: dict[str, Any]
) -> None:
    ledger.settle(sent(ledger, make_call()), PICTURE)
    assert isinstance(ledger.begin(make_call(**change)), Begun)


def test_a_refusal_is_the_same_when_asked_again(ledger: Ledger, make_call: MakeCall) -> None:
    error = Refused("a person of note", kind="refused_output", billed="billed")
    row = ledger.settle(sent(ledger, make_call()), Answer.of(error, charged=40_000))
    assert ledger.begin(make_call()) == Known(row)
    assert (row.kind, row.billed, row.reason, row.settled) == (
        "refused_output", "billed", "a person of note", 40_000,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["auth", "quota", "rate", "transient"])
def test_a_failure_that_charged_nothing_and_decided_nothing_may_be_sent_again(
    ledger: Ledger, make_call: MakeCall, kind: Kind
) -> None:
    ledger.settle(sent(ledger, make_call()), Answer.of(Transient("later", kind=kind), charged=40_000))
    again = begun(ledger, make_call())
    assert (again.take, again.state) == (1, "intended")
    assert audit(ledger.database) == ()


@pytest.mark.parametrize(
    "error",
    [
        Transient("503, and on the bill", billed="billed"),
        Broken("no picture", kind="no_image"),
        Broken("what is this", kind="unclear"),
        EngineError("wrong field", kind="invalid"),
        EngineError("the model is no more", kind="gone"),
    ],
    ids=lambda error: error.kind,
)
def test_a_failure_that_was_billed_or_would_come_again_is_not_sent_again(
    ledger: Ledger, make_call: MakeCall, error: EngineError
) -> None:
    row = ledger.settle(sent(ledger, make_call()), Answer.of(error, charged=40_000))
    assert ledger.begin(make_call()) == Known(row)
    assert row.settled == (40_000 if error.billed == "billed" else 0)


@pytest.mark.parametrize(
    "error", [Uncertain("no answer"), EngineError("no trace", kind="unknown")], ids=["lost", "kind"]
)
def test_an_unknown_outcome_is_held_and_keeps_its_reservation(
    ledger: Ledger, make_call: MakeCall, error: EngineError
) -> None:
    row = ledger.settle(sent(ledger, make_call()), Answer.of(error, charged=40_000, provider_id="gen-1"))
    assert ledger.begin(make_call()) == Held(row)
    assert (row.state, row.billed, row.settled, row.committed) == ("unknown", "unknown", None, 40_000)
    assert waiting(ledger.database) == (row,)


def test_a_row_under_way_is_left_to_its_worker_until_its_lease_runs_out(
    open_ledger: OpenLedger, make_call: MakeCall, clock: Clock
) -> None:
    first, second = open_ledger(), open_ledger()
    row = begun(first, make_call())
    assert second.begin(make_call()) == Busy(row, row.lease_ms)
    clock.move(31)
    taken = second.begin(make_call())
    assert isinstance(taken, Begun)
    assert (taken.row.take, taken.row.worker) == (1, second.worker)
    with pytest.raises(NotOpen, match="released"):
        first.sent(row)
    second.sent(taken.row)
    assert audit(first.database) == ()


def test_what_was_sent_without_an_answer_becomes_unknown_and_is_never_sent_again(
    open_ledger: OpenLedger, make_call: MakeCall, clock: Clock
) -> None:
    first, second = open_ledger(), open_ledger()
    row = sent(first, make_call())
    clock.move(600)
    assert isinstance(second.begin(make_call()), Busy)
    clock.move(61)
    held = second.begin(make_call())
    assert isinstance(held, Held)
    assert held.row.state == "unknown"
    assert first.settle(row, PICTURE).state == "image", "a late answer is an answer"
    assert isinstance(second.begin(make_call()), Known)
    assert audit(first.database) == ()


def test_a_call_is_sent_once(ledger: Ledger, make_call: MakeCall) -> None:
    row = begun(ledger, make_call())
    ledger.sent(row)
    with pytest.raises(NotOpen, match="it is sent"):
        ledger.sent(row)


def test_nothing_is_settled_that_was_not_sent(ledger: Ledger, make_call: MakeCall) -> None:
    with pytest.raises(NotOpen, match="intended"):
        ledger.settle(begun(ledger, make_call()), PICTURE)


def test_a_call_that_did_not_leave_gives_its_money_back(ledger: Ledger, make_call: MakeCall) -> None:
    row = ledger.release(sent(ledger, make_call()), "connection refused")
    assert (row.state, row.committed, row.billed) == ("released", 0, "never")
    assert ledger.release(row, "again") == row
    assert begun(ledger, make_call()).take == 1
    assert audit(ledger.database) == ()


def test_the_same_answer_twice_is_one_and_another_is_refused(ledger: Ledger, make_call: MakeCall) -> None:
    row = sent(ledger, make_call())
    settled = ledger.settle(row, PICTURE)
    assert ledger.settle(row, PICTURE) == settled
    with pytest.raises(NotOpen, match="image"):
        ledger.settle(row, Answer.of(Refused("no"), charged=0))
    with pytest.raises(NotOpen, match="image"):
        ledger.settle(row, Answer.of(Uncertain("no answer"), charged=0))
    with pytest.raises(NotOpen, match="image"):
        ledger.release(row, "it never left")


def test_an_answer_in_hand_outranks_what_somebody_concluded(ledger: Ledger, make_call: MakeCall) -> None:
    row = ledger.settle(sent(ledger, make_call()), Answer.of(Uncertain("no answer"), charged=0))
    lost = Answer(outcome="failed", micros=0, kind="unknown", billed="never", reason="not on the bill")
    ledger.settle(row, lost)
    assert begun(ledger, make_call()).take == 1, "what left no trace may be sent again"
    late = ledger.settle(row, PICTURE)
    assert (late.state, late.settled) == ("image", 39_200)
    assert audit(ledger.database) == ()


def test_recovery_gives_up_what_silent_workers_left_and_nothing_else(
    ledger: Ledger, make_call: MakeCall, clock: Clock
) -> None:
    never, away = begun(ledger, make_call("never")), sent(ledger, make_call("away"))
    ended = ledger.settle(sent(ledger, make_call("ended")), PICTURE)
    clock.move(661)
    fresh = begun(ledger, make_call("fresh"))
    found = ledger.recover()
    assert [row.job for row in found.released] == [never.job]
    assert [row.job for row in found.unknown] == [away.job]
    assert ledger.recover() == type(found)((), ())
    assert find(ledger.database, ended.name) == ended
    assert find(ledger.database, fresh.name) == fresh
    assert audit(ledger.database) == ()


def test_words_that_no_database_takes_are_kept_as_escapes(ledger: Ledger, make_call: MakeCall) -> None:
    call = make_call(ref=PromptRef("a\0b", "\ud800"), campaign="\0", model="m\udfff")
    row = ledger.settle(sent(ledger, call), Answer.of(Refused("no\0"), charged=0))
    assert (row.call.ref.source, row.call.ref.id, row.reason) == ("a\\x00b", "\\ud800", "no\\x00")
    assert ledger.begin(call) == Known(row)
    assert isinstance(ledger.begin(dataclasses.replace(call, ref=row.call.ref)), Begun), "no confusion"
    assert audit(ledger.database) == ()


def test_a_call_is_found_by_what_its_name_begins_with(ledger: Ledger, make_call: MakeCall) -> None:
    row = begun(ledger, make_call())
    assert find(ledger.database, row.name[:6]) == find(ledger.database, row.name) == row
    for name in ("", "-0", "%", "zz", f"{row.job[:16]}-1"):
        with pytest.raises(LedgerError, match="no such call"):
            find(ledger.database, name)
    begun(ledger, make_call("b"))
    with pytest.raises(LedgerError, match="no such call"):
        find(ledger.database, "_")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"outcome": "image", "micros": 1, "billed": "billed"}, "asset_uri"),
        ({"outcome": "failed", "micros": -1, "billed": "billed"}, "micros: -1"),
        ({"outcome": "failed", "micros": 5}, "billed: 'never', and 5"),
        ({"outcome": "unknown", "micros": 0}, "unknown outcome"),
    ],
    ids=["no picture", "negative", "unbilled", "unknown"],
)
def test_an_answer_that_contradicts_itself_is_refused(fields: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Answer(**fields)  # type: ignore[arg-type] # wrong on purpose


def test_a_job_that_comes_again_makes_the_same_call_and_an_edited_one_another() -> None:
    spec = Spec(
        prompt="SALE", texts=(Text("SALE"),), negative_prompt="", width=256, height=256, sampler="euler",
        steps=None, guidance=2.5, seed=1, locale="en",
    )  # fmt: skip
    job = RenderJob(
        ref=PromptRef("shop", "poster"), spec=spec, engine="polish", purpose="polish", ordinal=1, route="r",
        reason="", policy="hybrid", campaign="spring",
    )  # fmt: skip

    def call(asked: RenderJob, engine: str) -> Call:
        return Call.of(asked, render_id="a" * 64, engine=engine, model="m", reserve=1)

    again = msgspec.json.decode(msgspec.json.encode(job), type=RenderJob)
    assert call(again, "successor").job == call(job, "gone").job
    edited = dataclasses.replace(job, spec=dataclasses.replace(spec, prompt="SOLD"))
    assert call(edited, "gone").job != call(job, "gone").job
    assert (call(job, "gone").campaign, call(job, "gone").ordinal) == ("spring", 1)
    assert (call(job, "polish").asked_as, call(job, "gone").asked_as) == ((), ("polish",))
