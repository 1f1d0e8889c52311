"""What is accepted, on the edge of each condition."""

from __future__ import annotations

import dataclasses

import pytest

from inference.legibility.acceptance import Acceptance, passes, verdict
from schemas.events import Legibility, TextReading

GOOD = Legibility(
    score=0.85,
    recall=0.85,
    precision=1.0,
    critical_exact=True,
    texts=(TextReading(text="OPEN", verdict="read", read="OPEN", similarity=0.97, exact=True),),
)


def test_what_just_reaches_every_bound_passes() -> None:
    assert passes(GOOD)
    assert verdict(GOOD) is True


@pytest.mark.parametrize(
    "worse",
    [
        {"score": 0.849},
        {"score": None},
        {"critical_exact": False},
        {"texts": (dataclasses.replace(GOOD.texts[0], similarity=0.969),)},
    ],
)
def test_what_misses_one_bound_does_not(worse: dict[str, object]) -> None:
    assert not passes(dataclasses.replace(GOOD, **worse))  # type: ignore[arg-type]  # one field each


def test_the_bounds_can_be_moved() -> None:
    assert not passes(GOOD, Acceptance(score=0.9))
    assert not passes(GOOD, Acceptance(text=0.98))


def test_a_text_that_no_reader_knows_leaves_it_open() -> None:
    unread = TextReading(text="ชา", verdict="unreadable_by_reader")
    assert verdict(dataclasses.replace(GOOD, texts=(*GOOD.texts, unread))) is None
