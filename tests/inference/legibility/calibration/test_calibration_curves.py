"""AUC, reliability and gates against values worked out by hand or by brute force."""

from __future__ import annotations

import numpy as np
import pytest

from inference.legibility.calibration.curves import Auc, Scored, auc, brier, gate, lead, reliability

ROUNDS = 400


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def pictures(seed: int, posters: int, shift: float) -> list[Scored]:
    found = np.random.default_rng(seed)
    return [
        Scored(f"p{poster}", right, float(np.clip(found.normal(0.5 + shift * right, 0.2), 0, 1).round(1)))
        for poster in range(posters)
        for right in (True, True, False, False, False)
    ]


def test_auc_is_the_share_of_pairs_won_with_ties_half() -> None:
    found = pictures(3, 12, 0.2)
    good, bad = [p.score for p in found if p.right], [p.score for p in found if not p.right]
    brute = np.mean([(g > b) + 0.5 * (g == b) for g in good for b in bad])
    assert auc(found, rng(), rounds=ROUNDS).value == pytest.approx(brute)


def test_auc_of_a_resample_equals_that_of_the_posters_drawn() -> None:
    found = pictures(5, 4, 0.3)
    drawn = [*found, *(Scored("copy", p.right, p.score) for p in found if p.poster == "p2")]
    names = ["p0", "p1", "p2", "p3"]
    weighted = Auc.of(found, names).over(np.array([[1.0, 1.0, 2.0, 1.0]]))[0]
    assert weighted == pytest.approx(auc(drawn, rng(), rounds=ROUNDS).value)


def test_a_score_that_separates_has_1_and_one_that_cannot_has_a_half() -> None:
    apart = [Scored(f"p{i}", right, 0.9 if right else 0.2) for i in range(6) for right in (True, False)]
    same = [Scored(each.poster, each.right, 0.5) for each in apart]
    assert auc(apart, rng(), rounds=ROUNDS).low == 1.0
    assert auc(same, rng(), rounds=ROUNDS).value == 0.5


def test_copies_of_a_posters_pictures_make_no_interval_narrower() -> None:
    once = pictures(11, 15, 0.2)
    one, many = (auc(each, rng(), rounds=ROUNDS) for each in (once, once * 6))
    assert (many.low, many.high) == pytest.approx((one.low, one.high))


def test_the_lead_is_over_the_best_other_of_each_resample() -> None:
    ours = pictures(1, 20, 0.4)
    worse = [Scored(p.poster, p.right, 0.5) for p in ours]
    own, others, ahead = lead(ours, {"same": ours, "flat": worse}, rng(), rounds=ROUNDS)
    assert others["same"] == own
    assert (ahead.value, ahead.low, ahead.high) == (0.0, 0.0, 0.0)
    _, _, ahead = lead(ours, {"flat": worse}, rng(), rounds=ROUNDS)
    assert ahead.value == pytest.approx(own.value - 0.5)


def test_reliability_gives_each_bins_mean_score_and_share_right() -> None:
    found = [
        Scored("a", True, 0.92),
        Scored("a", False, 0.94),
        Scored("b", True, 1.0),
        Scored("b", False, 0.1),
    ]
    low, ninety, top = reliability(found)
    assert (low.count, low.right) == (1, 0.0)
    assert (ninety.low, ninety.high, ninety.count, ninety.right) == (0.9, 0.95, 2, 0.5)
    assert ninety.score == pytest.approx(0.93)
    assert (top.high, top.score, top.right) == (1.0, 1.0, 1.0)


def test_brier_is_the_mean_squared_distance_from_the_truth() -> None:
    found = [Scored("a", True, 0.8), Scored("a", False, 0.5)]
    assert brier(found) == pytest.approx((0.04 + 0.25) / 2)
    assert brier(found, np.array([3.0, 1.0])) == pytest.approx((3 * 0.04 + 0.25) / 4)


def test_a_gate_weighs_right_and_wrong_pictures_by_the_prior() -> None:
    # 4 of 5 right ones and 1 of 10 wrong ones get through: at even odds 0.8 / (0.8 + 0.1).
    right = [True] * 5 + [False] * 10
    accepted = [True] * 4 + [False] + [True] + [False] * 9
    found = gate([f"p{i}" for i in range(15)], right, accepted, rng(), rounds=ROUNDS)
    assert found.purity.value == pytest.approx(0.8 / 0.9)
    assert found.refused.value == pytest.approx(0.2)
    rare = gate([f"p{i}" for i in range(15)], right, accepted, rng(), prior=0.1, rounds=ROUNDS)
    assert rare.purity.value == pytest.approx(0.08 / (0.08 + 0.09))


def test_a_gate_needs_right_and_wrong_pictures() -> None:
    with pytest.raises(ValueError, match="right: 2 of 2"):
        gate(["a", "b"], [True, True], [True, False], rng())
