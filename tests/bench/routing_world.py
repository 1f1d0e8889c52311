"""Engines with hidden success rates, and prompts that are plain or awkward.

All chance is drawn beforehand for each prompt, engine and picture, so two policies that ask the same engine
the same thing get the same answer: what differs between them is what they decided.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from msgspec import structs

from schemas.events import Text
from streams.routing.expected.deciding import Ending, Offer, Tried
from streams.routing.expected.features import BUCKETS, Bucket, Features, features_of
from streams.routing.expected.grades import Evidence, spread
from streams.routing.expected.policyfile import ExpectedPolicy
from streams.routing.expected.rates import EngineRates, Table, logit

PROMPTS = Path(__file__).parents[2] / "prompts" / "ai_posters.txt"
# Scripts that the bundled reader knows: see prompts/README.md.
READABLE = ("LATIN", "GREEK", "CJK", "HIRAGANA", "KATAKANA")
CERTAIN = 1e9
# Engines of the policy that the simulated worlds do not offer: this one's checkpoint is not at hand.
NOT_OFFERED = ("sd3.5_medium_text",)
# The registry's list prices for 1024 x 1024, and our machine at 3 dollars a GPU hour, held fixed here.
USD: Mapping[str, float] = {
    "sd3.5_medium": 1.25 * 3 / 3600,
    "ideogram_v2a_turbo": 0.025,
    "gpt-image-2.5-flare": 0.0527,
    "gemini-3.1-flash-image": 0.0672,
    "gemini-3-pro-image": 0.1344,
    "layout": 2.0 * 0.05 / 3600,
}


class Truth(Protocol):
    """What no policy is told: how often pictures of a prompt pass the gate, and how far prompts differ."""

    @property
    def evidence(self) -> Evidence: ...

    def rate(self, engine: str, features: Features, shift: float) -> float:
        """`shift` is the prompt's and engine's own luck, a standard normal."""
        ...


@dataclass(frozen=True, slots=True)
class Hidden:
    """Rates by bucket. `rough` is how far a prompt strays from its bucket by itself, in logits: the policies
    assume that none does.
    """

    rates: Mapping[str, Mapping[Bucket, float]]
    evidence: Evidence
    rough: float = 0.0

    def rate(self, engine: str, features: Features, shift: float) -> float:
        rate = self.rates[engine][features.bucket]
        return chance(logit(rate) + self.rough * shift) if self.rough else rate

    def lowered(self, engine: str, left: float = 0.5) -> Hidden:
        """With `left` of that engine's rates."""
        worse = {bucket: rate * left for bucket, rate in self.rates[engine].items()}
        return replace(self, rates={**self.rates, engine: worse})


@dataclass(frozen=True, slots=True)
class Prompts:
    """The same prompts for every policy: features, whether each is plain, and all its luck."""

    features: tuple[Features, ...]
    plain: npt.NDArray[np.bool_]
    shift: npt.NDArray[np.float64]
    luck: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.features)


@lru_cache(maxsize=1)
def poster_features() -> tuple[Features, ...]:
    """Those of prompts/ai_posters.txt, in its order."""
    found = []
    for line in PROMPTS.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        texts = [Text(**text) for text in event["texts"]]
        found.append(features_of(texts, event.get("tags", ()), readable=is_readable(texts)))
    return tuple(found)


def on_offer(policy: ExpectedPolicy) -> ExpectedPolicy:
    """The policy with the engines that the simulated worlds offer, and no others."""
    kept = {name: engine for name, engine in policy.engines.items() if name not in NOT_OFFERED}
    return structs.replace(policy, engines=kept)


def is_readable(texts: Sequence[Text]) -> bool:
    letters = {letter for text in texts for letter in text.text if letter.isalpha()}
    return all(unicodedata.name(letter, "").startswith(READABLE) for letter in letters)


def hidden(policy: ExpectedPolicy, seed: int, *, engine_sd: float = 0.7, bucket_sd: float = 0.35) -> Hidden:
    """Engines better or worse than published, as a whole and in each bucket, on the logit scale."""
    random = np.random.default_rng([seed, 1])
    rates = {}
    for engine in policy.engines:
        own = random.normal(0, engine_sd)
        rates[engine] = {
            bucket: chance(logit(policy.published_in(engine, bucket)) + own + random.normal(0, bucket_sd))
            for bucket in BUCKETS
        }
    rates[policy.compose.engine] = dict.fromkeys(BUCKETS, policy.compose.passes)
    return Hidden(rates, policy.seen())


def prompts(policy: ExpectedPolicy, seed: int, count: int) -> Prompts:
    """Posters drawn with replacement."""
    posters = poster_features()
    chosen = np.random.default_rng([seed, 3]).integers(len(posters), size=count)
    return lots(policy, seed, [posters[index] for index in chosen])


def lots(policy: ExpectedPolicy, seed: int, features: Sequence[Features]) -> Prompts:
    """These prompts, with all their luck."""
    random, count = np.random.default_rng([seed, 2]), len(features)
    draws = max(engine.draws for engine in policy.engines.values())
    return Prompts(
        tuple(features),
        random.random(count) < 0.5,
        random.normal(0, 1, (count, len(policy.engines) + 1)),
        random.random((count, len(policy.engines) + 1, draws, 2)),
    )


@dataclass(frozen=True, slots=True)
class Drawn:
    """One picture: how it read, and the chance that it is wrong though it passed."""

    ending: Ending
    risk: float = 0.0


def drawn(
    policy: ExpectedPolicy, truth: Truth, prompts: Prompts, index: int, engine: str, tries: Sequence[Tried]
) -> Drawn:
    """The picture that this engine makes next for prompt `index`."""
    if engine == policy.compose.engine:
        lucky = prompts.luck[index, len(policy.engines), 0, 0] < policy.compose.passes
        return Drawn("pass" if lucky else "far")
    place = list(policy.engines).index(engine)
    rate = truth.rate(engine, prompts.features[index], float(prompts.shift[index, place]))
    plain = bool(prompts.plain[index])
    passing = rate + (1 if plain else -1) * spread(rate, truth.evidence.odds)
    passing = max(policy.gate.passes_wrong, passing)
    turn = sum(tried.engine == engine for tried in tries)
    luck = prompts.luck[index, place, turn]
    if luck[0] < passing:
        return Drawn("pass", policy.trust().passes_and_is_wrong(passing) / passing)
    near = luck[1] < truth.evidence.near_share(plain=plain)
    return Drawn("near" if near else "far")


def certain(policy: ExpectedPolicy, truth: Hidden) -> Table:
    """The table of one who knows the hidden rates."""
    learning = replace(next(iter(policy.table().engines.values())).learning, strength=CERTAIN)
    return Table(
        {
            engine: EngineRates(published=tuple(logit(rates[b]) for b in BUCKETS), learning=learning)
            for engine, rates in truth.rates.items()
        }
    )


def offers(policy: ExpectedPolicy) -> tuple[Offer, ...]:
    return tuple(Offer(name, USD[name]) for name in (*policy.engines, policy.compose.engine))


def chance(at: float) -> float:
    return float(1 / (1 + np.exp(-at)))
