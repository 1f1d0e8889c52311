"""What one picture of a prompt tells about its next one.

Prompts of one bucket are not alike: some are plain for every engine, some are awkward. Half of them count as
plain, and nobody knows which; what was drawn tells. For an engine whose rate over the whole bucket is p,
    plain   = p + d        awkward = p - d
with the d for which the odds of the two differ by the factor `odds` of the policy. A belief is the chance
that this prompt is plain; it begins at a half and is moved by Bayes' rule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

Band = Literal["pass", "near", "far"]

UNKNOWN: Final = 0.5


@dataclass(frozen=True, slots=True)
class Evidence:
    """How far a score speaks about the prompt.

    odds: the odds of passing of a plain prompt over those of an awkward one.
    near_plain, near_awkward: the share of near misses among the pictures that do not pass.
    near_miss: the least score of a near miss.
    """

    odds: float
    near_plain: float
    near_awkward: float
    near_miss: float = 0.55

    def band(self, *, passed: bool, score: float | None) -> Band:
        """Where a reading falls; the acceptance gate, not the score alone, says whether it passed."""
        if passed:
            return "pass"
        return "near" if (score or 0.0) >= self.near_miss else "far"

    def near_share(self, *, plain: bool) -> float:
        return self.near_plain if plain else self.near_awkward


def spread(rate: float, odds: float) -> float:
    """The d above: the root of (odds - 1) d^2 - (odds + 1) d + (odds - 1) rate (1 - rate) = 0 below 1/2."""
    if odds == 1.0:
        return 0.0
    more = odds - 1.0
    total = odds + 1.0
    return (total - math.sqrt(total * total - 4 * more * more * rate * (1 - rate))) / (2 * more)


def slope(rate: float, odds: float) -> float:
    """How d changes with the rate."""
    more = odds - 1.0
    return more * (1 - 2 * rate) / (odds + 1.0 - 2 * more * spread(rate, odds))


def passing(rate: float, belief: float, odds: float) -> float:
    """The chance that the next picture passes, for a prompt that is plain with chance `belief`."""
    return rate + (2 * belief - 1) * spread(rate, odds)


def updated(belief: float, rate: float, band: Band, evidence: Evidence) -> float:
    """The belief after one picture by an engine of that rate came out in that band."""
    apart = spread(rate, evidence.odds)
    plain, awkward = rate + apart, rate - apart
    if band == "pass":
        likely, unlikely = plain, awkward
    else:
        near = band == "near"
        likely = (1 - plain) * (evidence.near_plain if near else 1 - evidence.near_plain)
        unlikely = (1 - awkward) * (evidence.near_awkward if near else 1 - evidence.near_awkward)
    total = belief * likely + (1 - belief) * unlikely
    return belief * likely / total if total > 0 else belief


@dataclass(frozen=True, slots=True)
class Credit:
    """What one result weighs in the counts of passes and failures."""

    passed: float
    failed: float


def credited(rate: float, belief: float, odds: float, *, passed: bool) -> Credit:
    """The counts of one result that was made for a prompt of that belief.

    An engine that is asked only after another one failed sees awkward prompts: counted as they come, its
    results would make it look worse than it is. One step of Fisher scoring: the counts have the slope and the
    information about the rate that the result has. With a belief of a half it is one pass or one failure.
    """
    chance = min(1 - 1e-6, max(1e-6, passing(rate, belief, odds)))
    rise = 1 + (2 * belief - 1) * slope(rate, odds)
    room = rate * (1 - rate)
    weight = rise * rise * room / (chance * (1 - chance))
    pull = room * rise * (1 / chance if passed else -1 / (1 - chance))
    return Credit(weight * rate + pull, weight * (1 - rate) - pull)
