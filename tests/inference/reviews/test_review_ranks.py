from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import spearmanr

from inference.bench.statistics import bootstrap, value
from inference.reviews.ranks import Auc, Ranks, Spearman


@pytest.mark.parametrize(
    ("scores", "positive", "expected"),
    [
        # Three of the four pairs of a positive and a negative are in order.
        ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 0.75),
        ([0.5, 0.5], [0, 1], 0.5),
        ([0.1, 0.9], [0, 1], 1.0),
        ([0.1, 0.9], [1, 0], 0.0),
        # Six pairs: four in order, one tied, one not in order.
        ([0.9, 0.5, 0.3, 0.5, 0.2], [1, 1, 1, 0, 0], 4.5 / 6),
    ],
    ids=["by hand", "tie", "perfect", "reversed", "with a tie"],
)
def test_auc_counts_the_pairs_that_are_in_order(
    scores: list[float], positive: list[int], expected: float
) -> None:
    measure = Auc.of(np.array(scores), np.array(positive, np.float64), np.arange(len(scores)))
    assert value(measure, len(scores)) == pytest.approx(expected)


def test_auc_is_the_share_of_ordered_pairs_in_any_resample() -> None:
    random = np.random.default_rng(3)
    scores, positive = np.round(random.random(40), 1), random.integers(2, size=40).astype(np.float64)
    units = random.integers(12, size=40)
    weights = random.integers(4, size=(5, 12)).astype(np.float64)
    found = Auc.of(scores, positive, units).over(weights)
    for row, told in zip(weights, found, strict=True):
        copies = np.repeat(np.arange(40), row[units].astype(int))
        yes, no = (scores[copies[positive[copies] == kind]] for kind in (1, 0))
        wins = [1.0 if high > low else 0.5 if high == low else 0.0 for high, low in product(yes, no)]
        assert told == pytest.approx(np.mean(wins))


def test_auc_has_no_value_where_people_said_the_same_of_all() -> None:
    assert np.isnan(value(Auc.of(np.array([0.1, 0.9]), np.ones(2), np.arange(2)), 2))
    assert np.isnan(value(Auc.of(np.zeros(0), np.zeros(0), np.zeros(0, np.int64)), 2))


@pytest.mark.parametrize("seed", range(3))
def test_spearman_is_scipys_in_any_resample(seed: int) -> None:
    random = np.random.default_rng(seed)
    first, second = np.round(random.random(30), 1), random.integers(1, 6, size=30).astype(np.float64)
    units = np.arange(30)
    weights = random.integers(3, size=(4, 30)).astype(np.float64)
    found = Spearman.of(first, second, units).over(weights)
    for row, told in zip(weights, found, strict=True):
        copies = np.repeat(units, row.astype(int))
        assert told == pytest.approx(spearmanr(first[copies], second[copies]).statistic)


def test_ties_share_the_middle_of_their_ranks() -> None:
    ranks = Ranks.of(np.array([3.0, 1.0, 3.0, 2.0])).under(np.ones((1, 4)))
    assert ranks.tolist() == [[3.5, 1.0, 3.5, 2.0]]


def test_the_interval_of_an_auc_holds_the_true_one_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(11)
    # Two normals a standard deviation apart: the AUC is Phi(1 / sqrt(2)).
    true, held, trials = 0.7602, 0, 100
    for _ in range(trials):
        positive = np.repeat((0.0, 1.0), 30)
        scores = random.normal(positive)
        measure = Auc.of(scores, positive, np.arange(60))
        (interval,) = bootstrap([measure], 60, random, rounds=400)
        held += interval.low <= true <= interval.high
    assert held >= 88
