"""Agreement beyond chance, against tables that others have worked out."""

from __future__ import annotations

import numpy as np
import pytest

from inference.bench.statistics import Floats, value
from inference.reviews.agreement import Alpha, Kappa, Scale, coincidence

# Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), sections C and D: four observers, twelve
# units, None where an observer said nothing.
FOUR_OBSERVERS = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, None),
    (None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 3),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None),
)
# The same, section A: Meg and Owen, ten units, two categories.
TWO_OBSERVERS = ((0, 1, 0, 0, 0, 0, 0, 0, 1, 0), (1, 1, 1, 0, 0, 1, 0, 0, 0, 0))


def coincidences(observers: tuple[tuple[int | None, ...], ...], *, first: int, categories: int) -> Floats:
    units = [[said - first for said in unit if said is not None] for unit in zip(*observers, strict=True)]
    return np.array([coincidence(unit, categories) for unit in units])


@pytest.mark.parametrize(("scale", "published"), [("nominal", 0.743), ("ordinal", 0.815)])
def test_alpha_of_four_observers_is_the_published_one(scale: Scale, published: float) -> None:
    found = coincidences(FOUR_OBSERVERS, first=1, categories=5)
    assert value(Alpha(found, scale), len(found)) == pytest.approx(published, abs=5e-4)


def test_alpha_of_two_observers_is_the_published_one() -> None:
    found = coincidences(TWO_OBSERVERS, first=0, categories=2)
    assert value(Alpha(found, "nominal"), len(found)) == pytest.approx(0.095, abs=5e-4)


def test_a_picture_that_one_person_judged_says_nothing_of_agreement() -> None:
    assert coincidence([3], 5).sum() == 0
    assert coincidence([], 5).sum() == 0


@pytest.mark.parametrize(
    ("table", "published"),
    [
        # Wikipedia, "Cohen's kappa", the grant proposals, then two tables of equal raw agreement.
        ([[20, 5], [10, 15]], 0.4),
        ([[45, 15], [25, 15]], 0.1304),
        ([[25, 35], [5, 35]], 0.2593),
    ],
    ids=["grants", "similar", "apart"],
)
def test_kappa_is_the_published_one(table: list[list[int]], published: float) -> None:
    assert value(Kappa(np.array([table], np.float64)), 1) == pytest.approx(published, abs=5e-5)


@pytest.mark.parametrize("weights", [[1, 1, 1], [2, 0, 5], [0, 3, 1]], ids=str)
def test_a_unit_drawn_twice_counts_as_two(weights: list[int]) -> None:
    random = np.random.default_rng(7)
    tables = random.integers(1, 9, size=(3, 2, 2)).astype(np.float64)
    repeated = np.repeat(tables, weights, axis=0)
    row = np.array([weights], np.float64)
    for measure, copies in (
        (Kappa(tables), Kappa(repeated)),
        (
            Alpha(tables + tables.transpose(0, 2, 1), "nominal"),
            Alpha(repeated + repeated.transpose(0, 2, 1), "nominal"),
        ),
    ):
        assert measure.over(row)[0] == pytest.approx(value(copies, len(repeated)))


def test_there_is_no_agreement_beyond_chance_where_all_said_the_same() -> None:
    same = np.array([coincidence([1, 1], 2)] * 4)
    assert np.isnan(value(Alpha(same, "nominal"), 4))
    assert np.isnan(value(Kappa(same / 2), 4))
