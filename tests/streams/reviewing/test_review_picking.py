from __future__ import annotations

from collections.abc import Iterable

import pytest

from inference.reviews.pictures import Picture
from schemas.events import Asset, PromptRef, Status
from streams.reviewing.picking import Choice, pick

DANA = Choice(reviewer="dana")


def picture(number: int, status: Status | None = "accepted", engine: str = "layout") -> Picture:
    return Picture(
        render_id=f"r{number}",
        ref=PromptRef("s", f"{number}"),
        image=Asset(f"file:///{number}.png", f"{number:064x}", "image/png", 1),
        status=status,
        locale="en",
        engine=engine,
        model="",
        emulated=False,
        legibility=None,
        usd=0.0,
        reason="",
    )


def ids(pictures: Iterable[Picture]) -> list[str]:
    return [picture.render_id for picture in pictures]


HUNDRED = [picture(number) for number in range(100)]


def test_the_order_is_the_seeds_and_the_reviewers_and_not_the_topics() -> None:
    order = ids(pick(HUNDRED, {}, DANA).pictures)
    assert sorted(order) == sorted(ids(HUNDRED))
    assert order == ids(pick(HUNDRED[::-1], {}, DANA).pictures)
    assert order != ids(HUNDRED)
    assert order != ids(pick(HUNDRED, {}, Choice(reviewer="dana", seed=1)).pictures)
    assert order != ids(pick(HUNDRED, {}, Choice(reviewer="lee")).pictures)


def test_two_reviewers_who_name_one_seed_judge_the_same_sample() -> None:
    dana, lee = (pick(HUNDRED, {}, Choice(reviewer=name, sample=10)).pictures for name in ("dana", "lee"))
    assert len(dana) == 10
    assert set(ids(dana)) == set(ids(lee))
    other = pick(HUNDRED, {}, Choice(reviewer="dana", sample=10, seed=5)).pictures
    assert set(ids(other)) != set(ids(dana))


def test_a_sample_that_was_broken_off_goes_on_where_it_stopped() -> None:
    choice = Choice(reviewer="dana", sample=10)
    whole = ids(pick(HUNDRED, {}, choice).pictures)
    rest = pick(HUNDRED, dict.fromkeys(whole[:4], 1), choice)
    assert (ids(rest.pictures), rest.judged) == (whole[4:], 4)


def test_what_was_judged_is_asked_for_again_only_on_demand() -> None:
    assert pick(HUNDRED, {"r3": 2}, Choice(reviewer="dana", again=True)).judged == 0
    assert "r3" not in ids(pick(HUNDRED, {"r3": 2}, DANA).pictures)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (DANA, {"r0", "r1"}),
        (Choice(reviewer="dana", previews=True), {"r0", "r1", "r2"}),
        (Choice(reviewer="dana", statuses=frozenset({"needs_review"})), {"r1"}),
        (Choice(reviewer="dana", engines=frozenset({"sd3.5_local"})), {"r1"}),
    ],
    ids=["finals", "previews", "status", "engine"],
)
def test_pictures_are_taken_by_kind_status_and_engine(choice: Choice, expected: set[str]) -> None:
    pictures = [picture(0), picture(1, "needs_review", "sd3.5_local"), picture(2, None, "layout")]
    assert set(ids(pick(pictures, {}, choice).pictures)) == expected
