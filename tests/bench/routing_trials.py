"""The trials of the learning policy, seed by seed, as plain figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from msgspec import structs

from streams.routing.expected.policyfile import ExpectedPolicy
from tests.bench.routing_learning import Run, Truth, clairvoyant, learner
from tests.bench.routing_world import Hidden, hidden, prompts

PROMPTS = 5_000
LEARNT_AFTER = 1_000
HALVED_AT = 3_000
BACK_AFTER = 500
BLOCK = 250
WITHIN = 1.10
WAY_PROMPTS = 3_000
GEM, GEM_BELIEVED, GEM_RATE = "ideogram_v2a_turbo", 0.4, 0.93
WAYS: Mapping[str, tuple[str, float]] = {
    "none": ("none", 0.0),
    "Thompson, 1 %": ("thompson", 0.01),
    "Thompson, 3 %": ("thompson", 0.03),
}
# The seeds that anything was tried out on; reported ones begin at 1.
TUNING = range(1_001, 1_030)


@dataclass(frozen=True, slots=True)
class World:
    """How far engines are from what is published, in logits; `odds` and `rough` are the prompts' own.

    `left` is what is left of the rate of the engine that becomes worse.
    """

    name: str
    engine_sd: float = 0.7
    bucket_sd: float = 0.35
    odds: float | None = None
    rough: float = 0.0
    left: float = 0.5

    def hidden(self, policy: ExpectedPolicy, seed: int) -> Hidden:
        found = hidden(policy, seed, engine_sd=self.engine_sd, bucket_sd=self.bucket_sd)
        evidence = found.evidence if self.odds is None else replace(found.evidence, odds=self.odds)
        return replace(found, evidence=evidence, rough=self.rough)


USUAL = World("as the policy expects")
WORLDS = (
    USUAL,
    World("engines far from published", engine_sd=1.4, bucket_sd=0.7),
    World("prompts stray from their bucket", rough=0.7),
    World("all prompts alike", odds=1.0),
    World("prompts twice as uneven", odds=30.0),
    World("the engine loses a quarter, not a half", left=0.75),
)


@dataclass(frozen=True, slots=True)
class Trial:
    """One seed. Ratios are the learner's cost of an accepted image over that of one who knows the rates.

    `learnt`: prompts 1,000 to 5,000. Then an engine is halved at 3,000: `before` are the 2,000 prompts up to
    there, `shocked` the next 500, `back` the 500 after those, `later` all from 3,500 on; `curve` has that run
    by blocks. `noticed` is how many prompts after the halving that engine's older results were dropped, None
    where they never were; `false_alarms` are those of the run in which nothing changed.
    """

    seed: int
    halved: str
    learnt: float
    before: float
    shocked: float
    back: float
    later: float
    explored: float
    explorations: int
    usd: float
    noticed: int | None
    false_alarms: int
    curve: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class WayTrial:
    """One seed of a way to explore: the cost ratio from prompt 1,000 on, as the policy expects engines to be
    (`usual`), and where one that it believes to be of no use spells nearly everything (`gem`).
    """

    seed: int
    usual: float
    gem: float


def trial(policy: ExpectedPolicy, world: World, seed: int) -> Trial:
    """Two runs over the same prompts: rates that stay, and the most asked engine's halved without notice.

    Raises:
        ValueError: things were tried out on that seed.
    """
    if seed in TUNING:
        raise ValueError(f"seed: {seed} was used to try things out; report one below {TUNING.start}")
    lot, truth = prompts(policy, seed, PROMPTS), world.hidden(policy, seed)
    still = clairvoyant(policy, steady(truth), lot)
    engine = max(policy.engines, key=lambda name: still.asked.get(name, 0))
    steadily = learner(policy, steady(truth), lot, seed)
    shock = from_then_on(truth, truth.lowered(engine, world.left), HALVED_AT)
    knowing, learning = clairvoyant(policy, shock, lot), learner(policy, shock, lot, seed)
    back = HALVED_AT + BACK_AFTER
    return Trial(
        seed=seed,
        halved=engine,
        learnt=ratio(steadily, still, LEARNT_AFTER, PROMPTS),
        before=ratio(learning, knowing, LEARNT_AFTER, HALVED_AT),
        shocked=ratio(learning, knowing, HALVED_AT, back),
        back=ratio(learning, knowing, back, back + BACK_AFTER),
        later=ratio(learning, knowing, back, PROMPTS),
        explored=float(max(steadily.explored_share.max(), learning.explored_share.max())),
        explorations=learning.explorations,
        usd=still.per_accepted(0, PROMPTS),
        noticed=next(
            (at - HALVED_AT for at, name in learning.alarms if at >= HALVED_AT and name == engine), None
        ),
        false_alarms=len(steadily.alarms),
        curve=tuple(ratio(learning, knowing, at, at + BLOCK) for at in range(0, PROMPTS, BLOCK)),
    )


def steady(truth: Hidden) -> Truth:
    return lambda _index: truth


def from_then_on(before: Hidden, after: Hidden, at: int) -> Truth:
    return lambda index: before if index < at else after


def ratio(learning: Run, knowing: Run, start: int, stop: int) -> float:
    return learning.per_accepted(start, stop) / knowing.per_accepted(start, stop)


def exploring(policy: ExpectedPolicy, way: str, share: float) -> ExpectedPolicy:
    return structs.replace(policy, exploration=structs.replace(policy.exploration, way=way, share=share))


def way_trial(policy: ExpectedPolicy, seed: int) -> WayTrial:
    lot, truth = prompts(policy, seed, WAY_PROMPTS), hidden(policy, seed)
    doubted = structs.replace(policy.engines[GEM], accuracy=GEM_BELIEVED)
    doubting = structs.replace(policy, engines={**policy.engines, GEM: doubted})
    gem = replace(truth, rates={**truth.rates, GEM: dict.fromkeys(truth.rates[GEM], GEM_RATE)})
    usual, found = (
        ratio(
            learner(believed, steady(world), lot, seed),
            clairvoyant(policy, steady(world), lot),
            LEARNT_AFTER,
            WAY_PROMPTS,
        )
        for believed, world in ((policy, truth), (doubting, gem))
    )
    return WayTrial(seed, usual, found)
