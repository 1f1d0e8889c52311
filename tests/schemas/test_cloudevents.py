"""CloudEvents 1.0 over Kafka: both modes in, binary mode out, older versions lifted."""

from __future__ import annotations

import base64
import datetime as dt
import json
from dataclasses import replace
from typing import Any

import pytest

from schemas.events import Event, PromptEvent, PromptRef, Render, Result
from schemas.examples import AT, EXAMPLES, JOB, PROMPT, RENDER, RESULT
from schemas.faults import BadEvent
from schemas.wire import CE_TYPES, UPCASTERS, decode, encode, headers_for, key_for

STRUCTURED = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
BODY = json.loads(encode(PROMPT))


def envelope(**changes: object) -> bytes:
    whole = {
        "specversion": "1.0",
        "type": "glyphstream.prompt.v1",
        "source": PROMPT.source,
        "id": PROMPT.id,
        "time": "2026-05-01T09:30:00Z",
        "datacontenttype": "application/json",
        "data": BODY,
    }
    return json.dumps({k: v for k, v in (whole | changes).items() if v is not ...}).encode()


def refusal(value: bytes, headers: list[tuple[str, bytes]]) -> BadEvent:
    with pytest.raises(BadEvent) as caught:
        decode(PromptEvent, value, headers)
    return caught.value


@pytest.mark.parametrize("cls", CE_TYPES)
def test_binary_mode_reads_what_it_writes(cls: type[Event]) -> None:
    event = EXAMPLES[cls]
    assert decode(cls, encode(event), headers_for(event, producer="score", time=AT)) == event


@pytest.mark.parametrize(
    "content_type",
    [
        b"application/json",
        b"application/json; charset=utf-8",
        b"Application/JSON",
        b"application/poster+json",
    ],
)
def test_json_is_read_under_each_of_its_names(content_type: bytes) -> None:
    assert decode(PromptEvent, encode(PROMPT), [("content-type", content_type)]) == PROMPT


def test_headers_of_others_and_null_headers_are_passed_over() -> None:
    headers: list[Any] = [("x-trace", b"\xff"), ("ce_type", None), ("ce_id", None), ("content-type", None)]
    assert decode(PromptEvent, encode(PROMPT), headers) == PROMPT


def test_structured_mode_is_read() -> None:
    assert decode(PromptEvent, envelope(), STRUCTURED) == PROMPT


def test_structured_mode_is_read_with_its_data_in_base64() -> None:
    coded = base64.b64encode(encode(PROMPT)).decode()
    assert decode(PromptEvent, envelope(data=..., data_base64=coded), STRUCTURED) == PROMPT


@pytest.mark.parametrize(
    ("value", "code", "field"),
    [
        (envelope(data={**BODY, "width": 1}), "invalid", "data.width"),
        (envelope(data={**BODY, "width": 3840, "height": 3840}), "invalid", "data.width"),
        (envelope(data=7), "invalid", "data"),
        (envelope(data=...), "empty-value", "$"),
        (envelope(type="glyphstream.prompt.v9"), "unknown-type", "type"),
        (envelope(type=...), "invalid", "type"),
        (envelope(specversion="0.3"), "invalid", "specversion"),
        (envelope(id="other"), "headers-disagree", "id"),
        (envelope(data=..., data_base64="%"), "invalid", "data_base64"),
        (b"{", "not-json", "$"),
        (b"", "empty-value", "$"),
    ],
)
def test_a_bad_structured_event_names_the_field_inside_the_envelope(
    value: bytes, code: str, field: str
) -> None:
    bad = refusal(value, STRUCTURED)
    assert (bad.code, bad.faults[0].field) == (code, field)


def test_a_batch_is_refused_with_the_way_out() -> None:
    bad = refusal(b"[]", [("content-type", b"application/cloudevents-batch+json")])
    assert bad.faults[0].fix == "send one event a record"


def test_an_older_version_is_lifted_to_the_current_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def lifted(old: dict[str, Any]) -> dict[str, Any]:
        return {**{k: v for k, v in old.items() if k != "words"}, "prompt": old["words"]}

    monkeypatch.setitem(UPCASTERS, "glyphstream.prompt.v0", lifted)
    headers = [("ce_type", b"glyphstream.prompt.v0")]
    assert decode(PromptEvent, b'{"id":"a","source":"s","words":"p"}', headers).prompt == "p"

    bad = refusal(b'{"id":"a","source":"s"}', headers)
    assert (bad.code, bad.ref) == ("invalid", PromptRef("s", "a"))
    assert "glyphstream.prompt.v0" in str(bad) and "KeyError" in str(bad)

    bad = refusal(b"{}", [("ce_type", b"glyphstream.prompt.v7")])
    assert "glyphstream.prompt.v1 or glyphstream.prompt.v0" in bad.faults[0].message
    with pytest.raises(BadEvent, match=r"glyphstream\.render\.v1 on this topic"):
        decode(Render, encode(RENDER), headers)


def test_a_prompt_keeps_its_own_source_and_ours_name_the_stage() -> None:
    prompt = dict(headers_for(PROMPT, producer="cli", time=AT, traceparent=b"00-ab-cd-01"))
    assert prompt == {
        "ce_specversion": b"1.0",
        "ce_id": b"spring-jazz-17",
        "ce_source": b"campaign-tool",
        "ce_type": b"glyphstream.prompt.v1",
        "ce_time": b"2026-05-01T09:30:00+00:00",
        "ce_subject": b'["campaign-tool","spring-jazz-17"]',
        "content-type": b"application/json",
        "traceparent": b"00-ab-cd-01",
    }
    assert dict(headers_for(RESULT, producer="score", time=AT))["ce_source"] == b"glyphstream/score"


def test_the_id_of_an_event_stays_when_the_work_is_done_again() -> None:
    def ce_id(event: Event) -> bytes:
        return dict(headers_for(event, producer="score", time=dt.datetime.now(dt.UTC)))["ce_id"]

    assert ce_id(RENDER) == ce_id(replace(RENDER, seconds=99.0, usd=0.5))
    assert ce_id(JOB) == ce_id(replace(JOB, reason="other words"))
    others: list[Event] = [JOB, replace(JOB, ordinal=1), replace(JOB, purpose="reroll"), RENDER, RESULT]
    assert len({ce_id(event) for event in others}) == len(others)


def test_a_time_without_an_offset_is_not_sent() -> None:
    with pytest.raises(ValueError, match="has no offset"):
        headers_for(PROMPT, producer="cli", time=AT.replace(tzinfo=None))


def test_all_events_of_a_prompt_have_one_key() -> None:
    assert {key_for(event) for event in EXAMPLES.values()} == {b'["campaign-tool","spring-jazz-17"]'}
    other = replace(RESULT, ref=replace(RESULT.ref, variant=4, run="replay-1"))
    assert key_for(other) == key_for(RESULT)
    assert CE_TYPES[Result] == "glyphstream.result.v1"
