"""A baseline file is read as it was written, and a bad one is named by its field."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from inference.bench.baseline import BaselineError, decode, encode
from inference.bench.figures import comparisons
from tests.inference.bench.benches import report, subjects

MADE = report(["pen", "brush"], subjects(3), lambda draw: {"score": 0.5, "usd_hosted": 0.01 * draw.sample})


def test_a_report_comes_back_as_it_was() -> None:
    samples = [sample for engine in MADE.engines for sample in engine.samples]
    whole = type(MADE)(
        conditions=MADE.conditions,
        subjects=MADE.subjects,
        engines=MADE.engines,
        pairs=comparisons(["pen", "brush"], samples, np.random.default_rng(1), rounds=100),
        command="bench --models pen,brush",
    )
    assert len(whole.pairs) == 3
    assert decode(encode(whole), "b.json") == whole
    assert encode(decode(encode(whole), "b.json")) == encode(whole)


def test_open_intervals_and_missing_figures_come_back() -> None:
    """One sample: intervals without ends; none accepted: no price."""
    made = report(["pen"], subjects(1), lambda _: {"accepted": False, "score": None}, samples=1)
    assert made.engines[0].figures.seconds_p50 is not None
    assert made.engines[0].figures.seconds_p50.low is None
    assert decode(encode(made), "b.json") == made


def test_a_field_of_a_later_version_is_let_through() -> None:
    raw = json.loads(encode(MADE))
    raw["engines"][0]["samples"][0]["mood"] = "blue"
    assert decode(json.dumps(raw).encode(), "b.json") == MADE


def put(*path: str | int, value: Any) -> Callable[[Any], None]:
    def change(raw: Any) -> None:
        for step in path[:-1]:
            raw = raw[step]
        raw[path[-1]] = value

    return change


def repeat_sample(raw: Any) -> None:
    raw["engines"][0]["samples"].append(raw["engines"][0]["samples"][0])


def repeat_engine(raw: Any) -> None:
    raw["engines"].append(raw["engines"][0])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            put("format", value="glyphstream.bench.v9"),
            "format: must be 'glyphstream.bench.v1'; got 'glyphstream.b",
        ),
        (
            put("engines", 1, "samples", 3, "score", value=1.5),
            "engines[1].samples[3].score: Expected `float` <= 1",
        ),
        (put("engines", 1, "samples", 3, "score", value=1.5), "; got 1.5; record it anew"),
        (
            put("conditions", "samples", value="two"),
            "conditions.samples: Expected `int`, got `str`; got 'two'",
        ),
        (
            put("conditions", "prompts", value="0" * 64),
            "conditions.prompts: is not the digest of its subjects",
        ),
        (
            put("engines", 0, "samples", 2, "engine", value="brush"),
            "engines[0].samples[2].engine: must be 'pen'",
        ),
        (
            put("engines", 0, "samples", 2, "digest", value="1" * 64),
            "engines[0].samples[2].digest: is that of no",
        ),
        (repeat_sample, "engines[0].samples: prompt "),
        (repeat_engine, "engines: 'pen' is there 2 times"),
        (lambda raw: raw["conditions"].pop("machine"), "missing required field `machine`"),
        (
            put("engines", 1, "samples", 3, "seconds", value=float("inf")),
            "engines[1].samples[3].seconds: must be a finite number; got inf",
        ),
        (
            put("engines", 1, "samples", 3, "seconds", value=1e300),
            "engines[1].samples[3].seconds: Expected `float` <= 1000000000",
        ),
    ],
)
def test_a_bad_file_is_named_by_its_field(change: Callable[[Any], None], said: str) -> None:
    raw = json.loads(encode(MADE))
    change(raw)
    with pytest.raises(BaselineError) as caught:
        decode(json.dumps(raw).encode(), "b.json")
    assert str(caught.value).startswith("b.json: ")
    assert said in str(caught.value)
    assert "--json FILE" in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[]", b"{}", b"null"])
def test_what_is_no_report_is_refused(data: bytes) -> None:
    with pytest.raises(BaselineError, match=r"^b\.json: "):
        decode(data, "b.json")
