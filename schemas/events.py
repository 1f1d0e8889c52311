"""The five events every topic carries, as frozen values that decode and validate in one pass.

A field that a producer may leave out has a default; a new field must have one too, so that an old
event stays readable. Bounds live in `Annotated[..., Meta]` and end up in the JSON Schemas.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Seed = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Side = Annotated[int, Meta(ge=64, le=3840, multiple_of=16, description="pixels")]
Share = Annotated[float, Meta(ge=0, le=1)]
Dollars = Annotated[float, Meta(ge=0, le=1_000_000)]
Locale = Annotated[
    str, Meta(pattern=r"^[a-zA-Z]{2,3}([-_][a-zA-Z0-9]{2,8})*$", max_length=35, description="BCP 47")
]
Moment = Annotated[dt.datetime, Meta(tz=True, description="RFC 3339 with an offset")]
Sampler = Literal["euler", "heun"]
Role = Literal["headline", "subtitle", "body", "tagline", "cta", "date", "price", "brand", "credits"]

LIVE_RUN = "live"


@dataclass(frozen=True, slots=True)
class Text:
    """Words that must be readable in the picture."""

    text: Annotated[str, Meta(min_length=1, max_length=500)]
    role: Role = "headline"
    locale: Locale | None = None
    critical: Annotated[bool, Meta(description="must match to the letter, case and marks included")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptEvent:
    """What a producer asks for. `source` and `id` together are the idempotency key."""

    id: Name
    source: Name
    prompt: Annotated[str, Meta(min_length=1, max_length=10_000)]
    texts: Annotated[tuple[Text, ...], Meta(max_length=40)] = ()
    negative_prompt: Annotated[str, Meta(max_length=10_000)] = ""
    width: Side = 1024
    height: Side = 1024
    sampler: Sampler = "euler"
    steps: Annotated[int, Meta(ge=1, le=150)] | None = None
    guidance: Annotated[float, Meta(ge=0, le=30)] | None = None
    seed: Annotated[Seed | None, Meta(description="derived from source and id when absent")] = None
    locale: Locale = "en"
    locales: Annotated[
        tuple[Locale, ...], Meta(max_length=50, description="one set of variants for each; default [locale]")
    ] = ()
    tags: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...], Meta(max_length=32)] = ()
    requires_typography_precision: bool = False
    fast_preview: bool = False
    confidence: Annotated[Share | None, Meta(description="absent counts as 0")] = None
    variants: Annotated[int, Meta(ge=1, le=200)] = 1
    deadline: Moment | None = None
    budget_usd: Annotated[
        Dollars | None, Meta(description="for each final, hosted calls and our machines")
    ] = None
    campaign: Annotated[str, Meta(max_length=200)] = ""


@dataclass(frozen=True, slots=True)
class PromptRef:
    """Names one final: a prompt, one of its variants, one run."""

    source: Name
    id: Name
    variant: Annotated[int, Meta(ge=0)] = 0
    run: Name = LIVE_RUN


@dataclass(frozen=True, slots=True)
class Asset:
    """A picture by claim check: fetch `uri`, verify `sha256`."""

    uri: Annotated[str, Meta(min_length=1, max_length=2_000)]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
    media_type: Annotated[str, Meta(max_length=100)]
    bytes: Annotated[int, Meta(ge=0)]
    width: Annotated[int, Meta(ge=0)] = 0
    height: Annotated[int, Meta(ge=0)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """Everything that shapes one picture, for one variant in one locale."""

    prompt: str
    texts: tuple[Text, ...]
    negative_prompt: str
    width: Side
    height: Side
    sampler: Sampler
    steps: int | None
    guidance: float | None
    seed: Seed
    locale: Locale
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """The assets of one render. `image` is the normalised sRGB PNG, `original` the bytes as received."""

    image: Asset
    original: Asset
    background: Asset | None = None
    vector: Asset | None = None


TextVerdict = Literal["read", "missed", "unreadable_by_reader"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextReading:
    """What the readers made of one expected text. `look` names a further look, where the first missed it."""

    text: str
    verdict: TextVerdict
    read: str = ""
    similarity: Share = 0.0
    exact: bool = False
    critical: bool = False
    look: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeReading:
    """The score of the picture as it is delivered: scaled to `size` ("320px", "2x") and looked at once."""

    size: str
    score: Share | None
    recall: Share | None
    precision: Share | None
    critical_exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Legibility:
    """A versioned score; `score` is None where nothing could be judged by reading."""

    score: Share | None
    recall: Share | None
    precision: Share | None
    critical_exact: bool
    texts: tuple[TextReading, ...]
    extra: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    version: str = ""
    by_construction: bool = False
    looks: Annotated[
        tuple[str, ...], Meta(description="further looks that low recall called for, in order")
    ] = ()
    cropped: Annotated[tuple[str, ...], Meta(description="texts that the picture's edge cuts")] = ()
    unseen: Annotated[
        tuple[str, ...],
        Meta(description="texts too faint or too small for a person, though a reader read them"),
    ] = ()
    sizes: Annotated[tuple[SizeReading, ...], Meta(description="at delivery sizes, where asked for")] = ()


Outcome = Literal["rendered", "refused", "failed", "expired", "cancelled"]
Purpose = Literal["preview", "final", "polish", "reroll", "escalate", "compose"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One entry of the history that travels with the prompt."""

    ordinal: Annotated[int, Meta(ge=0)]
    purpose: Purpose
    engine: str
    outcome: Outcome
    resolved_engine: str = ""
    model: str = ""
    render_id: str = ""
    seed: int = 0
    pictures: Pictures | None = None
    legibility: Legibility | None = None
    usd: Dollars = 0.0
    usd_unknown: Annotated[Dollars, Meta(description="may have been charged besides; nobody knows")] = 0.0
    seconds: Annotated[float, Meta(ge=0)] = 0.0
    emulated: bool = False
    cached: bool = False
    verdict: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderJob:
    """Work for one engine, with all that was tried before it."""

    ref: PromptRef
    spec: Spec
    engine: str
    purpose: Purpose
    ordinal: Annotated[int, Meta(ge=0)]
    route: str
    reason: str
    policy: str
    background: Asset | None = None
    history: tuple[Attempt, ...] = ()
    deadline: Moment | None = None
    budget_usd: Dollars | None = None
    campaign: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Render:
    """The outcome of a job: pictures, or the reason there are none."""

    job: RenderJob
    outcome: Outcome
    resolved_engine: str = ""
    model: str = ""
    render_id: str = ""
    pictures: Pictures | None = None
    usd: Dollars = 0.0
    usd_unknown: Annotated[Dollars, Meta(description="may have been charged besides; nobody knows")] = 0.0
    seconds: Annotated[float, Meta(ge=0)] = 0.0
    emulated: bool = False
    cached: bool = False
    by_construction: Annotated[bool, Meta(description="the texts were set by us, in true type")] = False
    reason: str = ""


