"""How well a score tells right pictures from wrong ones: AUC, reliability, what a threshold lets through.

All figures know which pictures belong to one poster; intervals resample posters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.bench.statistics import Floats, Interval, Ratio, bootstrap

ROUNDS: Final = 4_000
# Finer near 1, where what is accepted lies.
EDGES: Final = (0.0, 0.25, 0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.999, 1.0)


@dataclass(frozen=True, slots=True)
class Scored:
    """One picture: the poster it is of, whether it is truly right, and its score from 0 to 1."""

    poster: str
    right: bool
    score: float


@dataclass(frozen=True, slots=True)
class Auc:
    """The chance that a right picture scores above a wrong one, ties half (Hanley and McNeil, 1982).

    `wins[u, v]` are pairs of a right picture of poster u and a wrong one of v, won by the right one;
    `right` and `wrong` count the pictures of each poster.
    """

    wins: Floats
    right: Floats
    wrong: Floats

    @classmethod
    def of(cls, pictures: Sequence[Scored], posters: Sequence[str]) -> Auc:
        """Over `posters`, in this order, which two measures to be compared must share."""
        place = {poster: index for index, poster in enumerate(posters)}
        wins = np.zeros((len(posters), len(posters)))
        good = [picture for picture in pictures if picture.right]
        bad = [picture for picture in pictures if not picture.right]
        if good and bad:
            above = np.array([g.score for g in good])[:, None] - np.array([b.score for b in bad])[None, :]
            won = (above > 0) + 0.5 * (above == 0)
            rows, columns = (np.array([place[p.poster] for p in side]) for side in (good, bad))
            np.add.at(wins, (rows[:, None], columns[None, :]), won)
        counts = [
            np.bincount([place[p.poster] for p in side], minlength=len(posters)).astype(np.float64)
            for side in (good, bad)
        ]
        return cls(wins, *counts)

    def over(self, weights: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            won = np.einsum("ru,uv,rv->r", weights, self.wins, weights, optimize=True)
            return np.asarray(won / ((weights @ self.right) * (weights @ self.wrong)), np.float64)


@dataclass(frozen=True, slots=True)
class Lead:
    """One AUC less the best of others, each resample choosing its own best: the strictest comparison."""

    ours: Auc
    others: Sequence[Auc]

    def over(self, weights: Floats) -> Floats:
        best = np.max([other.over(weights) for other in self.others], axis=0)
        return np.asarray(self.ours.over(weights) - best, np.float64)


def auc(pictures: Sequence[Scored], random: np.random.Generator, *, rounds: int = ROUNDS) -> Interval:
    """AUC with its interval over resampled posters."""
    posters = _posters(pictures)
    return bootstrap([Auc.of(pictures, posters)], len(posters), random, rounds=rounds)[0]


def lead(
    ours: Sequence[Scored],
    others: Mapping[str, Sequence[Scored]],
    random: np.random.Generator,
    *,
    rounds: int = ROUNDS,
) -> tuple[Interval, dict[str, Interval], Interval]:
    """Our AUC, each other's, and our lead over the best of them, all over the same resampled posters."""
    posters = _posters(ours)
    own = Auc.of(ours, posters)
    rest = {name: Auc.of(pictures, posters) for name, pictures in others.items()}
    found = bootstrap(
        [own, *rest.values(), Lead(own, tuple(rest.values()))], len(posters), random, rounds=rounds
    )
    return found[0], dict(zip(rest, found[1:-1], strict=True)), found[-1]


@dataclass(frozen=True, slots=True)
class Bin:
    """Pictures whose score lies in [low, high): their mean score, and the share that is truly right."""

    low: float
    high: float
    count: int
    score: float
    right: float


def reliability(pictures: Sequence[Scored], edges: Sequence[float] = EDGES) -> tuple[Bin, ...]:
    """Bins that hold a picture; the last one takes its upper edge in."""
    scores = np.array([picture.score for picture in pictures])
    right = np.array([picture.right for picture in pictures], np.float64)
    place = np.clip(np.searchsorted(edges, scores, side="right") - 1, 0, len(edges) - 2)
    return tuple(
        Bin(
            edges[k],
            edges[k + 1],
            int(inside.sum()),
            float(scores[inside].mean()),
            float(right[inside].mean()),
        )
        for k in range(len(edges) - 1)
        if (inside := place == k).any()
    )


def brier(pictures: Sequence[Scored], shares: Floats | None = None) -> float:
    """The mean of (score - truth) squared, weighted by `shares` (Brier, Monthly Weather Review 78, 1950)."""
    errors = np.array([(picture.score - picture.right) ** 2 for picture in pictures])
    return float(np.average(errors, weights=shares))


@dataclass(frozen=True, slots=True)
class Gate:
    """What an acceptance lets through, where a share `prior` of all pictures is right.

    `purity` is the share of truly right pictures among the accepted, `refused` that of right pictures that
    are not accepted.
    """

    purity: Interval
    refused: Interval


def gate(
    posters: Sequence[str],
    right: Sequence[bool],
    accepted: Sequence[bool],
    random: np.random.Generator,
    *,
    prior: float = 0.5,
    rounds: int = ROUNDS,
) -> Gate:
    """Purity and cost of a decision over pictures; intervals over resampled posters.

    Raises:
        ValueError: there is no right picture, or no wrong one.
    """
    truth, taken = np.array(right), np.array(accepted)
    if truth.all() or not truth.any():
        raise ValueError(f"right: {int(truth.sum())} of {len(truth)} pictures are; both kinds are needed")
    names = sorted(set(posters))
    place = {name: index for index, name in enumerate(names)}
    units = np.array([place[each] for each in posters])
    weight = np.where(truth, prior / truth.sum(), (1 - prior) / (~truth).sum())

    def summed(of: NDArray[np.bool_]) -> Floats:
        return np.bincount(units, weight * of, minlength=len(names)).astype(np.float64)

    measures = (
        Ratio(summed(taken & truth), summed(taken)),
        Ratio(summed(truth & ~taken), summed(truth)),
    )
    found = bootstrap(measures, len(names), random, rounds=rounds)
    return Gate(*found)


def _posters(pictures: Sequence[Scored]) -> list[str]:
    return sorted({picture.poster for picture in pictures})
