"""The brief's three policies and the one of expected costs, on the same prompts with the same luck.

The three are decided by `decide_route` and `decide_verdict` themselves, from readings like those of `score`;
what is simulated is the engines.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from inference.engines.entries import Registry
from schemas.events import (
    Asset,
    Attempt,
    Legibility,
    Pictures,
    PromptEvent,
    PromptRef,
    RenderJob,
    Spec,
    TextReading,
)
from schemas.wire import decode
from streams.routing.expected.deciding import Ending, Offer, Question, Tried, decide, learned
from streams.routing.expected.exploring import Purse
from streams.routing.expected.features import Features, features_of
from streams.routing.expected.grades import Evidence
from streams.routing.expected.policyfile import ExpectedPolicy
from streams.routing.fanout import specs
from streams.routing.policy import LAYOUT_ENGINE, Policy
from streams.routing.table import decide_route
from streams.routing.verdict import best_attempt, decide_verdict
from tests.bench.routing_world import PROMPTS, Prompts, drawn, is_readable

TODAY = dt.date(2026, 11, 22)
USD_PER_GPU_HOUR, USD_PER_CPU_HOUR = 3.0, 0.05
SCORES: dict[Ending, float] = {"pass": 0.97, "near": 0.70, "far": 0.30, "refused": 0.0, "failed": 0.0}
_PIXELS = 1024 * 1024
_PICTURE = Asset("file:simulated", "0" * 64, "image/png", 0)
_PICTURES = Pictures(image=_PICTURE, original=_PICTURE)


@dataclass(frozen=True, slots=True)
class Published:
    """Rates as published, for each prompt with its own number of texts."""

    policy: ExpectedPolicy
    evidence: Evidence

    def rate(self, engine: str, features: Features, shift: float) -> float:
        del shift
        return self.policy.published(engine, features)


@dataclass(frozen=True, slots=True)
class Final:
    """How one prompt ended. `usd` are hosted calls and our machines. `loss_usd` is what follows besides:
    waiting, composed instead of drawn, a wrong picture delivered, and a person where nothing was accepted.
    """

    usd: float
    seconds: float
    score: float
    accepted: bool
    composed: bool
    loss_usd: float
    hosted: int


@dataclass(frozen=True, slots=True)
class Ordered:
    """One prompt as it is ordered."""

    event: PromptEvent
    spec: Spec
    features: Features


@dataclass(frozen=True, slots=True)
class Stand:
    """Everything that the policies have in common. `made` draws for `orders[index]`."""

    policy: ExpectedPolicy
    truth: Published
    orders: tuple[Ordered, ...]
    prompts: Prompts
    registry: Registry

    def resolved(self, engine: str) -> str:
        return self.registry.resolve(engine, today=TODAY).name

    def usd(self, engine: str, spec: Spec) -> float:
        price = self.registry.get(engine).price
        return price.of(
            spec.width,
            spec.height,
            self.seconds(engine, spec),
            usd_per_gpu_hour=USD_PER_GPU_HOUR,
            usd_per_cpu_hour=USD_PER_CPU_HOUR,
        )

    def seconds(self, engine: str, spec: Spec) -> float:
        """Our own engine's time goes with the pixels; that of a hosted one with the model."""
        if engine == self.policy.compose.engine:
            return self.policy.compose.seconds
        seconds = self.policy.engines[engine].seconds
        return seconds * spec.width * spec.height / _PIXELS if engine == "sd3.5_medium" else seconds


def orders() -> Iterator[Ordered]:
    """prompts/ai_posters.txt, the first variant of each."""
    for line in PROMPTS.read_bytes().splitlines():
        event = decode(PromptEvent, line)
        _, spec = next(specs(event))
        features = features_of(spec.texts, spec.tags, readable=is_readable(spec.texts))
        yield Ordered(event, spec, features)


def by_table(stand: Stand, policy: Policy, index: int) -> Final:
    """One prompt by the table and the verdict."""
    order = stand.orders[index]
    route = decide_route(order.event, order.spec.texts, policy)
    job = RenderJob(
        ref=PromptRef(order.event.source, order.event.id),
        spec=order.spec,
        engine=route.engine,
        purpose=route.purpose,
        ordinal=0,
        route=route.name,
        reason=route.reason,
        policy=policy.label,
        budget_usd=order.event.budget_usd,
    )
    attempts: tuple[Attempt, ...] = ()
    tries: tuple[Tried, ...] = ()
    risks: list[float] = []
    while True:
        engine = stand.resolved(job.engine)
        picture = drawn(stand.policy, stand.truth, stand.prompts, index, engine, tries)
        risks.append(picture.risk)
        tries = (*tries, Tried(engine, picture.ending))
        attempts = (*attempts, _attempt(stand, job, engine, picture.ending, order.features.readable))
        verdict = decide_verdict(job, attempts, policy, partial(_list_price, stand, order.spec))
        if verdict.status is not None:
            break
        job = replace(
            job, engine=verdict.engine, purpose=verdict.purpose, ordinal=job.ordinal + 1, history=attempts
        )
    accepted = verdict.status == "accepted"
    last = (best_attempt(attempts) if verdict.action == "stop" else None) or attempts[-1]
    return _final(stand, index, attempts, accepted, last, risks[last.ordinal])


