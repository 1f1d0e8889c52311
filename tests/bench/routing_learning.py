"""The learning policy beside one who knows the hidden rates, over the same prompts with the same luck."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from streams.routing.expected.deciding import Decision, Question, Tried, decide, learned
from streams.routing.expected.exploring import Purse
from streams.routing.expected.features import Features
from streams.routing.expected.policyfile import ExpectedPolicy
from streams.routing.expected.rates import Table
from tests.bench.routing_world import Hidden, Prompts, certain, drawn, offers

Truth = Callable[[int], Hidden]
# One result makes the others fade by less than this leaves, and an alarm by more.
FADES = 0.95


@dataclass(slots=True)
class Run:
    """By prompt: its whole cost, the dollars paid, and the share explored so far. `asked` counts pictures.

    `alarms` are the prompts and engines at which a change was believed and older results were dropped.
    """

    costs: npt.NDArray[np.float64]
    paid: npt.NDArray[np.float64]
    explored_share: npt.NDArray[np.float64]
    explorations: int = 0
    asked: dict[str, int] = field(default_factory=dict)
    alarms: list[tuple[int, str]] = field(default_factory=list)
    table: Table | None = None

    @classmethod
    def of(cls, count: int) -> Run:
        return cls(np.zeros(count), np.zeros(count), np.zeros(count))

    def per_accepted(self, start: int, stop: int) -> float:
        """Every prompt ends in an accepted image, at the latest by a person's hand."""
        return float(self.costs[start:stop].mean())


def learner(policy: ExpectedPolicy, truth: Truth, prompts: Prompts, seed: int) -> Run:
    """Begins with the published rates, and learns from every result."""
    run, table = Run.of(len(prompts)), policy.table()
    purse, source = Purse(policy.exploration.share), random.Random(f"explore-{seed}")
    for index in range(len(prompts)):
        tries: tuple[Tried, ...] = ()
        while True:
            question = Question(features=prompts.features[index], offers=offers(policy), tries=tries)
            decision = decide(policy, table, question, purse, source)
            tries, over = _carried_out(policy, truth(index), prompts, index, decision, tries, run)
            purse = purse.booked(decision.usd, explored=decision.explored)
            run.explorations += decision.explored
            if purse.explored > purse.share * purse.spent:
                raise AssertionError(f"seed {seed}, prompt {index}: {purse} overran its budget")
            if over:
                break
            engine, before = tries[-1].engine, table
            table = learned(policy, before, prompts.features[index], tries)
            if _results(table, engine) < FADES * _results(before, engine):
                run.alarms.append((index, engine))
        run.explored_share[index] = purse.explored / purse.spent if purse.spent else 0.0
    run.table = table
    return run


def _results(table: Table, engine: str) -> float:
    rates = table.engines[engine]
    return sum(rates.passed) + sum(rates.failed)


def clairvoyant(policy: ExpectedPolicy, truth: Truth, prompts: Prompts) -> Run:
    """Knows every hidden rate at every moment, and not what a picture will come out as."""
    run = Run.of(len(prompts))
    known: dict[int, tuple[Table, dict[tuple[Features, tuple[Tried, ...]], Decision]]] = {}
    for index in range(len(prompts)):
        now = truth(index)
        table, decided = known.setdefault(id(now), (certain(policy, now), {}))
        tries: tuple[Tried, ...] = ()
        over = False
        while not over:
            key = prompts.features[index], tries
            if key not in decided:
                question = Question(features=key[0], offers=offers(policy), tries=tries)
                decided[key] = decide(policy, table, question, Purse(0.0), random.Random(0))
            tries, over = _carried_out(policy, now, prompts, index, decided[key], tries, run)
    return run


def _carried_out(
    policy: ExpectedPolicy,
    truth: Hidden,
    prompts: Prompts,
    index: int,
    decision: Decision,
    tries: tuple[Tried, ...],
    run: Run,
) -> tuple[tuple[Tried, ...], bool]:
    """The tries after one step, and whether the prompt has its accepted image."""
    prices, second = policy.prices, policy.prices.second_usd
    if decision.step not in ("accept", "person"):
        run.asked[decision.engine] = run.asked.get(decision.engine, 0) + 1
    match decision.step:
        case "accept":
            accepted = drawn(policy, truth, prompts, index, tries[-1].engine, tries[:-1])
            run.costs[index] += prices.wrong_usd * accepted.risk
            return tries, True
        case "person":
            run.costs[index] += prices.person_usd
            run.paid[index] += prices.person_usd
            return tries, True
        case "compose":
            run.costs[index] += policy.compose.seconds * second
            run.costs[index] += prices.composed(prompts.features[index].tags)
        case _:
            run.costs[index] += policy.engines[decision.engine].seconds * second
    run.costs[index] += decision.usd
    run.paid[index] += decision.usd
    picture = drawn(policy, truth, prompts, index, decision.engine, tries)
    return (*tries, Tried(decision.engine, picture.ending)), False
