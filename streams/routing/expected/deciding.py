"""What to do next for one prompt: the step that makes an accepted image cost least, on average.

Pure: the same policy, table, features, offers, tries, purse and random source give the same decision.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from streams.routing.expected.exploring import Purse, imagined
from streams.routing.expected.features import Features
from streams.routing.expected.grades import UNKNOWN, Credit, credited, passing, updated
from streams.routing.expected.planning import Choice, Option, Prices, options
from streams.routing.expected.policyfile import ExpectedPolicy
from streams.routing.expected.rates import Beta, Table

Ending = Literal["pass", "near", "far", "refused", "failed"]
Step = Literal["accept", "draw", "reroll", "escalate", "compose", "person"]
_NEVER: Final = float("inf")


@dataclass(frozen=True, slots=True)
class Offer:
    """An engine that may be called now, at the most that one picture may cost, our own machines included.

    `emulated` says that the emulator would draw in its place, whose results tell nothing of the engine.
    """

    engine: str
    usd: float
    emulated: bool = False


@dataclass(frozen=True, slots=True)
class Tried:
    """A picture that was asked for. `near` and `far` say how it missed; `refused` and `failed` gave none."""

    engine: str
    ending: Ending


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What is held of an engine in this prompt's bucket; `here` is the chance of its next picture to pass."""

    engine: str
    prior: float
    posterior: Beta
    here: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """One step that could be taken; `expected_usd` is the whole way from here to an accepted image."""

    step: Step
    engine: str
    expected_usd: float
    passing: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`usd` is to be held against the purse; `explored` says that `instead` would have been the cheapest.

    `belief` is the chance that this prompt is a plain one. `rates` and `ranked` are what it rests on.
    """

    step: Step
    engine: str
    usd: float
    expected_usd: float
    explored: bool
    instead: str
    belief: float
    rates: tuple[Rate, ...]
    ranked: tuple[Ranked, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One prompt as it stands. `budget_usd` is what it may still spend on pictures."""

    features: Features
    offers: Sequence[Offer]
    tries: Sequence[Tried] = ()
    budget_usd: float = _NEVER


def decide(
    policy: ExpectedPolicy,
    table: Table,
    question: Question,
    purse: Purse,
    source: random.Random,
    *,
    every: bool = False,
) -> Decision:
    """The next step. With `every`, `ranked` holds also the steps that cannot be the cheapest.

    Raises:
        KeyError: an engine is offered or was tried that the policy has no rates for.
    """
    belief = believed(policy, table, question.features, question.tries)
    if question.tries and question.tries[-1].ending == "pass":
        return _judged(policy, table, question, belief)
    known = _known(policy, table, question)
    ranked = _ranked(
        policy, question, belief, {name: beta.mean for name, beta in known.items()}, table, every
    )
    other = _explored(policy, table, question, belief, known, ranked[0], purse, source)
    best, explored = (ranked[0], False) if other is None else (other, True)
    engine = policy.compose.engine if best.step == "compose" else best.engine
    return Decision(
        step=_step(best, question.tries),
        engine=engine,
        usd=_usd(question, engine),
        expected_usd=next((o.expected_usd for o in ranked if _same(o, best)), best.expected_usd),
        explored=explored,
        instead=ranked[0].engine or ranked[0].step if explored else "",
        belief=belief,
        rates=_rates(policy, table, question.features, known, belief),
        ranked=tuple(_as_ranked(option, question.tries) for option in ranked),
    )


def believed(policy: ExpectedPolicy, table: Table, features: Features, tries: Sequence[Tried]) -> float:
    """The chance that this prompt is plain, after what was drawn for it."""
    belief, evidence = UNKNOWN, policy.seen()
    for tried in tries:
        if tried.engine == policy.compose.engine or tried.ending == "refused" or tried.ending == "failed":
            continue
        rate = table.posterior(tried.engine, features.bucket).mean
        belief = updated(belief, rate, tried.ending, evidence)
    return belief


def learned(policy: ExpectedPolicy, table: Table, features: Features, tries: Sequence[Tried]) -> Table:
    """The table after the last of `tries`."""
    found = credit_of(policy, table, features, tries)
    return table if found is None else table.noted(tries[-1].engine, features.bucket, found)


def credit_of(
    policy: ExpectedPolicy, table: Table, features: Features, tries: Sequence[Tried]
) -> Credit | None:
    """What the last of `tries` tells of its engine; None where it was away or nobody could judge it."""
    *earlier, last = tries
    if last.ending == "failed" or not features.readable or features.regions == 0:
        return None
    passed = last.ending == "pass"
    if last.engine == policy.compose.engine:
        return Credit(float(passed), float(not passed))
    rate = table.posterior(last.engine, features.bucket).mean
    belief = believed(policy, table, features, earlier)
    return credited(rate, belief, policy.evidence.odds, passed=passed)


