"""What is written can be read: every event, with every value its bounds allow."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import is_dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import Event, PromptEvent, Render, RenderJob, Result, Review
from schemas.examples import EXAMPLES, JOB, PROMPT
from schemas.shapes import Shape, members
from schemas.wire import CE_TYPES, decode, encode

CHARACTERS = st.characters(exclude_categories=["Cs", "Cc"])
LOCALES = st.sampled_from(["en", "pt-BR", "zh_Hant", "ar", "th"])
OFFSETS = st.integers(-1439, 1439).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))
MOMENTS = st.datetimes(dt.datetime(2020, 1, 2), dt.datetime(2199, 12, 30), timezones=OFFSETS)  # noqa: DTZ001  # bounds of aware ones


def values(shape: Shape) -> st.SearchStrategy[Any]:
    """Everything that a field's bounds allow, its strings and arrays kept short."""
    bare = _bare(shape)
    return st.none() | bare if shape.optional else bare


def _bare(shape: Shape) -> st.SearchStrategy[Any]:
    if shape.choices:
        return st.sampled_from(shape.choices)
    if shape.item is not None:
        return st.lists(values(shape.item), max_size=2).map(tuple)
    if is_dataclass(shape.base):
        return events(shape.base)
    if shape.base is str:
        if shape.bound("pattern"):
            hexadecimal = "0-9a-f" in shape.bound("pattern")
            return st.text("0123456789abcdef", min_size=64, max_size=64) if hexadecimal else LOCALES
        return st.text(CHARACTERS, min_size=shape.bound("min_length") or 0, max_size=12)
    if shape.base is int:
        low, high = shape.bound("ge"), shape.bound("le")
        step = shape.bound("multiple_of") or 1
        return st.integers((low or 0) // step, (high or 2**53) // step).map(lambda n: n * step)
    if shape.base is float:
        return st.floats(shape.bound("ge"), shape.bound("le"), allow_nan=False, allow_infinity=False)
    return {bool: st.booleans(), dt.datetime: MOMENTS}[shape.base]


def events(cls: Any) -> st.SearchStrategy[Any]:
    return st.deferred(lambda: st.builds(cls, **{m.name: values(m.shape) for m in members(cls)}))


def sound_prompts() -> st.SearchStrategy[PromptEvent]:
    def mended(event: PromptEvent) -> PromptEvent:
        texts = tuple(replace(text, text=f"x{text.text}", locale=None) for text in event.texts)
        locales = tuple(dict.fromkeys(event.locales))
        return replace(
            event, prompt=f"x{event.prompt}", texts=texts, locales=locales, height=min(event.height, 2160)
        )

    return events(PromptEvent).map(mended)


@given(sound_prompts())
@settings(max_examples=60, deadline=None)
def test_a_prompt_comes_back_as_it_was_sent(event: PromptEvent) -> None:
    assert decode(PromptEvent, encode(event)) == event


@pytest.mark.parametrize("cls", [RenderJob, Render, Result, Review])
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_an_event_of_ours_comes_back_as_it_was_written(cls: type[Event], data: st.DataObject) -> None:
    event = data.draw(events(cls))
    assert decode(cls, encode(event)) == event


@pytest.mark.parametrize("cls", CE_TYPES)
def test_every_field_is_written_defaults_and_nulls_included(cls: type[Event]) -> None:
    assert list(json.loads(encode(EXAMPLES[cls]))) == [member.name for member in members(cls)]


def test_a_moment_is_written_in_rfc_3339() -> None:
    odd = dt.timezone(dt.timedelta(minutes=53, seconds=28))
    event = replace(PROMPT, deadline=dt.datetime(2030, 1, 1, 12, tzinfo=odd))
    assert b'"deadline":"2030-01-01T11:06:32+00:00"' in encode(event)
    assert decode(PromptEvent, encode(event)).deadline == event.deadline


def test_a_moment_without_an_offset_is_not_written() -> None:
    with pytest.raises(TypeError) as caught:
        encode(replace(JOB, deadline=dt.datetime(2030, 1, 1)))  # noqa: DTZ001  # the fault under test
    assert "has no offset" in str(caught.value.__cause__)


def test_a_field_of_a_later_version_is_passed_over() -> None:
    body = {**json.loads(encode(PROMPT)), "mood": {"warm": [1, 2]}}
    assert decode(PromptEvent, json.dumps(body).encode()) == PROMPT


def test_of_a_field_given_twice_the_last_counts() -> None:
    value = b'{"id":"a","source":"s","prompt":"p","width":512,"width":768}'
    assert decode(PromptEvent, value).width == 768
