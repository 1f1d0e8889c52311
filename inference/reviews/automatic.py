"""How far the automatic acceptance and the score agree with what people said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.bench.comparison import difference, holm
from inference.bench.figures import Estimate
from inference.bench.statistics import ROUNDS, Floats, Positions, bootstrap, share
from inference.legibility.acceptance import Acceptance
from inference.reviews.pictures import Opinion, Picture
from inference.reviews.ranks import Auc, Spearman
from inference.reviews.units import Units, sums, told

EDGES: Final = (0.0, 0.25, 0.5, 0.7, 0.85, 0.95, 1.0)
CANDIDATES: Final = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98)
# Below, the interval of a share of nine in ten is wider than 0.2, and one picture changes everything.
LEAST_PICTURES: Final = 30
LEAST_OF_A_KIND: Final = 5
LEVEL: Final = 0.05


@dataclass(frozen=True, slots=True)
class Judged:
    """A picture that a reader could judge and on whose `readable` people are of one mind."""

    picture: Picture
    score: float
    accepted: bool
    readable: bool
    rating: float


@dataclass(frozen=True, slots=True)
class Bin:
    """The pictures with a score from `low` up to `high`, which only the last bin holds too."""

    low: float
    high: float
    pictures: int
    readable: Estimate
    rating: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """Another threshold, all else as it is, and how much more often it agrees with people; `p` after Holm."""

    score: float
    agrees: float
    difference: Estimate
    p: float


@dataclass(frozen=True, slots=True)
class Threshold:
    """`stands` is None where too few pictures say anything."""

    score: float
    stands: bool | None
    sentence: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Automatic:
    """The acceptance beside people's `readable`, over pictures on which both have a verdict.

    `right_when_accepted` is the share of accepted pictures that people can read, `right_when_rejected` the
    share of the others that they cannot.
    """

    pictures: int
    agrees: Estimate
    accepted_readable: int
    accepted_unreadable: int
    rejected_readable: int
    rejected_unreadable: int
    right_when_accepted: Estimate | None
    right_when_rejected: Estimate | None
    auc: Estimate | None
    spearman: Estimate | None
    bins: tuple[Bin, ...]
    threshold: Threshold
    false_accepts: tuple[Judged, ...]
    false_rejects: tuple[Judged, ...]


def judged(opinions: Sequence[Opinion], acceptance: Acceptance) -> list[Judged]:
    return [
        Judged(opinion.picture, score, accepted, readable, opinion.rating)
        for opinion in opinions
        if (accepted := opinion.picture.accepted(acceptance)) is not None
        and (readable := opinion.readable) is not None
        and (score := opinion.picture.score) is not None
    ]


def automatic(
    both: Sequence[Judged],
    acceptance: Acceptance,
    random: np.random.Generator,
    *,
    rounds: int = ROUNDS,
) -> Automatic:
    """Raises:
    ValueError: `both` is empty.
    """
    if not both:
        raise ValueError("pictures: none that both a reader and people judged")
    units = Units.of([each.picture for each in both])
    places = units.of_each(each.picture for each in both)
    scores, readable, rating = (
        np.array(values, np.float64)
        for values in zip(*((each.score, each.readable, each.rating) for each in both), strict=True)
    )
    accepted = np.array([each.accepted for each in both])
    right = (accepted == readable).astype(np.float64)
    auc, spearman = bootstrap(
        [Auc.of(scores, readable, places), Spearman.of(scores, rating, places)],
        len(units),
        random,
        rounds=rounds,
    )
    false_accepts = [each for each in both if each.accepted and not each.readable]
    false_rejects = [each for each in both if each.readable and not each.accepted]
    agrees = _share(right, places, len(units))
    return Automatic(
        pictures=len(both),
        agrees=agrees,
        accepted_readable=sum(each.accepted and each.readable for each in both),
        accepted_unreadable=len(false_accepts),
        rejected_readable=len(false_rejects),
        rejected_unreadable=sum(not each.accepted and not each.readable for each in both),
        right_when_accepted=_share_within(accepted, right, places, len(units)),
        right_when_rejected=_share_within(~accepted, right, places, len(units)),
        auc=told(auc),
        spearman=told(spearman),
        bins=_bins(both, places, len(units)),
        threshold=threshold(both, places, acceptance, agrees, random, rounds=rounds),
        false_accepts=tuple(sorted(false_accepts, key=lambda each: -each.score)),
        false_rejects=tuple(sorted(false_rejects, key=lambda each: each.score)),
    )


def threshold(
    both: Sequence[Judged],
    places: Positions,
    acceptance: Acceptance,
    agrees: Estimate,
    random: np.random.Generator,
    *,
    rounds: int = ROUNDS,
) -> Threshold:
    """Whether any other least score agrees with people significantly more often, after Holm's correction."""
    yes = sum(each.readable for each in both)
    asked = f"{len(both)} pictures ({yes} readable, {len(both) - yes} not)"
    if len(both) < LEAST_PICTURES or min(yes, len(both) - yes) < LEAST_OF_A_KIND:
        needed = f"at least {LEAST_PICTURES} are needed, {LEAST_OF_A_KIND} of either kind"
        sentence = f"with {asked} nothing can be told yet of the threshold {acceptance.score:g}: {needed}"
        return Threshold(acceptance.score, None, sentence, ())
    candidates = _candidates(both, places, acceptance, random, rounds)
    better = [each for each in candidates if each.difference.value > 0 and each.p < LEVEL]
    if better:
        best = max(better, key=lambda each: each.agrees)
        sentence = (
            f"the threshold {acceptance.score:g} is in doubt: {best.score:g} would agree with people "
            f"{best.difference:+.3f} more often (p {best.p:.2g} after Holm), over {asked}"
        )
        return Threshold(acceptance.score, False, sentence, candidates)
    sentence = (
        f"the threshold {acceptance.score:g} stands: it agrees with people on {agrees:.1%} of {asked}, and "
        f"none of {len(candidates)} others from {candidates[0].score:g} to {candidates[-1].score:g} does so "
        "significantly more often"
    )
    return Threshold(acceptance.score, True, sentence, candidates)