def _known(policy: ExpectedPolicy, table: Table, question: Question) -> dict[str, Beta]:
    """What is held of the engines that may draw: none where no reader knows the script to judge them."""
    if not question.features.readable:
        return {}
    bucket = question.features.bucket
    names = sorted(offer.engine for offer in question.offers if offer.engine != policy.compose.engine)
    return {name: table.posterior(name, bucket) for name in names}


def _ranked(
    policy: ExpectedPolicy,
    question: Question,
    belief: float,
    rates: Mapping[str, float],
    table: Table,
    every: bool,
) -> tuple[Option, ...]:
    second = policy.prices.second_usd
    choices = []
    for name, rate in rates.items():
        engine, usd = policy.engines[name], _usd(question, name)
        draws = _draws_left(engine.draws, name, question.tries)
        choices.append(Choice(name, rate, usd, usd + engine.seconds * second, draws))
    return options(
        choices,
        Prices(policy.prices.person_usd, policy.prices.wrong_usd, _composing(policy, table, question)),
        policy.trust(),
        policy.seen(),
        belief=belief,
        attempts=max(0, policy.attempts - len(question.tries)),
        budget_usd=question.budget_usd,
        every=every,
    )


def _draws_left(most: int, engine: str, tries: Sequence[Tried]) -> int:
    endings = [tried.ending for tried in tries if tried.engine == engine]
    gave_none = any(ending in ("refused", "failed") for ending in endings)
    return 0 if gave_none else most - len(endings)


def _composing(policy: ExpectedPolicy, table: Table, question: Question) -> float:
    name = policy.compose.engine
    offered = any(offer.engine == name for offer in question.offers)
    if not offered or question.features.regions == 0 or any(tried.engine == name for tried in question.tries):
        return _NEVER
    usd = _usd(question, name)
    if usd > question.budget_usd:
        return _NEVER
    misses = 1 - table.posterior(name, question.features.bucket).mean
    spent = usd + policy.compose.seconds * policy.prices.second_usd
    return spent + policy.prices.composed(question.features.tags) + misses * policy.prices.person_usd


def _explored(
    policy: ExpectedPolicy,
    table: Table,
    question: Question,
    belief: float,
    known: Mapping[str, Beta],
    best: Option,
    purse: Purse,
    source: random.Random,
) -> Option | None:
    """Another engine that may be the best for all we know, where the purse has its price."""
    if policy.exploration.way == "none" or not any(
        purse.affords(_usd(question, name)) for name in known if name != best.engine
    ):
        return None
    maybe = _ranked(policy, question, belief, imagined(known, source), table, every=False)[0]
    if maybe.step != "draw" or _same(maybe, best) or not purse.affords(_usd(question, maybe.engine)):
        return None
    return maybe


def _judged(policy: ExpectedPolicy, table: Table, question: Question, belief: float) -> Decision:
    """The last picture passed: to accept it costs the risk that it is wrong all the same."""
    last, earlier = question.tries[-1], question.tries[:-1]
    risk = chance = 0.0
    if last.engine != policy.compose.engine:
        rate = table.posterior(last.engine, question.features.bucket).mean
        before = believed(policy, table, question.features, earlier)
        chance = passing(rate, before, policy.evidence.odds)
        risk = policy.prices.wrong_usd * policy.trust().passes_and_is_wrong(chance) / max(1e-9, chance)
    steps: list[Ranked] = [
        Ranked(step="accept", engine=last.engine, expected_usd=risk, passing=1.0),
        Ranked(step="person", engine="", expected_usd=policy.prices.person_usd, passing=1.0),
    ]
    ranked = sorted(steps, key=lambda option: option.expected_usd)
    return Decision(
        step=ranked[0].step,
        engine=ranked[0].engine,
        usd=0.0,
        expected_usd=ranked[0].expected_usd,
        explored=False,
        instead="",
        belief=belief,
        rates=_rates(policy, table, question.features, _known(policy, table, question), belief),
        ranked=tuple(ranked),
    )


def _rates(
    policy: ExpectedPolicy, table: Table, features: Features, known: Mapping[str, Beta], belief: float
) -> tuple[Rate, ...]:
    odds = policy.evidence.odds
    return tuple(
        Rate(
            engine=name,
            prior=table.prior(name, features.bucket),
            posterior=beta,
            here=passing(beta.mean, belief, odds),
        )
        for name, beta in known.items()
    )


def _usd(question: Question, engine: str) -> float:
    return next((offer.usd for offer in question.offers if offer.engine == engine), 0.0)


def _same(one: Option, other: Option) -> bool:
    return one.step == other.step and one.engine == other.engine


def _step(option: Option, tries: Sequence[Tried]) -> Step:
    if option.step != "draw" or not tries:
        return option.step
    return "reroll" if any(tried.engine == option.engine for tried in tries) else "escalate"


def _as_ranked(option: Option, tries: Sequence[Tried]) -> Ranked:
    return Ranked(
        step=_step(option, tries),
        engine=option.engine,
        expected_usd=option.expected_usd,
        passing=option.passing,
    )
