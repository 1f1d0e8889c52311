"""Plans are paired, interleaved and resumable, and cost no more than they may."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.bench.budget import OverBudget, Purse, expected_usd, objection
from inference.bench.plan import Draw, PlanError, key, plan, remaining
from inference.bench.samples import Subject
from tests.inference.bench.benches import subjects

MODELS = {"a": "a-1", "b": "b-1", "c": "c-1"}


def price(draw: Draw) -> float:
    return 0.1 if draw.engine == "b" else 0.0


@given(st.integers(1, 3), st.integers(1, 5), st.integers(1, 4), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_every_engine_draws_the_same_with_the_same_seeds(
    engines: int, prompts: int, samples: int, warm_up: int, seed: int
) -> None:
    names = "abc"[:engines]
    drawn = plan(names, subjects(prompts), samples=samples, seed=seed, warm_up=warm_up)
    for warm in (True, False):
        by_engine = [
            Counter(
                (d.subject.digest, d.sample, d.seed) for d in drawn if d.engine == name and d.warm_up is warm
            )
            for name in names
        ]
        assert all(each == by_engine[0] for each in by_engine)
        assert sum(by_engine[0].values()) == (warm_up if warm else prompts * samples)
    assert len({(d.engine, d.seed) for d in drawn}) == len(drawn)
    assert all(d.warm_up for d in drawn[: engines * warm_up])


def test_engines_take_turns_and_every_prompt_is_drawn_before_any_is_again() -> None:
    drawn = plan("abc", subjects(4), samples=2, seed=1, warm_up=0)
    turns = ["".join(d.engine for d in drawn[i : i + 3]) for i in range(0, len(drawn), 3)]
    assert turns == ["abc", "bca", "cab", "abc", "bca", "cab", "abc", "bca"]
    assert [d.sample for d in drawn] == [0] * 12 + [1] * 12


def test_a_seed_depends_on_neither_order_nor_company() -> None:
    few, many = subjects(2), subjects(5)
    alone = {(d.subject.id, d.sample): d.seed for d in plan("a", few, samples=2, seed=1)}
    among = {(d.subject.id, d.sample): d.seed for d in plan("abc", many[::-1], samples=3, seed=1)}
    assert alone.items() <= among.items()
    other = {d.seed for d in plan("a", few, samples=2, seed=2)}
    assert not other & set(alone.values())


def test_a_run_goes_on_where_it_stopped_and_warms_up_again() -> None:
    drawn = plan("ab", subjects(3), samples=2, seed=1, warm_up=1)
    done = {key(d, MODELS) for d in drawn[2:9]}
    left = remaining(drawn, MODELS, done)
    assert left == (*drawn[:2], *drawn[9:])
    assert remaining(drawn, MODELS, {key(d, MODELS) for d in drawn}) == ()


def test_an_engine_that_is_done_is_not_warmed_up_and_another_model_is_drawn_anew() -> None:
    drawn = plan("ab", subjects(3), samples=2, seed=1, warm_up=1)
    a_done = {key(d, MODELS) for d in drawn if d.engine == "a"}
    assert {d.engine for d in remaining(drawn, MODELS, a_done)} == {"b"}
    assert remaining(drawn, {**MODELS, "a": "a-2"}, a_done) == drawn


def test_warm_ups_do_not_answer_for_samples() -> None:
    drawn = plan("a", subjects(1), samples=1, seed=1, warm_up=1)
    assert remaining(drawn, MODELS, {key(drawn[0], MODELS)}) == drawn


SAME = subjects(1)[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"engines": ""}, "--models: names no engine"),
        ({"engines": "aba"}, "--models: 'a' is named twice"),
        ({"subjects": ()}, "--prompts: holds no prompt"),
        ({"samples": 0}, "--samples: must be at least 1; got 0"),
        ({"warm_up": -1}, "--warm-up: must be at least 0; got -1"),
        (
            {"subjects": (SAME, Subject("twin", SAME.digest, "Latin", 1))},
            "--prompts: 'p0' and 'twin' ask for the same",
        ),
        ({"subjects": (SAME, Subject("p0", "b" * 64, "Latin", 1))}, "--prompts: the id 'p0' is given twice"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(arguments: dict[str, Any], said: str) -> None:
    whole: dict[str, Any] = {"engines": "ab", "subjects": subjects(2), "samples": 1, "seed": 1, **arguments}
    with pytest.raises(PlanError) as caught:
        plan(**whole)
    assert str(caught.value).startswith(said)


DRAWS = plan("ab", subjects(5), samples=2, seed=1, warm_up=1)


def test_live_keys_need_a_budget() -> None:
    assert expected_usd(DRAWS, price) == pytest.approx(1.1)
    said = objection(DRAWS, price, None, {"b": "B_API_KEY", "unused": "U"})
    assert said is not None
    assert "b (key in B_API_KEY)" in said
    assert "22 pictures are about $1.10 at list prices: give --max-usd 1.10" in said
    assert "unused" not in said
    assert objection(DRAWS, price, None, {}) is None
    assert objection(DRAWS, price, 1.1, {"b": "B_API_KEY"}) is None


def test_a_key_without_a_list_price_is_not_called_free() -> None:
    said = objection(DRAWS, lambda _: 0.0, None, {"b": "B_API_KEY"})
    assert said is not None
    assert "b (key in B_API_KEY) may be paid for; no list price is known" in said
    assert "0.00" not in said
    assert objection(DRAWS, lambda _: 0.0, 0.0, {"b": "B_API_KEY"}) is None


def test_a_plan_above_the_budget_says_how_far_it_would_come() -> None:
    said = objection(DRAWS, price, 0.3, {"b": "B_API_KEY"})
    assert said is not None
    # The warm-ups, then a free one before each of b's: b is paid for three times.
    assert "above $0.30, which buys the first 7; give --max-usd 1.10" in said


@pytest.mark.parametrize("usd", [-1.0, float("nan"), float("inf")])
def test_a_budget_is_an_amount(usd: float) -> None:
    said = objection(DRAWS, price, usd, {})
    assert said is not None
    assert said.startswith("--max-usd: must be a number of dollars")


@given(st.lists(st.tuples(st.floats(0.001, 1), st.floats(0, 1))), st.floats(0, 5))
def test_a_purse_is_never_overdrawn(prices: list[tuple[float, float]], limit: float) -> None:
    """Whatever comes at most at its reserved price leaves the total within the limit."""
    purse = Purse(limit)
    for most, part in prices:
        if not purse.affords(most):
            with pytest.raises(OverBudget, match="the next picture may cost"):
                purse.reserve(most)
            continue
        purse = purse.reserve(most).settle(most, most * part)
    assert purse.spent <= limit + 1e-6
    assert purse.reserved == pytest.approx(0, abs=1e-9)


def test_pictures_under_way_hold_their_money() -> None:
    purse = Purse(0.1).reserve(0.06)
    with pytest.raises(OverBudget, match=r"\$0\.0600 under way"):
        purse.reserve(0.06)
    assert purse.settle(0.06, 0.0).reserve(0.06).reserved == 0.06
    assert Purse(None).reserve(1e6).affords(1e9)


def test_ten_tenths_are_a_whole() -> None:
    purse = Purse(1.0)
    for _ in range(10):
        purse = purse.reserve(0.1).settle(0.1, 0.1)
    assert not purse.affords(0.1)
