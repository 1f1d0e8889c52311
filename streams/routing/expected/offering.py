"""What may be asked for a prompt: the engines that can be called here, at what one picture may cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from inference.engines.registry import EngineGone, EngineUnavailable, Resolved, UnknownEngine
from inference.legibility.judgement import judged
from schemas.events import Spec, Text
from streams.routing.expected.deciding import Offer
from streams.routing.expected.policyfile import ExpectedPolicy

OffersOf = Callable[[Spec], Sequence[Offer]]
CanRead = Callable[[Sequence[Text]], bool]


class Engines(Protocol):
    """What is asked of `inference.engines.registry.Engines`."""

    def resolve(self, name: str) -> Resolved: ...

    def most_usd(self, resolved: Resolved, spec: Spec) -> float | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OursPerHour:
    """Dollars an hour of our own machines."""

    gpu: float
    cpu: float


def offers_here(policy: ExpectedPolicy, engines: Engines, ours: OursPerHour) -> OffersOf:
    """Of the policy's engines those that live, can be called here and draw the size that is asked.

    What follows an ended engine is offered under its own name, if the policy has rates for it.
    """
    seconds = {name: engine.seconds for name, engine in policy.engines.items()}
    seconds[policy.compose.engine] = policy.compose.seconds

    def offers(spec: Spec) -> Sequence[Offer]:
        found = (_offer(engines, name, spec, took, ours) for name, took in seconds.items())
        return tuple(offer for offer in found if offer is not None)

    return offers


def _offer(engines: Engines, name: str, spec: Spec, seconds: float, ours: OursPerHour) -> Offer | None:
    try:
        resolved = engines.resolve(name)
    except (EngineUnavailable, EngineGone, UnknownEngine):
        return None
    entry = resolved.entry
    if entry.name != name or entry.sizes.objection(spec.width, spec.height):
        return None
    usd = engines.most_usd(resolved, spec)
    if usd is None:
        usd = entry.price.of(
            spec.width, spec.height, seconds, usd_per_gpu_hour=ours.gpu, usd_per_cpu_hour=ours.cpu
        )
    return Offer(name, usd, emulated=resolved.emulated)


def can_read(alphabets: Mapping[str, frozenset[str]]) -> CanRead:
    """Whether for each text there is a reader that knows its letters, by the rule of the score."""

    def all_of(texts: Sequence[Text]) -> bool:
        known = [judged(texts, (), letters).readings for letters in alphabets.values()]
        return all(any(reading is not None for reading in of_text) for of_text in zip(*known, strict=True))

    return all_of
