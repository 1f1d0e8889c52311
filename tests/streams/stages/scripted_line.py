"""The stages' own functions over scripted engines, without Kafka and without models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from inference.assets import AssetStore
from schemas.events import (
    Legibility,
    Outcome,
    Pictures,
    PromptEvent,
    Render,
    RenderJob,
    Result,
    Spec,
    Text,
    TextReading,
)
from streams.routing.expected.advising import Advisor
from streams.routing.expected.deciding import Offer
from streams.routing.expected.offering import OffersOf
from streams.routing.expected.policyfile import load_policy
from streams.routing.expected.remembering import Memory
from streams.routing.policy import LOCAL_ENGINES
from streams.runtime.stage import Emit
from streams.stages.route import route_by
from streams.stages.score import ScoreDeps, recorded_policy, score

POLICY = load_policy()
LOCAL = "sd3.5_medium"
PRICES = {LOCAL: 0.001, "ideogram_v2a_turbo": 0.025, "gemini-3.1-flash-image": 0.067, "layout": 0.00003}
EVENT = PromptEvent(id="p", source="shop", prompt="a poster", texts=(Text("SALE"), Text("50% OFF")))
SCORES = {"pass": 1.0, "near": 0.6, "far": 0.1}


class Reader:
    """Reads in a picture what its engine was told to make of it."""

    async def judge(self, png: bytes, texts: Sequence[Text], *, by_construction: bool = False) -> Legibility:
        ending = png.decode()
        known = ending != "unknown"
        score = SCORES.get(ending)
        return Legibility(
            score=score,
            recall=score,
            precision=score,
            critical_exact=ending == "pass",
            texts=tuple(
                TextReading(
                    text=text.text,
                    verdict="unreadable_by_reader" if not known else "read" if ending == "pass" else "missed",
                    similarity=score or 0.0,
                    exact=ending == "pass",
                )
                for text in texts
            ),
            by_construction=by_construction,
        )


def offers(_spec: Spec) -> Sequence[Offer]:
    return tuple(Offer(name, usd) for name, usd in PRICES.items())


class Line:
    """The stages' own functions, one after the other, over engines that end as they are told."""

    def __init__(self, advisor: Advisor, script: Mapping[str, Sequence[str]] | None = None) -> None:
        self.advisor = advisor
        self.store = AssetStore.open("memory://")
        self.deps = ScoreDeps(Reader(), self.store, lambda *_: 0.05, recorded_policy, advisor)
        self.script = {engine: iter(endings) for engine, endings in (script or {}).items()}
        self.jobs: list[RenderJob] = []
        self.previews: list[Result] = []
        self.renders: list[Render] = []

    async def final(self, event: PromptEvent) -> Result:
        (emit,) = await route_by(event, self.advisor)
        return await self.goes_on(emit)

    async def goes_on(self, emit: Emit) -> Result:
        for _ in range(20):
            found = emit.event
            if isinstance(found, RenderJob):
                assert emit.topic.name == ("preview" if found.engine in LOCAL_ENGINES else "polish")
                self.jobs.append(found)
                found = await self.drawn(found)
            if isinstance(found, Render):
                self.renders.append(found)
                *rest, last = sorted(await score(found, self.deps), key=lambda e: e.topic.name == "results")
                if rest:
                    assert isinstance(last.event, Result) and not last.event.final
                    self.previews.append(last.event)
                emit = rest[0] if rest else last
            if isinstance(emit.event, Result):
                return emit.event
        raise AssertionError("the prompt goes round in circles")

    async def drawn(self, job: RenderJob, ending: str | None = None) -> Render:
        ending = ending or next(self.script.get(job.engine, iter(())), "pass")
        outcomes: Mapping[str, Outcome] = {
            "refused": "refused", "failed": "failed", "expired": "expired", "cancelled": "cancelled",
        }  # fmt: skip
        model = f"model of {job.engine}"
        if ending in outcomes:
            return Render(
                job=job, outcome=outcomes[ending], resolved_engine=job.engine, reason=f"was {ending}"
            )
        asset = await self.store.put(ending.encode(), "image/png", 64, 64)
        return Render(
            job=job,
            outcome="rendered",
            resolved_engine=job.engine,
            model=model,
            render_id=f"{job.ref.id} {job.ref.run} {job.ordinal}",
            pictures=Pictures(image=asset, original=asset),
            usd=PRICES.get(job.engine, 0.0),
            seconds=1.0,
            by_construction=job.engine == "layout",
        )


def advisor(memory: Memory, found: OffersOf = offers, readable: bool = True) -> Advisor:
    return Advisor(POLICY, memory, found, lambda _texts: readable)
