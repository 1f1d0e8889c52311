"""Whatever the bytes are: an event, or a BadEvent that says what to mend."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import Event, PromptEvent, PromptRef, Render, RenderJob, Result, Review
from schemas.examples import EXAMPLES
from schemas.faults import MOST_FAULTS, BadEvent
from schemas.wire import CE_TYPES, Headers, decode, duplicate_fields, encode, unknown_fields

NAMED = PromptRef("s", "a")
NAMES = [("ce_id", b"a"), ("ce_source", b"s")]


def prompt(**fields: object) -> bytes:
    return json.dumps({"id": "a", "source": "s", "prompt": "p", **fields}).encode()


def raw(tail: str) -> bytes:
    return f'{{"id":"a","source":"s","prompt":"p",{tail}}}'.encode()


def refusal(value: bytes | None, headers: Headers = (), cls: type[Event] = PromptEvent) -> BadEvent:
    with pytest.raises(BadEvent) as caught:
        decode(cls, value, headers)
    return caught.value


@dataclass(frozen=True)
class Bad:
    """A record, and what must be said of it: the first fault's field, and words of the whole text."""

    value: bytes | None
    code: str
    field: str
    words: str
    ref: PromptRef | None = None
    headers: Headers = ()


BAD = {
    "null value": Bad(None, "empty-value", "$", "None"),
    "null value, named by headers": Bad(None, "empty-value", "$", "None", NAMED, NAMES),
    "no bytes": Bad(b"", "empty-value", "$", "b''"),
    "not JSON": Bad(b"hello", "not-json", "$", "line 1, column 1"),
    "not JSON, named by headers": Bad(b"{", "not-json", "$", "line 1, column 2", NAMED, NAMES),
    "cut off": Bad(prompt()[:-1], "not-json", "$", "column 41"),
    "two objects": Bad(prompt() + prompt(), "not-json", "$", "Extra data"),
    "null bytes": Bad(b"\x00" * 40, "not-json", "$", "\\x00"),
    "UTF-16": Bad(prompt().decode().encode("utf-16"), "not-json", "$", "UTF-8"),
    "byte order mark": Bad(b"\xef\xbb\xbf" + prompt(), "not-json", "$", "byte order mark"),
    "invalid UTF-8": Bad(b'{"id":"\xff"}', "not-json", "$", "byte 7"),
    "invalid UTF-8 in an unknown field": Bad(raw('"x":"?"').replace(b"?", b"\xff"), "not-json", "$", "UTF-8"),
    "deep nesting": Bad(b"[" * 100_000, "not-json", "$", "too deep"),
    "deep nesting in an unknown field": Bad(
        raw(f'"x":{"[" * 90_000}{"]" * 90_000}'), "not-json", "$", "deep"
    ),
    "the word null": Bad(b"null", "invalid", "$", "id, source, prompt"),
    "an array": Bad(b"[1]", "invalid", "$", "array of 1"),
    "missing field": Bad(b'{"id":"a","source":"s"}', "invalid", "prompt", "add it", NAMED),
    "misspelt field": Bad(
        b'{"id":"a","source":"s","promt":"p"}', "invalid", "prompt", "rename `promt`", NAMED
    ),
    "no id": Bad(b'{"source":"s","prompt":"p"}', "invalid", "id", "is required"),
    "wrong type": Bad(prompt(width="wide"), "invalid", "width", "'wide'", NAMED),
    "number in quotes": Bad(prompt(width="512"), "invalid", "width", "512 without quotes", NAMED),
    "out of bounds": Bad(prompt(width=10), "invalid", "width", "use 64", NAMED),
    "between the steps": Bad(prompt(width=1000), "invalid", "width", "use 992", NAMED),
    "endless number": Bad(raw('"guidance":1e999'), "invalid", "guidance", "finite", NAMED),
    "huge integer": Bad(raw(f'"seed":{"9" * 9000}'), "invalid", "seed", "0 to 4294967295", NAMED),
    "NaN": Bad(raw('"guidance":NaN'), "invalid", "guidance", "finite", NAMED),
    "sampler ddim": Bad(prompt(sampler="ddim"), "invalid", "sampler", "use euler or heun", NAMED),
    "sampler k_lms": Bad(prompt(sampler="k_lms"), "invalid", "sampler", "use euler or heun", NAMED),
    "sampler Euler": Bad(prompt(sampler="Euler"), "invalid", "sampler", "did you mean euler?", NAMED),
    "null for a default": Bad(prompt(tags=None), "invalid", "tags", "leave it out", NAMED),
    "date without offset": Bad(
        prompt(deadline="2030-01-01T00:00:00"), "invalid", "deadline", "12:00:00Z", NAMED
    ),
    "lone surrogate": Bad(raw('"campaign":"\\ud800 x"'), "invalid", "campaign", "surrogate", NAMED),
    "lone surrogate in an unknown field": Bad(raw('"x":"\\ud800 x"'), "invalid", "x", "surrogate", NAMED),
    "wrong, then right": Bad(raw('"width":"x","width":64'), "invalid", "width", "send width once", NAMED),
    "inside an array": Bad(
        prompt(texts=[{"text": "A"}, {"text": "B", "role": "headlin"}]),
        "invalid",
        "texts[1].role",
        "did you mean headline?",
        NAMED,
    ),
    "900 KB": Bad(prompt(prompt="x" * 900_000), "invalid", "prompt", "shorten it by 890000", NAMED),
    "900 KB name": Bad(prompt(id="x" * 900_000), "invalid", "id", "900000 characters"),
    "900 KB of nothing known": Bad(
        b"{%s}" % b",".join(b'"k%d":0' % n for n in range(90_000)), "invalid", "id", "is required"
    ),
    "a name that no header can hold": Bad(prompt(id="a\x00"), "invalid", "id", "one line"),
    "unknown version": Bad(
        prompt(),
        "unknown-type",
        "ce_type",
        "must be glyphstream.prompt.v1 on this topic; got 'glyphstream.prompt.v2'",
        NAMED,
        [("ce_type", b"glyphstream.prompt.v2")],
    ),
    "another topic's type": Bad(
        prompt(), "unknown-type", "ce_type", "render.v1'", NAMED, [("ce_type", b"glyphstream.render.v1")]
    ),
    "a type that is no text": Bad(prompt(), "unknown-type", "ce_type", "xff", NAMED, [("ce_type", b"\xff")]),
    "another format": Bad(
        prompt(),
        "unknown-type",
        "content-type",
        "application/json",
        NAMED,
        [("content-type", b"application/avro"), *NAMES],
    ),
    "another id": Bad(prompt(), "headers-disagree", "ce_id", "'b'", None, [("ce_id", b"b")]),
    "another source": Bad(prompt(), "headers-disagree", "ce_source", "'s'", None, [("ce_source", b"\xff")]),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_event_says_which_field_is_wrong_and_how_to_mend_it(case: str) -> None:
    told = BAD[case]
    bad = refusal(told.value, told.headers)
    assert (bad.code, bad.faults[0].field, bad.ref) == (told.code, told.field, told.ref)
    assert told.words in str(bad)
    assert bad.faults[0].fix and bad.faults[0].value


@pytest.mark.parametrize("case", BAD)
def test_what_is_said_about_a_bad_event_stays_short(case: str) -> None:
    bad = refusal(BAD[case].value, BAD[case].headers)
    assert len(bad.summary) < 600
    assert all(len(fault.value) <= 100 and len(fault.field) <= 210 for fault in bad.faults)


def test_all_faults_are_told_at_once_in_the_order_of_the_fields() -> None:
    bad = refusal(
        prompt(
            texts=[{"text": ""}, 7, {"role": "x"}], width=1, sampler="ddim", guidance=-1, locales=["en", "?"]
        )
    )
    assert [fault.field for fault in bad.faults] == [
        "texts[0].text",
        "texts[1]",
        "texts[2].text",
        "texts[2].role",
        "width",
        "sampler",
        "guidance",
        "locales[1]",
    ]
    lines = str(bad).splitlines()
    assert lines[0] == "invalid: 8 faults"
    assert [line.split(":")[0].strip() for line in lines[1:]] == [fault.field for fault in bad.faults]
    assert bad.summary.endswith("(and 7 more)")


def test_a_flood_of_faults_is_cut_so_that_it_fits_in_a_header() -> None:
    text = {"text": "", "role": "x" * 500, "locale": "?" * 500, "critical": "y" * 500}
    bad = refusal(prompt(texts=[text] * 40))
    assert len(bad.faults) == MOST_FAULTS
    assert bad.faults[-1].message == "has more faults than are listed"
    assert len(str(bad)) < 20_000


def test_a_bad_event_survives_pickling() -> None:
    bad = refusal(prompt(width=1))
    again = pickle.loads(pickle.dumps(bad))
    assert (again.code, again.faults, again.ref, str(again)) == (bad.code, bad.faults, bad.ref, str(bad))


@pytest.mark.parametrize("cls", [RenderJob, Render, Result, Review])
def test_a_bad_event_of_ours_names_its_prompt_variant_and_run(cls: type[Event]) -> None:
    body = json.loads(encode(EXAMPLES[cls]))
    ref = body["job"]["ref"] if cls is Render else body["ref"]
    ref["variant"], ref["run"] = 3, "replay-7"
    body |= {"job": {**body["job"], "ordinal": "x"}} if cls is Render else {"render_id": 5, "ordinal": "x"}
    assert refusal(json.dumps(body).encode(), cls=cls).ref == PromptRef(
        ref["source"], ref["id"], 3, "replay-7"
    )


def test_a_ref_that_is_itself_wrong_names_no_prompt() -> None:
    body = json.loads(encode(EXAMPLES[Result]))
    body["ref"]["variant"] = -1
    bad = refusal(json.dumps(body).encode(), cls=Result)
    assert (bad.faults[0].field, bad.ref) == ("ref.variant", None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("cls", CE_TYPES)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_no_bytes_give_another_exception(cls: type[Event], data: st.DataObject) -> None:
    good = encode(EXAMPLES[cls])

    def cut(at: int) -> Callable[[bytes], bytes]:
        return lambda inserted: good[:at] + inserted + good[at + len(inserted) :]

    def swapped(pair: tuple[str, Any]) -> bytes:
        return json.dumps({**json.loads(good), pair[0]: pair[1]}).encode()

    broken = st.integers(0, len(good)).flatmap(lambda at: st.binary(max_size=6).map(cut(at)))
    other = st.tuples(st.sampled_from(sorted(json.loads(good))), JSON).map(swapped)
    value = data.draw(st.none() | st.binary(max_size=40) | broken | other)
    names = st.sampled_from(["ce_id", "ce_source", "ce_type", "content-type", "x"])
    known = [b"application/json", b"application/cloudevents+json", CE_TYPES[cls].encode()]
    headers = data.draw(
        st.lists(st.tuples(names, st.binary(max_size=6) | st.sampled_from(known)), max_size=3)
    )
    try:
        event = decode(cls, value, headers)
    except BadEvent as bad:
        assert bad.faults
        assert str(bad).encode()
    else:
        assert isinstance(event, cls)


def test_unknown_fields_are_named_with_the_one_that_was_meant() -> None:
    value = prompt(widht=512, texts=[{"text": "A", "rolle": "cta"}], colour="red")
    assert unknown_fields(PromptEvent, value) == (
        "widht (did you mean width?)",
        "texts[0].rolle (did you mean role?)",
        "colour",
    )
    assert unknown_fields(PromptEvent, prompt()) == ()
    assert unknown_fields(PromptEvent, b"{") == ()


def test_fields_given_twice_are_named() -> None:
    assert duplicate_fields(raw('"width":64,"texts":[{"text":"a","text":"b"}],"width":64')) == (
        "text",
        "width",
    )
    assert duplicate_fields(prompt()) == ()
