"""One event of each type, as the documents show them; a test decodes each."""

from __future__ import annotations

import datetime as dt
from typing import Final

from schemas.events import (
    Asset,
    Attempt,
    Event,
    Legibility,
    Pictures,
    PromptEvent,
    PromptRef,
    Render,
    RenderJob,
    Result,
    Review,
    Spec,
    Text,
    TextReading,
)
from schemas.ids import derived_seed, digest, render_id, result_id

AT: Final = dt.datetime(2026, 5, 1, 9, 30, tzinfo=dt.UTC)
_SOURCE, _ID = "campaign-tool", "spring-jazz-17"
_TEXTS = (Text("JAZZ NIGHT"), Text("Friday 1 May, 20:00", "date", critical=True))
_PROMPT = "A concert poster at dusk, brass instruments, deep blue and amber"
_REF = PromptRef(_SOURCE, _ID)
_SEED = derived_seed(_SOURCE, _ID, 0)
_RENDER_ID = render_id(
    engine="layout",
    model="layout-1",
    prompt=_PROMPT,
    negative_prompt="",
    texts=_TEXTS,
    fonts=("Anton",),
    sampler="euler",
    seed=_SEED,
    width=1024,
    height=1536,
    steps=None,
    guidance=None,
    ordinal=0,
    background_sha256=None,
)

PROMPT: Final = PromptEvent(
    id=_ID,
    source=_SOURCE,
    prompt=_PROMPT,
    texts=_TEXTS,
    width=1024,
    height=1536,
    requires_typography_precision=True,
    confidence=0.62,
    deadline=AT + dt.timedelta(minutes=10),
    budget_usd=0.1,
    campaign="spring",
)


def _asset(name: str, media_type: str, size: int) -> Asset:
    sha256 = digest("example", name)
    return Asset(f"file:///assets/sha256/{sha256[:2]}/{sha256}", sha256, media_type, size, 1024, 1536)


_PICTURES = Pictures(
    image=_asset("image", "image/png", 1_482_113), original=_asset("original", "image/webp", 201_772)
)
_LEGIBILITY = Legibility(
    score=1.0,
    recall=1.0,
    precision=1.0,
    critical_exact=True,
    texts=tuple(
        TextReading(text=t.text, verdict="read", read=t.text, similarity=1.0, exact=True, critical=t.critical)
        for t in _TEXTS
    ),
    readers=("rapidocr",),
    version="1",
)
_ATTEMPT = Attempt(
    ordinal=0,
    purpose="final",
    engine="imagen4_remote",
    outcome="rendered",
    resolved_engine="layout",
    model="layout-1",
    render_id=_RENDER_ID,
    seed=_SEED,
    pictures=_PICTURES,
    legibility=_LEGIBILITY,
    usd=0.0004,
    seconds=1.2,
    verdict="accept",
    reason="every expected text was read",
)

JOB: Final = RenderJob(
    ref=_REF,
    spec=Spec(
        prompt=_PROMPT,
        texts=_TEXTS,
        negative_prompt="",
        width=1024,
        height=1536,
        sampler="euler",
        steps=None,
        guidance=None,
        seed=_SEED,
        locale="en",
    ),
    engine="imagen4_remote",
    purpose="final",
    ordinal=0,
    route="remote-imagen-polish",
    reason="typography precision is required and confidence 0.62 is below 0.8",
    policy="hybrid-1",
    deadline=PROMPT.deadline,
    budget_usd=0.1,
    campaign="spring",
)

RENDER: Final = Render(
    job=JOB,
    outcome="rendered",
    resolved_engine="layout",
    model="layout-1",
    render_id=_RENDER_ID,
    pictures=_PICTURES,
    usd=0.0004,
    seconds=1.2,
)

RESULT: Final = Result(
    id=result_id(_REF, 0, True),
    ref=_REF,
    final=True,
    status="accepted",
    locale="en",
    pictures=_PICTURES,
    legibility=_LEGIBILITY,
    engine="imagen4_remote",
    resolved_engine="layout",
    model="layout-1",
    render_id=_RENDER_ID,
    route=JOB.route,
    policy=JOB.policy,
    reason="every expected text was read",
    attempts=(_ATTEMPT,),
    usd=0.0004,
    seconds=1.2,
    campaign="spring",
)

REVIEW: Final = Review(
    id="review-0001",
    ref=_REF,
    render_id=_RENDER_ID,
    reviewer="dana",
    score=4,
    readable=True,
    milliseconds=5_300,
    comment="The date could be larger.",
)

EXAMPLES: Final[dict[type, Event]] = {type(e): e for e in (PROMPT, JOB, RENDER, RESULT, REVIEW)}
