"""The cheapest way to an accepted image, by dynamic programming over what is left to try.

What can happen is small: at most `attempts` pictures, a few engines, and a picture that does not pass is a
near miss or far off. So the whole tree is looked at, and the answer is exact for the rates it is given. Two
orders of the same results lead to one belief, so results are counted, not listed.

    V(state) = min of  compose, person,  c + P(pass) A + P(near) V(state, near) + P(far) V(state, far)

over the engines that may draw; c is dollars and seconds of one picture, A the cheaper of accepting what
passed, at the risk that it is wrong, and having a person look at it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from streams.routing.expected.grades import UNKNOWN, Evidence, spread


@dataclass(frozen=True, slots=True)
class Gate:
    """How far a reading that passes can be trusted, as measured on posters with known flaws.

    passes_wrong: the share of wrong pictures that pass. refuses_right: the share of right ones that do not.
    """

    passes_wrong: float
    refuses_right: float

    def passes_and_is_wrong(self, passing: float) -> float:
        """Of all pictures, the share that passes and is wrong, where `passing` of them pass."""
        return max(0.0, self.concave(passing))

    def concave(self, passing: float) -> float:
        """The same, but below 0 where more pass than right ones could, so that it is concave."""
        right = (passing - self.passes_wrong) / (1 - self.passes_wrong - self.refuses_right)
        return self.passes_wrong * (1 - max(0.0, right))


@dataclass(frozen=True, slots=True)
class Prices:
    """What the ends of a prompt cost in dollars, of which the engines know nothing.

    person: a person makes it right. wrong: a wrong picture was delivered. compose: setting true type, and
    what is lost when the words are no part of the drawing; infinite where it cannot be done.
    """

    person: float
    wrong: float
    compose: float


@dataclass(frozen=True, slots=True)
class Choice:
    """An engine that may draw. `usd` are charged, `cost` adds what its seconds are worth.

    `draws` are how many more pictures it may make for this prompt.
    """

    engine: str
    rate: float
    usd: float
    cost: float
    draws: int


@dataclass(frozen=True, slots=True)
class Option:
    """A first step, and what the whole way costs on average with the best steps after it."""

    step: Literal["draw", "compose", "person"]
    engine: str
    expected_usd: float
    passing: float


def options(
    choices: Sequence[Choice],
    prices: Prices,
    gate: Gate,
    evidence: Evidence,
    *,
    belief: float,
    attempts: int,
    budget_usd: float = float("inf"),
    every: bool = True,
) -> tuple[Option, ...]:
    """The first steps, the cheapest first. There is always one: a person.

    `attempts` and `budget_usd` are what is left of pictures and of dollars for them. Unless `every` step is
    asked for, those that cannot be the cheapest may be left out.
    """
    tree = _Tree(choices, prices, gate, evidence, attempts)
    found = [Option("person", "", prices.person, 1.0)]
    if prices.compose < float("inf"):
        found.append(Option("compose", "", prices.compose, 1.0))
    if attempts > 0:
        best = min(option.expected_usd for option in found)
        for place, arm in enumerate(tree.arms):
            choice = arm.choice
            if choice.draws > 0 and choice.usd <= budget_usd and (every or arm.floor(belief) < best):
                cost = tree.drawing(place, 0, belief, attempts, budget_usd)
                best = min(best, cost)
                found.append(Option("draw", choice.engine, cost, arm.passing(belief)))
    # The sort is stable and the order of `found` is fixed, so equal costs are always decided alike.
    return tuple(sorted(found, key=lambda option: option.expected_usd))


@dataclass(frozen=True, slots=True)
class _Arm:
    """An engine in the tree: its rates by grade, and by grade a floor under what the way by it can cost."""

    choice: Choice
    plain: float
    awkward: float
    floor_plain: float
    floor_awkward: float

    def passing(self, belief: float) -> float:
        return belief * self.plain + (1 - belief) * self.awkward

    def floor(self, belief: float) -> float:
        return belief * self.floor_plain + (1 - belief) * self.floor_awkward


class _Tree:
    """V by what was tried. A state is a number with six bits for each engine: three for each sort of miss."""

    def __init__(
        self,
        choices: Sequence[Choice],
        prices: Prices,
        gate: Gate,
        evidence: Evidence,
        attempts: int,
    ) -> None:
        if attempts > 7:
            raise ValueError(f"attempts: {attempts} pictures are too many to look ahead; at most 7")
        self._prices, self._gate, self._evidence = prices, gate, evidence
        self._ending = min(prices.person, prices.compose)
        self.arms = self._armed(choices)
        self._known: dict[int, float] = {}

    def value(self, state: int, belief: float, left: int, budget: float) -> float:
        if left == 0:
            return self._ending
        known = self._known.get(state)
        if known is not None:
            return known
        best = self._ending
        for place, arm in enumerate(self.arms):
            tried = state >> (6 * place)
            if (tried & 7) + (tried >> 3 & 7) >= arm.choice.draws or arm.choice.usd > budget:
                continue
            if arm.floor(belief) < best:
                best = min(best, self.drawing(place, state, belief, left, budget))
        self._known[state] = best
        return best

    def drawing(self, place: int, state: int, belief: float, left: int, budget: float) -> float:
        arm, evidence = self.arms[place], self._evidence
        passing = arm.passing(belief)
        wrong = self._gate.passes_and_is_wrong(passing)
        cost = arm.choice.cost + min(self._prices.wrong * wrong, passing * self._prices.person)
        missing_plain, missing_awkward = belief * (1 - arm.plain), (1 - belief) * (1 - arm.awkward)
        if left == 1:
            return cost + (missing_plain + missing_awkward) * self._ending
        for sort, share_plain, share_awkward in (
            (1, evidence.near_plain, evidence.near_awkward),
            (8, 1 - evidence.near_plain, 1 - evidence.near_awkward),
        ):
            still_plain = missing_plain * share_plain
            chance = still_plain + missing_awkward * share_awkward
            if chance > 0:
                after = state + (sort << (6 * place))
                cost += chance * self.value(after, still_plain / chance, left - 1, budget - arm.choice.usd)
        return cost

    def _armed(self, choices: Sequence[Choice]) -> list[_Arm]:
        """The engines, the most promising first.

        Who knew the grade would draw in the order of cost by rate, for as long as that is below the end's
        cost. No way costs less, so a step that is dearer even then need not be looked at. What follows a pass
        is concave in the rate: over unknown grades it costs no less than the mean of what it costs by grade.
        """
        apart = [spread(choice.rate, self._evidence.odds) for choice in choices]
        floors = []
        for sign in (1, -1):
            rates = [choice.rate + sign * d for choice, d in zip(choices, apart, strict=True)]
            risks = [self._prices.wrong * self._gate.concave(p) for p in rates]
            once = [
                choice.cost + min(risk, p * self._prices.person)
                for choice, risk, p in zip(choices, risks, rates, strict=True)
            ]
            least = self._ending
            for p, cost, choice in sorted(
                zip(rates, once, choices, strict=True),
                key=lambda way: way[1] / max(1e-9, way[0]),
                reverse=True,
            ):
                for _ in range(choice.draws):
                    least = min(least, cost + (1 - p) * least)
            floors.append([cost + (1 - p) * least for cost, p in zip(once, rates, strict=True)])
        arms = [
            _Arm(choice, choice.rate + d, choice.rate - d, plain, awkward)
            for choice, d, plain, awkward in zip(choices, apart, *floors, strict=True)
        ]
        return sorted(arms, key=lambda arm: arm.floor(UNKNOWN))