def _list_price(stand: Stand, spec: Spec, engine: str) -> float:
    return stand.usd(stand.resolved(engine), spec)


def _attempt(stand: Stand, job: RenderJob, engine: str, ending: Ending, readable: bool) -> Attempt:
    composed = engine == LAYOUT_ENGINE
    return Attempt(
        ordinal=job.ordinal,
        purpose=job.purpose,
        engine=job.engine,
        outcome="rendered",
        resolved_engine=engine,
        pictures=_PICTURES,
        legibility=_reading(job.spec, ending, readable=readable, composed=composed),
        usd=stand.usd(engine, job.spec),
        seconds=stand.seconds(engine, job.spec),
    )


def _reading(spec: Spec, ending: Ending, *, readable: bool, composed: bool) -> Legibility:
    if not readable:
        texts = tuple(
            TextReading(text=t.text, verdict="unreadable_by_reader", critical=t.critical) for t in spec.texts
        )
        return Legibility(
            score=None,
            recall=None,
            precision=None,
            critical_exact=False,
            texts=texts,
            by_construction=composed,
        )
    score, right = SCORES[ending], ending == "pass"
    texts = tuple(
        TextReading(
            text=text.text,
            verdict="read" if right else "missed",
            similarity=1.0 if right else score,
            exact=right,
            critical=text.critical,
        )
        for text in spec.texts
    )
    return Legibility(
        score=score, recall=score, precision=1.0, critical_exact=right, texts=texts, by_construction=composed
    )


def _final(
    stand: Stand, index: int, attempts: Sequence[Attempt], accepted: bool, last: Attempt, risk: float
) -> Final:
    prices, features = stand.policy.prices, stand.orders[index].features
    seconds = sum(attempt.seconds for attempt in attempts)
    composed = accepted and last.resolved_engine == LAYOUT_ENGINE
    loss = seconds * prices.second_usd
    if not accepted:
        loss += prices.person_usd
    elif composed:
        loss += prices.composed(features.tags)
    else:
        loss += prices.wrong_usd * risk
    score = last.legibility.score if last.legibility else None
    # What no reader can judge is right where we set it, and not known to be right elsewhere.
    legible = score if score is not None else float(composed)
    return Final(
        usd=sum(attempt.usd for attempt in attempts),
        seconds=seconds,
        score=legible,
        accepted=accepted,
        composed=composed,
        loss_usd=loss,
        hosted=sum(a.resolved_engine not in ("sd3.5_medium", LAYOUT_ENGINE) for a in attempts),
    )


def by_expected_cost(stand: Stand, indices: Sequence[int], seed: int) -> dict[int, Final]:
    """All prompts in this order, learning from each."""
    policy, finals = stand.policy, {}
    table, purse = policy.table(), Purse(policy.exploration.share)
    source = random.Random(f"policies-{seed}")
    names = (*policy.engines, policy.compose.engine)
    for index in indices:
        order = stand.orders[index]
        offers = tuple(Offer(name, stand.usd(name, order.spec)) for name in names)
        tries: tuple[Tried, ...] = ()
        attempts: tuple[Attempt, ...] = ()
        risk = 0.0
        while True:
            question = Question(
                features=order.features,
                offers=offers,
                tries=tries,
                budget_usd=(order.event.budget_usd or float("inf")) - sum(a.usd for a in attempts),
            )
            decision = decide(policy, table, question, purse, source)
            if decision.step in ("accept", "person"):
                break
            engine = decision.engine
            picture = drawn(policy, stand.truth, stand.prompts, index, engine, tries)
            risk, tries = picture.risk, (*tries, Tried(engine, picture.ending))
            job = RenderJob(
                ref=PromptRef(order.event.source, order.event.id), spec=order.spec, engine=engine,
                purpose="final", ordinal=len(attempts), route="", reason="", policy=policy.label,
            )  # fmt: skip
            attempts = (*attempts, _attempt(stand, job, engine, picture.ending, order.features.readable))
            purse = purse.booked(decision.usd, explored=decision.explored)
            table = learned(policy, table, order.features, tries)
        if not attempts:
            finals[index] = Final(0.0, 0.0, 0.0, False, False, policy.prices.person_usd, 0)
            continue
        finals[index] = _final(stand, index, attempts, decision.step == "accept", attempts[-1], risk)
    return finals
