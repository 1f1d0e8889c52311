from __future__ import annotations

import re
import traceback
from typing import get_args

import pytest

from inference.engines import base
from inference.engines.adapters import ADAPTERS
from inference.engines.base import Billed, EngineError, Kind, Transient
from inference.engines.contract import NOT_JSON, Contract, Found, Told
from inference.engines.outcomes import BY_PROVIDER, BY_STATUS, Rule, billed_by, kind_of
from inference.engines.terms import Billing
from inference.engines.transport import Answer
from tests.inference.engines.playback import FAILURES, KEY, Case, checked_in, engine_at, playing


async def failure(case: Case) -> EngineError:
    async with playing({}) as player:
        player.answers["/"] = case.bytes_at(player.url)
        engine = engine_at(player.url, case.engine)
        with pytest.raises(EngineError) as caught:
            await engine.render(case.spec)
        await engine.aclose()
        assert len(player.heard) == 1, "a request was repeated"
    return caught.value


def contract_of(case: Case) -> Contract:
    entry = checked_in().get(case.engine)
    return ADAPTERS[entry.adapter](entry)


def told_by(case: Case) -> Told:
    raw = case.bytes_at("http://127.0.0.1:1")
    head, _, body = raw.partition(b"\r\n\r\n")
    pairs = (line.partition(": ") for line in head.decode().split("\r\n")[1:])
    headers = {name.lower(): value for name, _, value in pairs}
    told = contract_of(case).read(Answer(status=case.answer["status"], headers=headers, body=body))
    assert isinstance(told, Told), told
    return told


@pytest.mark.parametrize("case", FAILURES, ids=lambda case: case.name)
async def test_every_recorded_failure_is_what_the_research_says_it_is(case: Case) -> None:
    error = await failure(case)
    expect = case.expect
    assert isinstance(error, getattr(base, expect["error"])), repr(error)
    assert (error.kind, error.billed) == (expect["kind"], expect["billed"])
    if isinstance(error, Transient):
        assert error.after_s == expect.get("after_s")
    assert expect.get("says", "") in str(error)
    assert error.usd == expect.get("usd")
    assert error.request_id == expect.get("request_id", "")


@pytest.mark.parametrize("case", FAILURES, ids=lambda case: case.name)
async def test_no_error_shows_the_key_or_more_than_it_may_quote(case: Case) -> None:
    error = await failure(case)
    shown = "".join([*traceback.format_exception(error), repr(error), repr(vars(error))])
    for secret in (KEY, *case.expect.get("hides", ())):
        assert secret not in shown
    assert str(error).startswith(f"{case.engine}: HTTP {case.answer['status']}, {error.kind}")
    assert len(str(error)) <= 300 + 160
    assert str(error).isprintable()


def test_every_kind_has_a_recording() -> None:
    assert {case.expect["kind"] for case in FAILURES} == set(get_args(Kind))


def test_every_rule_of_the_table_decides_a_recording() -> None:
    decided: set[Rule | None] = set()
    for case in FAILURES:
        told = told_by(case)
        rules = (*BY_PROVIDER[contract_of(case).provider], *BY_STATUS)
        decided.add(next((rule for rule in rules if rule.fits(told)), None))
    unused = [rule for rules in (*BY_PROVIDER.values(), BY_STATUS) for rule in rules if rule not in decided]
    assert unused == [], "nobody has seen these"


@pytest.mark.parametrize("name", [entry.name for entry in checked_in() if entry.adapter in ADAPTERS])
def test_a_contract_reads_any_bytes_without_raising(name: str) -> None:
    entry = checked_in().get(name)
    contract = ADAPTERS[entry.adapter](entry)
    bodies = [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"data":[null]}',
        b'{"error":7}',
    ]
    bodies += [b'{"candidates":[{}]}', b'{"predictions":[{"bytesBase64Encoded":"*"}]}', b'{"image":1}']
    bodies += [b'{"error":{"details":[1,{"violations":{}}],"code":{}}}', b'{"errors":"x","name":[]}']
    for status in (200, 201, 202, 302, 400, 429, 500):
        for body in bodies:
            read = contract.read(Answer(status=status, headers={}, body=body))
            assert isinstance(read, Told), (status, body)
            kind_of(contract.provider, read, entry.billing)
            assert not isinstance(read, Found)


def test_the_kinds_by_status_are_those_of_the_taxonomy() -> None:
    for status, kind in {401: "auth", 402: "quota", 404: "gone", 410: "gone", 413: "invalid", 429: "rate",
                         408: "transient", 500: "transient", 503: "transient", 303: "unclear",
                         418: "unclear"}.items():  # fmt: skip
        assert kind_of("stability", Told(status=status, words=("x",)), Billing(server_error="never")) == kind


@pytest.mark.parametrize("status", [500, 501, 502, 503, 504, 507, 520, 522, 524, 529, 530, 599])
@pytest.mark.parametrize("own", [True, False], ids=["in its own words", "a page"])
def test_a_server_error_is_sent_again_only_where_it_is_published_that_nobody_pays_for_it(
    status: int, own: bool
) -> None:
    told = Told(status=status, words=("internal",) if own else (NOT_JSON,))
    kinds = {said: kind_of("openai", told, Billing(server_error=said)) for said in get_args(Billed)}
    gateway = status in (502, 504) or 520 <= status < 530
    if own and status == 503:
        assert set(kinds.values()) == {"transient"}
    else:
        assert kinds["unknown"] == kinds["billed"] == "unknown"
        assert kinds["never"] == ("transient" if own and not gateway else "unknown")
    for said, kind in kinds.items():
        billed = billed_by(kind, told, Billing(server_error=said))
        assert billed == ("never" if kind == "transient" else "unknown" if gateway or not own else said)


def test_nobody_pays_for_the_server_errors_of_those_who_publish_it() -> None:
    said = {entry.adapter: entry.billing.server_error for entry in checked_in() if entry.adapter in ADAPTERS}
    assert said == {**dict.fromkeys(ADAPTERS, "never"), "openai_images": "unknown"}


def test_a_recording_names_its_source() -> None:
    for case in FAILURES:
        assert re.search(r"research page|taxonomy|issue 7", case.source), case.name