Status = Literal["accepted", "best_effort", "needs_review", "refused", "failed", "expired", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What consumers read. Exactly one has `final: true` for each (source, id, variant, run)."""

    id: Annotated[str, Meta(description="deterministic: the same outcome has the same id")]
    ref: PromptRef
    final: bool
    status: Annotated[Status | None, Meta(description="only on a final result")] = None
    locale: str = ""
    pictures: Pictures | None = None
    legibility: Legibility | None = None
    engine: str = ""
    resolved_engine: str = ""
    model: str = ""
    render_id: str = ""
    emulated: bool = False
    route: str = ""
    policy: str = ""
    reason: str = ""
    attempts: tuple[Attempt, ...] = ()
    usd: Annotated[Dollars, Meta(description="all attempts together")] = 0.0
    usd_unknown: Annotated[Dollars, Meta(description="may have been charged besides; nobody knows")] = 0.0
    seconds: Annotated[float, Meta(ge=0, description="rendering, all attempts together")] = 0.0
    campaign: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A person's judgement of one render."""

    id: Name
    ref: PromptRef
    render_id: str
    reviewer: Name
    score: Annotated[int, Meta(ge=1, le=5)]
    readable: bool | None = None
    seen_blind: bool = False
    milliseconds: Annotated[int, Meta(ge=0)] = 0
    comment: Annotated[str, Meta(max_length=2_000)] = ""


Event = PromptEvent | RenderJob | Render | Result | Review
