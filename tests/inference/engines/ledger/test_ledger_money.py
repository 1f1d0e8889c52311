"""Dollars become micro-dollars and back without a rounding that a bill would show."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.engines.ledger import dollars, micros, spelled


@pytest.mark.parametrize(
    ("usd", "amount"),
    [(0.04, 40_000), (0.1 + 0.2, 300_000), ("0.0000005", 1), (Decimal("12.3456784"), 12_345_678), (0, 0)],
)
def test_dollars_are_whole_micro_dollars(usd: float | str | Decimal, amount: int) -> None:
    assert micros(usd) == amount


@pytest.mark.parametrize("usd", [-0.01, float("nan"), float("inf"), "four", 1e12])
def test_what_is_no_amount_is_refused_with_its_value(usd: float | str) -> None:
    with pytest.raises(ValueError, match=f"usd: {usd!r}"):
        micros(usd)


@given(st.integers(min_value=0, max_value=10**15))
def test_an_amount_comes_back_as_it_was(amount: int) -> None:
    assert micros(dollars(amount)) == amount


@pytest.mark.parametrize(
    ("amount", "told"),
    [(0, "$0.00"), (40_000, "$0.04"), (1_234_567_891, "$1,234.567891"), (-15_500_000, "-$15.50")],
)
def test_money_is_spelled_to_the_last_digit_that_counts(amount: int, told: str) -> None:
    assert spelled(amount) == told
