"""How far people agree with one another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

from inference.bench.figures import Estimate
from inference.bench.statistics import ROUNDS, Floats, bootstrap, share
from inference.reviews.agreement import Alpha, Kappa, Scale, coincidence
from inference.reviews.pictures import Opinion
from inference.reviews.units import Units, told
from schemas.events import Review

Category = Callable[[Review], int | None]
RATINGS: Final = 5


@dataclass(frozen=True, slots=True)
class Agreement:
    """Over the pictures that two or more judged: the share of pairs of judges who said the same."""

    pictures: int
    pairs: int
    same: Estimate
    alpha: Estimate | None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two reviewers over what both judged: did they say the same of `readable`?"""

    first: str
    second: str
    pictures: int
    same: Estimate
    kappa: Estimate | None


@dataclass(frozen=True, slots=True)
class People:
    """None where no two judged the same picture."""

    readable: Agreement | None
    rating: Agreement | None
    pairs: tuple[Pair, ...]


def people(opinions: Sequence[Opinion], random: np.random.Generator, *, rounds: int = ROUNDS) -> People:
    units = Units.of([opinion.picture for opinion in opinions])
    return People(
        readable=_agreement(opinions, readable, 2, "nominal", units, random, rounds),
        rating=_agreement(opinions, rating, RATINGS, "ordinal", units, random, rounds),
        pairs=_pairs(opinions, units, random, rounds),
    )


def readable(review: Review) -> int | None:
    return None if review.readable is None else int(review.readable)


def rating(review: Review) -> int:
    return review.score - 1


def _agreement(
    opinions: Sequence[Opinion],
    category: Category,
    categories: int,
    scale: Scale,
    units: Units,
    random: np.random.Generator,
    rounds: int,
) -> Agreement | None:
    found = np.zeros((len(units), categories, categories))
    same, pairs = np.zeros(len(units)), np.zeros(len(units))
    pictures = 0
    for opinion in opinions:
        said = [value for review in opinion.reviews if (value := category(review)) is not None]
        place = units.place(opinion.picture)
        found[place] += coincidence(said, categories)
        same[place] += sum(one == other for one, other in combinations(said, 2))
        pairs[place] += len(said) * (len(said) - 1) / 2
        pictures += len(said) > 1
    if not pictures:
        return None
    held = pairs > 0
    alpha = bootstrap([Alpha(found[held], scale)], int(held.sum()), random, rounds=rounds)[0]
    return Agreement(pictures, int(pairs.sum()), _shared(same, pairs), told(alpha))


def _pairs(
    opinions: Sequence[Opinion], units: Units, random: np.random.Generator, rounds: int
) -> tuple[Pair, ...]:
    tables: dict[tuple[str, str], Floats] = {}
    for opinion in opinions:
        said = {
            review.reviewer: value for review in opinion.reviews if (value := readable(review)) is not None
        }
        for first, second in combinations(sorted(said), 2):
            table = tables.setdefault((first, second), np.zeros((len(units), 2, 2)))
            table[units.place(opinion.picture), said[first], said[second]] += 1
    return tuple(_pair(*names, tables[names], random, rounds) for names in sorted(tables))


def _pair(first: str, second: str, table: Floats, random: np.random.Generator, rounds: int) -> Pair:
    counts = table.sum(axis=(1, 2))
    table, counts = table[counts > 0], counts[counts > 0]
    kappa = bootstrap([Kappa(table)], len(table), random, rounds=rounds)[0]
    same = np.trace(table, axis1=1, axis2=2)
    return Pair(first, second, int(counts.sum()), _shared(same, counts), told(kappa))


def _shared(hits: Floats, counts: Floats) -> Estimate:
    found = share(hits, counts)
    return Estimate(found.value, found.low, found.high)
