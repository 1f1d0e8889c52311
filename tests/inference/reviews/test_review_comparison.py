from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from inference.bench.statistics import wilson
from inference.reviews.comparison import Comparison, compare
from inference.reviews.pictures import Picture, by_render, last_words, picture_of
from schemas.events import (
    Asset,
    Legibility,
    Pictures,
    PromptRef,
    Result,
    Review,
    Status,
    TextReading,
    TextVerdict,
)

ROUNDS = 400


def legibility(score: float | None, *, verdict: TextVerdict = "read") -> Legibility:
    """A reading that is accepted where `score` is enough."""
    text = TextReading(text="OPEN", verdict=verdict, similarity=1.0, exact=True)
    return Legibility(score=score, recall=score, precision=1.0, critical_exact=True, texts=(text,))


def result(
    number: int,
    reading: Legibility | None,
    *,
    final: bool = True,
    status: Status = "accepted",
    prompt: int | None = None,
) -> Result:
    asset = Asset(f"file:///{number}.png", f"{number:064x}", "image/png", 1)
    return Result(
        id=f"{number}",
        ref=PromptRef("s", f"{number if prompt is None else prompt}"),
        final=final,
        status=status if final else None,
        pictures=Pictures(image=asset, original=asset),
        legibility=reading,
        engine="layout",
        render_id=f"r{number}",
    )


def review(
    number: int, readable: bool | None, *, score: int = 3, by: str = "dana", turn: int = 0, blind: bool = True
) -> Review:
    return Review(
        id=f"{number}-{by}-{turn}",
        ref=PromptRef("s", f"{number}"),
        render_id=f"r{number}",
        reviewer=by,
        score=score,
        readable=readable,
        seen_blind=blind,
        milliseconds=2_000,
    )


def pictures(results: Sequence[Result]) -> dict[str, Picture]:
    return by_render(picture for each in results if (picture := picture_of(each)) is not None)


def compared(results: Sequence[Result], reviews: Sequence[Review]) -> Comparison:
    return compare(pictures(results), reviews, np.random.default_rng(0), rounds=ROUNDS)


def test_acceptance_and_people_make_a_confusion_table_with_wilsons_interval() -> None:
    scores = [0.99] * 6 + [0.9] * 2 + [0.5] * 3 + [0.2] * 4
    readable = [True] * 6 + [False] * 2 + [True] * 3 + [False] * 4
    told = compared(
        [result(number, legibility(score)) for number, score in enumerate(scores)],
        [review(number, said) for number, said in enumerate(readable)],
    ).automatic
    assert told is not None
    table = (
        told.accepted_readable,
        told.accepted_unreadable,
        told.rejected_readable,
        told.rejected_unreadable,
    )
    assert table == (6, 2, 3, 4)
    wanted = wilson(10, 15)
    assert (told.agrees.value, told.agrees.low, told.agrees.high) == (wanted.value, wanted.low, wanted.high)
    assert told.right_when_accepted is not None
    assert told.right_when_accepted.value == 6 / 8
    assert told.right_when_rejected is not None
    assert told.right_when_rejected.value == 4 / 7
    assert {each.picture.render_id for each in told.false_accepts} == {"r6", "r7"}
    assert {each.picture.render_id for each in told.false_rejects} == {"r8", "r9", "r10"}
    # 54 pairs; a readable one scores above in 6*6 + 3*4, below in 3*2.
    assert told.auc is not None
    assert told.auc.value == pytest.approx(48 / 54)


def test_pictures_are_binned_by_score_and_the_highest_is_in_the_last_bin() -> None:
    scores = [1.0, 0.95, 0.85, 0.1]
    told = compared(
        [result(number, legibility(score)) for number, score in enumerate(scores)],
        [review(number, score > 0.9, score=5 if score > 0.9 else 1) for number, score in enumerate(scores)],
    ).automatic
    assert told is not None
    rows = [(each.low, each.high, each.pictures, each.readable.value, each.rating) for each in told.bins]
    assert rows == [(0.0, 0.25, 1, 0.0, 1.0), (0.85, 0.95, 1, 0.0, 1.0), (0.95, 1.0, 2, 1.0, 5.0)]


def test_a_reviewers_last_word_counts() -> None:
    told = compared(
        [result(1, legibility(0.99))], [review(1, False), review(1, False, by="lee"), review(1, True, turn=1)]
    )
    assert (told.reviews, told.last_words, told.undecided) == (3, 2, 1)
    assert [(each.name, each.readable, each.unreadable) for each in told.reviewers] == [
        ("dana", 1, 0),
        ("lee", 0, 1),
    ]


def test_a_review_that_was_sent_twice_counts_once() -> None:
    told = compared([result(1, legibility(0.99))], [review(1, True), review(1, True)])
    assert (told.reviews, told.last_words) == (1, 1)


