"""The four policies on the same prompts with the same luck, as figures with paired intervals."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from inference.engines.registry import load_registry
from streams.routing.expected.policyfile import ExpectedPolicy
from streams.routing.policy import POLICIES
from tests.bench.routing_policies import Final, Published, Stand, by_expected_cost, by_table, orders
from tests.bench.routing_world import lots, on_offer

Floats: TypeAlias = npt.NDArray[np.float64]
EXPECTED, YARDSTICK = "expected", "hybrid"
ROUNDS = 4_000
TAIL = 0.025
WORTHS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6)
LOCAL, TEXT_TRAINED = "sd3.5_medium", "sd3.5_medium_text"


@dataclass(frozen=True, slots=True)
class Interval:
    value: float
    low: float
    high: float

    @property
    def plain(self) -> tuple[float, float, float]:
        return self.value, self.low, self.high


Paired: TypeAlias = Mapping[str, list[Final]]
Figure: TypeAlias = Callable[[Mapping[str, Floats]], Floats]


def ran(policy: ExpectedPolicy, samples: int, seed: int, *, truth: ExpectedPolicy | None = None) -> Paired:
    """Each poster `samples` times by each policy; `truth` has the rates that hold, where belief is wrong."""
    posters = tuple(orders())
    asked = posters * samples
    prompts = lots(policy, seed, [order.features for order in asked])
    stand = Stand(policy, Published(truth or policy, policy.seen()), asked, prompts, load_registry())
    finals = {
        name: [by_table(stand, table, index) for index in range(len(asked))]
        for name, table in POLICIES.items()
    }
    order = list(range(len(asked)))
    random.Random(seed).shuffle(order)
    learnt = by_expected_cost(stand, order, seed)
    return {**finals, EXPECTED: [learnt[index] for index in range(len(asked))]}


def figures(finals: Paired, posters: int) -> dict[str, dict[str, object]]:
    """By policy: the figures with 95 % intervals over resampled posters, and their differences to hybrid."""
    random_ = np.random.default_rng(0)
    chosen = random_.multinomial(posters, [1 / posters] * posters, size=ROUNDS).astype(np.float64)
    weights = np.vstack([np.ones(posters), chosen])
    by_poster = {name: _by_poster(found, posters) for name, found in finals.items()}
    drawn = {
        name: {kind: each @ weights.T for kind, each in sums.items()} for name, sums in by_poster.items()
    }
    yardstick = {kind: figure(drawn[YARDSTICK]) for kind, figure in FIGURES.items()}
    told: dict[str, dict[str, object]] = {}
    for name, sums in drawn.items():
        values = {kind: figure(sums) for kind, figure in FIGURES.items()}
        seconds = [final.seconds for final in finals[name]]
        told[name] = {
            "p50_s": float(np.quantile(seconds, 0.5)),
            "p95_s": float(np.quantile(seconds, 0.95)),
            **{kind: interval(each).plain for kind, each in values.items()},
            "against_hybrid": {kind: interval(each - yardstick[kind]).plain for kind, each in values.items()},
        }
    return told


def _by_poster(finals: list[Final], posters: int) -> dict[str, Floats]:
    def summed(of: Callable[[Final], float]) -> Floats:
        total: Floats = np.array([of(final) for final in finals]).reshape(-1, posters).sum(axis=0)
        return total

    return {
        "count": summed(lambda _: 1.0),
        "usd": summed(lambda final: final.usd),
        "seconds": summed(lambda final: final.seconds),
        "score": summed(lambda final: final.score),
        "accepted": summed(lambda final: float(final.accepted)),
        "composed": summed(lambda final: float(final.composed)),
        "hosted": summed(lambda final: float(final.hosted)),
        "whole": summed(lambda final: final.usd + final.loss_usd),
    }


FIGURES: Mapping[str, Figure] = {
    "seconds": lambda sums: sums["seconds"] / sums["count"],
    "legibility": lambda sums: sums["score"] / sums["count"],
    "accepted": lambda sums: sums["accepted"] / sums["count"],
    "composed": lambda sums: sums["composed"] / sums["count"],
    "hosted": lambda sums: sums["hosted"] / sums["count"],
    "usd_per_1000_rendered": lambda sums: 1_000 * sums["usd"] / sums["count"],
    "usd_per_1000_accepted": lambda sums: 1_000 * sums["usd"] / sums["accepted"],
    "whole_per_1000": lambda sums: 1_000 * sums["whole"] / sums["count"],
}


def interval(drawn: Floats) -> Interval:
    """The first is the figure itself, the others are of resamples."""
    low, high = np.quantile(drawn[1:], (TAIL, 1 - TAIL))
    return Interval(float(drawn[0]), float(low), float(high))


def by_worth(policy: ExpectedPolicy, samples: int, seed: int) -> dict[str, list[float]]:
    """The whole cost of 1,000 prompts, by what it is worth that words are drawn and not set (`WORTHS`)."""
    found: dict[str, list[float]] = {}
    for usd in WORTHS:
        prices = replace(policy.prices, composed_usd=usd, composed_by_tag={"layout-only": 0.0})
        for name, finals in ran(replace(policy, prices=prices), samples, seed).items():
            whole = [final.usd + final.loss_usd for final in finals]
            found.setdefault(name, []).append(1_000 * float(np.mean(whole)))
    return found


def with_accuracy(policy: ExpectedPolicy, engine: str, accuracy: float) -> ExpectedPolicy:
    changed = replace(policy.engines[engine], accuracy=accuracy)
    return replace(policy, engines={**policy.engines, engine: changed})


def settings(whole: ExpectedPolicy) -> dict[str, tuple[ExpectedPolicy, ExpectedPolicy | None]]:
    """What the published figures leave open, turned both ways: what the policy believes, and what holds.

    `whole` has also the engines that are not on offer; the text-trained one takes the local one's place.
    """
    policy = on_offer(whole)
    trained = replace(policy, engines={**policy.engines, LOCAL: whole.engines[TEXT_TRAINED]})

    def together(share: float) -> ExpectedPolicy:
        return replace(policy, rates=replace(policy.rates, together=share))

    poor_ideogram = with_accuracy(policy, "ideogram_v2a_turbo", 0.61)
    hopeless = with_accuracy(policy, LOCAL, 0.05)
    return {
        "as published": (policy, None),
        "text-trained local engine (`sd3.5_medium_text`, 92 %)": (trained, None),
        "local engine that cannot spell (5 %), believed 59 %": (policy, hopeless),
        "Ideogram spells like DALL·E 3 (61 %), believed 80 %": (policy, poor_ideogram),
        "errors fall on the same pictures": (policy, together(0.0)),
        "every text fails by itself": (policy, together(1.0)),
    }
