"""A call that may cost money, as the ledger knows it: what is asked, how far it came, how it ended.

    intended ─▶ sent ─▶ accepted ─▶ image | refused | failed
        │         └────────┴─▶ unknown ─▶ image | refused | failed
        └─▶ released

`unknown` is a call that left and whose outcome nobody here knows; it keeps its reservation and is never sent
again. A call is settled when the money is known, which may be later than its outcome; until then it keeps its
reservation too. `accepted` is for providers that take a request first and draw it later: none of the engines
here does yet, and nothing of ours goes through it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from inference.engines.base import Billed, EngineError, Kind, Refused, Uncertain
from schemas.events import PromptRef, RenderJob
from schemas.ids import digest

State = Literal["intended", "sent", "accepted", "image", "refused", "failed", "unknown", "released"]
Outcome = Literal["image", "refused", "failed", "unknown"]

UNDER_WAY: tuple[State, ...] = ("sent", "accepted")
ANSWERABLE: tuple[State, ...] = ("sent", "accepted", "unknown")

# After these, where it is known that nothing is charged, the same job may be sent once more. `unknown` is
# here because a call of unknown outcome becomes `failed` only when somebody has found out that it left no
# trace.
SENT_AGAIN: frozenset[Kind] = frozenset({"auth", "quota", "rate", "transient", "unknown"})


class LedgerError(RuntimeError):
    """The ledger cannot do what was asked; the text says what stands in it."""


class LedgerUnavailable(LedgerError):
    """The database did not answer in time. What was asked may or may not have been written."""


class NotOpen(LedgerError):
    """The call is past this step: sent, ended, or given up for its worker was silent too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One job of one final, and what it may cost at most.

    `asked` is a digest of what the job asks for; `engine` and `model` are those that really draw, and
    `asked_as` are the other names that led there: the one that was asked for, and engines that ended since.
    `reserve` is in micro-dollars, the most the provider may charge: a budget holds only as far as this is
    true. `emulated` money is counted apart.
    """

    ref: PromptRef
    ordinal: int
    asked: str
    render_id: str
    engine: str
    model: str
    reserve: int
    campaign: str = ""
    emulated: bool = False
    asked_as: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.reserve < 0 or self.ordinal < 0:
            raise ValueError(
                f"call: ordinal {self.ordinal} and reserve {self.reserve} must be 0 or more micro-dollars"
            )

    @classmethod
    def of(
        cls,
        job: RenderJob,
        *,
        render_id: str,
        engine: str,
        model: str,
        reserve: int,
        emulated: bool = False,
        asked_as: Sequence[str] = (),
    ) -> Call:
        """The call that `engine` is asked for, where `job` names its engine by role; `asked_as` are further
        names on the way from the one to the other.
        """
        background = job.background.sha256 if job.background else None
        names = dict.fromkeys((job.engine, *asked_as))
        return cls(
            ref=job.ref,
            ordinal=job.ordinal,
            asked=digest("asked", job.engine, job.purpose, msgspec.to_builtins(job.spec), background),
            render_id=render_id,
            engine=engine,
            model=model,
            reserve=reserve,
            campaign=job.campaign,
            emulated=emulated,
            asked_as=tuple(name for name in names if name != engine),
        )

    @property
    def job(self) -> str:
        """The job's identity: the same at every redelivery, whatever engine stands in by then, and another
        where a producer sends other work under an old name.
        """
        ref = self.ref
        return digest(
            "call", ref.source, ref.id, ref.variant, ref.run, self.ordinal, self.asked, self.emulated
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a call ended. `micros` is None while it is not known what it cost: unknown is not free.

    `drawn_id` is the render id under which the picture's manifest lies, where that is not the call's own.
    """

    outcome: Outcome
    micros: int | None = None
    kind: Kind | None = None
    billed: Billed = "never"
    reason: str = ""
    provider_id: str = ""
    asset_uri: str = ""
    drawn_id: str = ""

    def __post_init__(self) -> None:
        if self.micros is not None and self.micros < 0:
            raise ValueError(f"answer.micros: {self.micros}; give 0 or more micro-dollars, or None")
        if self.micros and self.billed == "never":
            raise ValueError(f"answer.billed: 'never', and {self.micros} micro-dollars; give 'billed'")
        if self.outcome == "image" and not self.asset_uri:
            raise ValueError("answer.asset_uri: empty; store the picture first and give its address")
        if self.outcome == "unknown" and self.micros is not None:
            raise ValueError(
                f"answer.micros: {self.micros} for an unknown outcome; give None, or the outcome"
            )

    @classmethod
    def image(
        cls, asset_uri: str, micros: int | None, *, drawn_id: str = "", provider_id: str = ""
    ) -> Answer:
        """A picture, which lies in the store by now."""
        return cls(
            outcome="image",
            micros=micros,
            billed="billed",
            asset_uri=asset_uri,
            drawn_id=drawn_id,
            provider_id=provider_id,
        )

    @classmethod
    def of(cls, error: EngineError, *, charged: int, provider_id: str = "") -> Answer:
        """What an engine's error means here; `charged` micro-dollars where it says that it is billed.

        An outcome stays what it is where nobody publishes its price: then it has none yet.
        """
        outcome: Outcome = "refused" if isinstance(error, Refused) else "failed"
        if isinstance(error, Uncertain) or error.kind == "unknown":
            outcome = "unknown"
        prices: dict[Billed, int | None] = {"never": 0, "billed": charged, "unknown": None}
        return cls(
            outcome=outcome,
            micros=None if outcome == "unknown" else prices[error.billed],
            kind=error.kind,
            billed="unknown" if outcome == "unknown" else error.billed,
            reason=str(error),
            provider_id=provider_id,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A call as it stands in the ledger: `job` is its identity, `take` counts the calls of one job, from 0.

    Times are milliseconds since 1970, UTC, None where that has not happened; `settled` is in micro-dollars. A
    take belongs to the `worker` that began it and never changes hands. `held` says why a person must look.
    """

    job: str
    take: int
    call: Call
    state: State
    worker: str
    day: str
    intended_ms: int
    sent_ms: int | None
    accepted_ms: int | None
    answered_ms: int | None
    settled_ms: int | None
    lease_ms: int
    settled: int | None
    kind: Kind | None
    billed: Billed
    reason: str
    provider_id: str
    asset_uri: str
    drawn_id: str
    held: str

    @property
    def name(self) -> str:
        """Short, for people; also a key that the provider may tell a repeated request by."""
        return f"{self.job[:16]}-{self.take}"

    @property
    def committed(self) -> int:
        """Micro-dollars that count against budgets: what it cost, else what is reserved."""
        return self.call.reserve if self.settled is None else self.settled

    @property
    def may_be_sent_again(self) -> bool:
        """Whether the job may have a further take: this one charged nothing and decided nothing."""
        is_free = self.billed == "never" and self.settled == 0
        return self.state == "released" or (self.state == "failed" and is_free and self.kind in SENT_AGAIN)


@dataclass(frozen=True, slots=True)
class Begun:
    """Intended and reserved; to be told `sent` before the request leaves."""

    row: Row


@dataclass(frozen=True, slots=True)
class Known:
    """Ended before: a picture that is paid for, a refusal, or a failure that would come again."""

    row: Row


@dataclass(frozen=True, slots=True)
class Busy:
    """Another worker has it until `until_ms`, unless it ends before."""

    row: Row
    until_ms: int


@dataclass(frozen=True, slots=True)
class Held:
    """It was sent and nobody knows the outcome: to be reconciled, or settled by a person."""

    row: Row


@dataclass(frozen=True, slots=True)
class OverBudget:
    """Nothing is reserved: `wanted` more micro-dollars would pass `limit`, of which `committed` are gone."""

    scope: str
    name: str
    limit: int
    committed: int
    wanted: int


Beginning = Begun | Known | Busy | Held | OverBudget
