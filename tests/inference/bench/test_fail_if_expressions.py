"""What `--fail-if` may say, and how it answers to what it may not."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.bench.expression import (
    Arithmetic,
    Baseline,
    Comparison,
    Condition,
    ExpressionError,
    Number,
    Sign,
    Term,
    evaluate,
    parse,
    written,
)
from inference.bench.metrics import METRICS


def limit(text: str, baseline: float = 10.0) -> float:
    return float(evaluate(parse(f"p50 > {text}").limit, np.array([baseline]))[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "legibility < baseline - 0.02",
            Condition("legibility", "<", Arithmetic("-", Baseline(), Number(0.02))),
        ),
        ("p50 > 1.1 * baseline", Condition("p50", ">", Arithmetic("*", Number(1.1), Baseline()))),
        (
            "usd_per_1000_accepted>baseline*1.05",
            Condition("usd_per_1000_accepted", ">", Arithmetic("*", Baseline(), Number(1.05))),
        ),
        ("accepted < 80%", Condition("accepted", "<", Number(0.8))),
        ("legibility significantly <= baseline", Condition("legibility", "<=", Baseline(), True)),
    ],
)
def test_the_issues_conditions_are_read(text: str, expected: Condition) -> None:
    assert parse(text) == expected
    assert parse(text).text == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("8 - 4 - 2", 2),
        ("8 / 4 / 2", 1),
        ("-baseline + 1", -9),
        ("--3", 3),
        ("2 * -3", -6),
        ("5% * baseline", 0.5),
        (".5 + 1e-1", 0.6),
    ],
)
def test_arithmetic_is_what_it_is_in_school(text: str, expected: float) -> None:
    assert limit(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "position", "fix"),
    [
        ("", 1, "got the end; a metric belongs here: legibility"),
        ("legibilty < 1", 1, "did you mean legibility?"),
        ("p50", 4, "got the end; a comparison"),
        ("p50 = 3", 5, "this character means nothing"),
        ("p50 < ", 7, "a number, baseline or a parenthesis"),
        ("p50 < baselin", 7, "got 'baselin'"),
        ("p50 < (1 + 2", 13, "a closing parenthesis"),
        ("p50 < 1 2", 9, "should end here"),
        ("p50 < 1 < 2", 9, "should end here"),
        ("p50 < __import__('os')", 7, "got '__import__'; a number"),
        ("p50 < 1e999", 7, "too large"),
        ("p50 < " + "(" * 60 + "1", 47, "nested more than 40"),
        ("p50 significantly significantly < 1", 19, "a comparison"),
        ("p50 < 1\n é", 10, "this character"),
    ],
)
def test_a_fault_is_shown_where_it_is(text: str, position: int, fix: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    first, shown, caret = str(caught.value).splitlines()
    assert first.startswith(f"--fail-if: at character {position}: ")
    assert fix in first
    assert caret.index("^") - 2 == position - 1
    assert len(shown) == len(text) + 2


def test_a_very_long_text_is_refused_before_it_is_read() -> None:
    with pytest.raises(ExpressionError, match="10000 characters; write it in at most 500"):
        parse("p" * 10_000)


@pytest.mark.parametrize(("text", "needs"), [("accepted < 0.8", False), ("p50 > 2 * (3 - baseline)", True)])
def test_a_condition_knows_whether_it_needs_a_baseline(text: str, needs: bool) -> None:
    assert parse(text).needs_baseline is needs


@pytest.mark.parametrize("text", ["1 / baseline", "1 / (1 / baseline)", "baseline / baseline"])
def test_a_division_by_nothing_is_no_limit(text: str) -> None:
    assert np.isnan(limit(text, 0.0))


numbers = st.floats(0, 1e9, allow_nan=False).map(Number)
terms: st.SearchStrategy[Term] = st.recursive(
    numbers | st.builds(Baseline),
    lambda inner: st.builds(Arithmetic, st.sampled_from(get_args(Sign)), inner, inner),
    max_leaves=8,
)


@given(
    st.builds(
        Condition, st.sampled_from(METRICS), st.sampled_from(get_args(Comparison)), terms, st.booleans()
    )
)
def test_what_is_written_is_read_back(condition: Condition) -> None:
    assert parse(str(condition)) == condition


@given(terms, st.floats(-1e6, 1e6))
def test_a_term_means_what_python_means_by_it(term: Term, baseline: float) -> None:
    (ours,) = evaluate(term, np.array([baseline]))
    try:
        theirs = eval(written(term), {"baseline": baseline})
    except ZeroDivisionError:
        assert np.isnan(ours)
    else:
        assert np.isclose(ours, theirs, equal_nan=True)


@given(st.text(max_size=60) | st.lists(st.sampled_from([*"<>()+-*/% 1.e", "baseline", "p50 "])).map("".join))
def test_any_text_is_read_or_refused_by_name(text: str) -> None:
    try:
        parse(text)
    except ExpressionError as error:
        assert str(error).startswith("--fail-if: ")


@pytest.mark.parametrize(
    "text",
    [
        "p50 > baseline + 10%",
        "p95 > 10% + baseline",
        "usd_per_1000_rendered > baseline - -5%",
        "usd_per_1000_accepted > 1.1 * (baseline + 2 * 5%)",
        "p50 > baseline + (1 + 10%)",
        "p50 > 10%",
    ],
)
def test_a_percentage_of_nothing_is_no_time_and_no_money(text: str) -> None:
    with pytest.raises(
        ExpressionError, match=r"is no share, .*; write 1\.1 \* baseline for 10% more"
    ) as told:
        parse(text)
    assert f"at character {text.index('%') + 1}: got '%'" in str(told.value)


@pytest.mark.parametrize(
    "text", ["p50 > 110% * baseline", "p50 > (1 + 10%) * baseline", "p50 > baseline + baseline * 10%"]
)
def test_a_percentage_of_the_baseline_is(text: str) -> None:
    assert evaluate(parse(text).limit, np.array([2.0])) == pytest.approx(2.2)


def test_a_percentage_may_be_added_to_a_share() -> None:
    assert evaluate(parse("accepted < baseline - 2%").limit, np.array([0.9])) == pytest.approx(0.88)