def _candidates(
    both: Sequence[Judged],
    places: Positions,
    acceptance: Acceptance,
    random: np.random.Generator,
    rounds: int,
) -> tuple[Candidate, ...]:
    others = [score for score in CANDIDATES if score != acceptance.score]
    ours = _agreeing(both, acceptance)
    found = []
    for score in others:
        theirs = _agreeing(both, replace(acceptance, score=score))
        compared = difference(theirs, ours, places, random, rounds=rounds)
        if (estimate := told(compared.mean)) is not None:
            found.append(Candidate(score, float(theirs.mean()), estimate, compared.p))
    corrected = holm([each.p for each in found])
    return tuple(replace(each, p=p) for each, p in zip(found, corrected, strict=True))


def _agreeing(both: Sequence[Judged], acceptance: Acceptance) -> Floats:
    return np.array([each.picture.accepted(acceptance) == each.readable for each in both], np.float64)


def _bins(both: Sequence[Judged], places: Positions, units: int) -> tuple[Bin, ...]:
    scores = np.array([each.score for each in both])
    readable = np.array([each.readable for each in both], np.float64)
    numbers = np.minimum(np.digitize(scores, EDGES) - 1, len(EDGES) - 2)
    found = []
    for number, (low, high) in enumerate(pairwise(EDGES)):
        inside = numbers == number
        estimate = _share_within(inside, readable, places, units)
        if estimate is not None:
            rating = float(np.mean([each.rating for each, held in zip(both, inside, strict=True) if held]))
            found.append(Bin(low, high, int(inside.sum()), estimate, rating))
    return tuple(found)


def _share_within(chosen: NDArray[np.bool_], hits: Floats, places: Positions, units: int) -> Estimate | None:
    """None where nothing is chosen."""
    return _share(hits[chosen], places[chosen], units) if chosen.any() else None


def _share(hits: Floats, places: Positions, units: int) -> Estimate:
    """The share of hits with its interval, prompts being the units."""
    found = share(sums(places, hits, units), sums(places, np.ones(len(hits)), units))
    return Estimate(found.value, found.low, found.high)
