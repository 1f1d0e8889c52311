"""Shares, ratios and changes with their intervals, and the choice of posters by which an ablation shows."""

from __future__ import annotations

import numpy as np
import pytest

from inference.bench.statistics import Interval
from tests.bench.tiny.shares import change, direction, ratio, share
from tests.bench.tiny_ablations import Chosen, Seen, Table, choose


def test_a_share_has_wilsons_interval() -> None:
    # Newcombe 1998, table I, method 3: 81 of 263 is 0.2553 to 0.3662, 0 of 20 is 0 to 0.1611.
    found = share([True] * 81 + [False] * 182)
    assert (found.value, found.low, found.high) == pytest.approx((81 / 263, 0.2553, 0.3662), abs=5e-5)
    assert share([False] * 20).high == pytest.approx(0.1611, abs=5e-5)
    with pytest.raises(ValueError, match="none were counted"):
        share([])


def test_a_ratio_is_paired() -> None:
    clean = [True] * 90 + [False] * 10
    same = ratio(clean, clean)
    assert same == Interval(1.0, 1.0, 1.0)
    apart = ratio(clean[::-1], clean)
    assert apart is not None
    assert apart.value == 1.0
    assert apart.low < 0.95 < 1.05 < apart.high


def test_a_ratios_interval_is_that_of_the_delta_method_for_many_posters() -> None:
    # 1,000 posters: 850 read in both, 100 clean only, 50 in neither. Of ratios of paired shares the log has
    # the variance (b + c) / ((a + b)(a + c)), with b and c what only one of the two got right.
    found = ratio([True] * 850 + [False] * 150, [True] * 950 + [False] * 50)
    assert found is not None
    error = 1.96 * (100 / (850 * 950)) ** 0.5
    middle = np.log(850 / 950)
    assert np.log([found.low, found.high]) == pytest.approx([middle - error, middle + error], abs=0.001)


def seen(*exact: bool) -> list[Seen]:
    return [Seen(each, float(each)) for each in exact]


def test_posters_are_chosen_that_only_the_whole_model_spells() -> None:
    few: Table = {
        "none": seen(True, True, True, False),
        "guidance": seen(False, False, True, False),
        "shift": seen(True, False, False, False),
    }
    many: Table = {"none": seen(*[True] * 4), "guidance": seen(*[True] * 4), "shift": seen(*[False] * 4)}
    assert choose({4: few, 8: many}, 1) == Chosen(4, (1,), 0.0)
    assert choose({4: few, 8: many}, 2) == Chosen(4, (1, 0), 0.5)
    assert choose({4: few, 8: many}, 4) == Chosen(8, (0, 1, 2, 3), 1.0)
    assert choose({4: few, 8: many}, 5) is None


def test_there_is_no_ratio_to_nothing() -> None:
    assert ratio([True, False], [False, False]) is None


@pytest.mark.parametrize(
    ("after", "word"), [([0.9] * 40, "rises"), ([0.1] * 40, "falls"), ([0.4, 0.6] * 20, "level")]
)
def test_a_change_is_told_from_none_by_its_interval(after: list[float], word: str) -> None:
    found = change([0.5] * 40, after)
    assert found.value == pytest.approx(float(np.mean(after)) - 0.5)
    assert found.low <= found.value <= found.high
    assert direction(found) == word