def test_most_peoples_word_is_peoples_and_a_tie_is_none() -> None:
    both = [result(1, legibility(0.99)), result(2, legibility(0.99))]
    said = [(1, "a", True), (1, "b", True), (1, "c", False), (2, "a", True), (2, "b", False)]
    told = compared(both, [review(number, readable, by=by) for number, by, readable in said])
    assert told.undecided == 1
    assert told.automatic is not None
    assert (told.automatic.pictures, told.automatic.accepted_readable) == (1, 1)


def test_what_no_reader_can_judge_is_counted_apart() -> None:
    results = [
        result(1, legibility(0.99)),
        result(2, legibility(0.99, verdict="unreadable_by_reader")),
        result(3, legibility(None)),
        result(4, None),
    ]
    told = compared(results, [review(number, True) for number in range(1, 5)])
    assert told.unread == 3
    assert told.automatic is not None
    assert told.automatic.pictures == 1


def test_reviews_outlive_results_and_are_counted_as_unknown() -> None:
    told = compared(
        [result(1, legibility(0.99))], [review(1, True), review(2, True), review(2, True, by="lee")]
    )
    assert (told.pictures, told.unknown) == (1, 1)


def test_a_final_stands_for_the_preview_of_the_same_picture() -> None:
    preview = result(1, legibility(0.4), final=False)
    final = result(1, legibility(0.9))
    for order in ([preview, final], [final, preview]):
        assert pictures(order)["r1"].score == 0.9
    assert picture_of(Result(id="x", ref=PromptRef("s", "1"), final=True, status="failed")) is None


def test_nothing_is_told_of_nothing() -> None:
    told = compared([], [])
    assert (told.last_words, told.pictures, told.automatic) == (0, 0, None)
    assert (told.people.readable, told.people.rating, told.people.pairs) == (None, None, ())


def test_two_people_are_compared_over_what_both_judged() -> None:
    dana = [review(number, number < 25, score=1 + number % 5) for number in range(60)]
    lee = [
        review(number, number < 20 or 25 <= number < 35, score=1 + number % 5, by="lee")
        for number in range(50)
    ]
    told = compared([result(number, legibility(0.9)) for number in range(60)], dana + lee).people
    (pair,) = told.pairs
    assert (pair.first, pair.second, pair.pictures) == ("dana", "lee", 50)
    # Twenty said yes twice, fifteen no twice, five and ten apart: the grant proposals of Wikipedia.
    assert pair.same.value == 0.7
    assert pair.kappa is not None
    assert pair.kappa.value == pytest.approx(0.4)
    assert pair.kappa.low is not None
    assert pair.kappa.low < 0.4
    assert told.rating is not None
    assert (told.rating.pictures, told.rating.pairs, told.rating.same.value) == (50, 50, 1.0)
    assert told.rating.alpha is not None
    assert told.rating.alpha.value == 1.0


def test_several_pictures_of_one_prompt_widen_the_interval() -> None:
    said = [review(number, number % 20 < 10) for number in range(80)]
    apart, together = (
        compared([result(number, legibility(0.9), prompt=number // each) for number in range(80)], said)
        for each in (1, 10)
    )
    assert apart.prompts == 80
    assert together.prompts == 8
    assert apart.automatic is not None
    assert together.automatic is not None
    widths = [
        (each.agrees.high or 0) - (each.agrees.low or 0) for each in (apart.automatic, together.automatic)
    ]
    assert widths[1] > 1.5 * widths[0]


def test_figures_that_no_resample_changes_have_a_value_and_no_ends() -> None:
    numbers = range(4)
    told = compared(
        [result(number, legibility(0.9 - number / 5)) for number in numbers],
        [review(number, number < 2, score=5 - number, by=by) for number in numbers for by in ("dana", "lee")],
    )
    assert told.automatic is not None
    (pair,) = told.people.pairs
    assert told.people.readable is not None
    for found in (told.automatic.auc, told.automatic.spearman, pair.kappa, told.people.readable.alpha):
        assert found is not None
        assert found.value == pytest.approx(1)
        assert (found.low, found.high) == (None, None)


def test_few_pictures_say_nothing_of_the_threshold() -> None:
    told = compared(
        [result(number, legibility(0.9)) for number in range(40)],
        [review(number, number >= 2) for number in range(40)],
    ).automatic
    assert told is not None
    assert told.threshold.stands is None
    assert told.threshold.sentence.startswith("with 40 pictures (38 readable, 2 not) nothing can be told yet")


@pytest.mark.parametrize(("border", "stands"), [(0.85, True), (0.6, False)])
def test_the_threshold_is_in_doubt_only_where_another_is_better_beyond_chance(
    border: float, stands: bool
) -> None:
    scores = np.linspace(0.3, 0.999, 80)
    told = compared(
        [result(number, legibility(float(score))) for number, score in enumerate(scores)],
        [review(number, bool(score >= border)) for number, score in enumerate(scores)],
    ).automatic
    assert told is not None
    assert told.threshold.stands is stands
    assert ("stands" if stands else "0.85 is in doubt: 0.6 would agree") in told.threshold.sentence


def test_last_words_come_in_the_order_of_the_log() -> None:
    said = [review(1, True), review(1, False, turn=1), review(2, None)]
    assert last_words(said) == [said[1], said[2]]
