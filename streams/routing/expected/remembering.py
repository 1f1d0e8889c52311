"""What is remembered between two decisions: how engines did, what was decided, what was spent on learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from schemas.events import PromptRef
from schemas.ids import digest
from streams.routing.expected.deciding import Step, Tried
from streams.routing.expected.exploring import Purse
from streams.routing.expected.features import Features
from streams.routing.expected.policyfile import ExpectedPolicy
from streams.routing.expected.rates import Table

# Whether the emulator draws in the place of an engine: its results are counted apart.
Emulated = Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class Place:
    """Names one decision, or one result: the attempt of a final that it leads to, or is of."""

    ref: PromptRef
    ordinal: int


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One attempt that has ended: the last of `tries`. `usd` is what it came to."""

    place: Place
    features: Features
    tries: Sequence[Tried]
    emulated: Emulated
    model: str
    render_id: str
    usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The rates at one moment. `seen` counts the results of each engine that they rest on."""

    table: Table
    purse: Purse
    seen: Mapping[str, int]

    @property
    def digest(self) -> str:
        """Names these rates."""
        return digest("rates", self.table.counts())[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A decision as it is kept: `asked` digests the question, `rates` what was known when it was answered.

    `held` are the dollars that it takes from the purse.
    """

    step: Step
    engine: str
    reason: str
    explored: bool
    held: float
    emulated: bool
    asked: str
    policy: str
    rates: str
    seen: Mapping[str, int]


class Memory(Protocol):
    """Where it is remembered. Every method may block."""

    def recall(self, place: Place) -> Taken | None:
        """The decision that was made for `place`."""
        ...

    def snapshot(self, policy: ExpectedPolicy, emulated: Emulated) -> Snapshot:
        """The rates of the engines, real or emulated as they would be called now."""
        ...

    def keep(self, policy: ExpectedPolicy, place: Place, taken: Taken) -> Taken | None:
        """Keeps a decision and takes `held` from the purse; what stands for `place`, which may be another
        worker's. None where the purse has no room any more: nothing was kept.
        """
        ...

    def learn(self, policy: ExpectedPolicy, news: News) -> bool:
        """Takes one result in, once, however often it is told; whether it was new."""
        ...


class Forgetful:
    """Remembers nothing: every decision is made from the published rates, and none is made to learn."""

    def recall(self, _place: Place) -> Taken | None:
        return None

    def snapshot(self, policy: ExpectedPolicy, _emulated: Emulated) -> Snapshot:
        return Snapshot(table=policy.table(), purse=Purse(0.0), seen={})

    def keep(self, _policy: ExpectedPolicy, _place: Place, taken: Taken) -> Taken | None:
        return taken

    def learn(self, _policy: ExpectedPolicy, _news: News) -> bool:
        return False
