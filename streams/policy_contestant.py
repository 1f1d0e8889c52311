"""A policy in the bench: the stages' own functions, one after the other in this process, without Kafka."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from inference.assets import AssetError, AssetStore
from inference.bench.details import Detail
from inference.bench.engine import Studio, live_key, payee
from inference.bench.plan import Draw
from inference.bench.reading import Readers, judged, read_back
from inference.bench.room import POLICY, Room
from inference.bench.samples import Payee, Sample
from inference.engines.registry import EngineGone, EngineUnavailable, Registry, Resolved
from inference.legibility.base import Line
from schemas.events import (
    Attempt,
    Event,
    Legibility,
    Outcome,
    PromptEvent,
    Render,
    RenderJob,
    Result,
    Status,
    Text,
)
from schemas.ids import digest
from schemas.topics import POLISH
from streams.line import list_price
from streams.routing.expected.advising import Advisor
from streams.routing.expected.offering import OursPerHour, can_read, offers_here
from streams.routing.expected.policyfile import load_policy
from streams.routing.expected.remembering import Forgetful
from streams.routing.policy import EXPECTED, LAYOUT_ENGINE, LOCAL_ENGINES, Policy, policy_named
from streams.runtime.clock import SystemClock
from streams.runtime.errors import Permanent, Retryable
from streams.runtime.stage import Emit, Stage
from streams.stages.draw import DrawDeps, draw_stage
from streams.stages.route import RouteDeps, route, route_by
from streams.stages.score import ScoreDeps, score_stage

_log = logging.getLogger(__name__)
_In = TypeVar("_In", RenderJob, Render)

_OUTCOMES: Final[Mapping[Status, Outcome]] = {
    "refused": "refused",
    "expired": "expired",
    "cancelled": "cancelled",
}


def policy_contestant(name: str, room: Room) -> PolicyContestant:
    """The contestant `policy:NAME`.

    Raises:
        KeyError: no such policy; the text lists those there are.
    """
    policy = _advisor(room) if name == EXPECTED else policy_named(name)
    return PolicyContestant(policy, room.studio, room.registry)


def _advisor(room: Room) -> Advisor:
    """By the published rates: a bench draws the same way again, whatever was learned before or meanwhile."""
    policy = load_policy()
    ours = OursPerHour(gpu=room.house.usd_per_gpu_hour, cpu=room.house.usd_per_cpu_hour)
    offers = offers_here(policy, room.studio.engines, ours)
    return Advisor(policy, Forgetful(), offers, can_read(room.studio.ocr.coverage))


class PolicyContestant:
    """Routes, draws, scores and judges until the final.

    Stages retry an engine that does not answer for minutes; here it has failed at once, as for other
    contestants of a bench. The sample is the final's picture, with the seconds and dollars of all attempts.
    """

    payee: Payee = "infrastructure"

    def __init__(self, policy: Policy | Advisor, studio: Studio, registry: Registry) -> None:
        self._advisor = policy if isinstance(policy, Advisor) else None
        self._policy = policy.policy if isinstance(policy, Advisor) else policy
        self.name = f"{POLICY}{self._policy.name}"
        self._studio = studio
        self._engines = {entry.name: _resolved(entry.name, studio) for entry in registry}
        self._price = list_price(registry)
        self._draw = draw_stage("bench", POLISH, DrawDeps(studio.service, SystemClock(), self._price))
        models = sorted((name, found.model) for name, found in self._engines.items() if found)
        self.model = f"{self._policy.label} ({digest(*map(list, models))[:12]})"
        keys = (
            live_key(found, studio.environ) for name in self._paid_engines() if (found := self._engines[name])
        )
        self.live = ", ".join(dict.fromkeys(filter(None, keys)))

    def price(self, event: PromptEvent) -> float:
        """As if every hosted render that the policy allows were made, by the dearest engine it may choose."""
        dearest = max((self._list_usd(name, event) for name in self._paid_engines()), default=0.0)
        policy = self._policy
        most = dearest * (policy.hosted_attempts if isinstance(policy, Policy) else policy.attempts)
        return most if event.budget_usd is None else min(most, event.budget_usd)

    def paid(self, event: PromptEvent, detail: Detail) -> float:
        """What the attempts cost that were not the emulator's; list prices for those that may be billed."""
        return sum(self._paid_for(attempt, event) for attempt in detail.attempts)

    async def draw(self, event: PromptEvent, draw: Draw) -> Detail:
        """Runs the policy over one prompt.

        Raises:
            AssetError: a picture could not be kept or read back.
        """
        reader = _Remembering(self._studio.ocr)
        final = await self._final(dataclasses.replace(event, seed=draw.seed), reader)
        lines = reader.lines_of(final.pictures.image.sha256) if final.pictures else ()
        return Detail(
            sample=self._sample(final, draw),
            legibility=final.legibility,
            lines=lines,
            attempts=final.attempts,
        )

    async def _final(self, event: PromptEvent, reader: _Remembering) -> Result:
        store: AssetStore = self._studio.store
        scoring = score_stage(ScoreDeps(reader, store, self._price, self._table_of, self._advisor))
        (first,) = await self._routed(event)
        waiting: list[Event] = [self._of_this_run(first.event)]
        while waiting:
            match waiting.pop():
                case RenderJob() as job:
                    waiting += await _handled(self._draw, job)
                case Render() as render:
                    waiting += await _handled(scoring, render)
                case Result(final=True) as result:
                    return result
        raise AssertionError(f"{self.name} left {event.id!r} without a final: the verdict never does")

    async def _routed(self, event: PromptEvent) -> Sequence[Emit]:
        if self._advisor is not None:
            return await route_by(event, self._advisor)
        return route(event, RouteDeps(self._table_of()))

    def _table_of(self, _job: RenderJob | None = None) -> Policy:
        assert isinstance(self._policy, Policy)
        return self._policy

    def _of_this_run(self, event: Event) -> Event:
        """A prompt that nothing here may draw comes as a render that has failed."""
        job = event.job if isinstance(event, Render) else event
        assert isinstance(job, RenderJob)
        run = self._studio.run_of(self.name)
        ours = dataclasses.replace(job, ref=dataclasses.replace(job.ref, run=run))
        return dataclasses.replace(event, job=ours) if isinstance(event, Render) else ours

    def _sample(self, final: Result, draw: Draw) -> Sample:
        reading = final.legibility
        drawn = final.pictures is not None
        return Sample(
            engine=self.name,
            model=final.model,
            prompt=draw.subject.id,
            digest=draw.subject.digest,
            sample=draw.sample,
            seed=draw.seed,
            outcome="rendered" if drawn else _OUTCOMES.get(final.status or "failed", "failed"),
            accepted=_accepted(final),
            warm_up=draw.warm_up,
            seconds=final.seconds,
            usd_hosted=sum(attempt.usd for attempt in final.attempts if self._is_hosted(attempt)),
            usd_infrastructure=sum(a.usd for a in final.attempts if not self._is_hosted(a)),
            score=reading.score if reading else None,
            recall=reading.recall if reading else None,
            precision=reading.precision if reading else None,
            critical_exact=reading.critical_exact if reading and reading.score is not None else None,
            emulated=any(attempt.emulated for attempt in final.attempts),
            render_id=final.render_id,
            image=final.pictures.image.uri if final.pictures else "",
            score_version=reading.version if reading else "",
            reason=f"{final.status}: {final.reason}",
        )

    def _paid_for(self, attempt: Attempt, event: PromptEvent) -> float:
        found = self._engines.get(attempt.engine)
        if attempt.emulated or found is None or not self._is_hosted(attempt):
            return 0.0
        if attempt.pictures is not None or found.entry.billing.forgives:
            return attempt.usd
        return max(attempt.usd, self._list_usd(attempt.engine, event))

    def _is_hosted(self, attempt: Attempt) -> bool:
        found = self._engines.get(attempt.engine)
        return found is not None and payee(found, self._studio.environ) == "hosted"

    def _list_usd(self, name: str, event: PromptEvent) -> float:
        found = self._engines.get(name)
        if found is None or found.emulated or payee(found, self._studio.environ) != "hosted":
            return 0.0
        return found.entry.price.list_usd(event.width, event.height)

    def _paid_engines(self) -> Sequence[str]:
        """All but our own that a policy asks have a successor or are one."""
        policy = self._policy
        named = policy.succession if isinstance(policy, Policy) else dict.fromkeys(policy.engines, "")
        asked = dict.fromkeys(filter(None, [*named, *named.values()]))
        return [name for name in asked if name not in LOCAL_ENGINES and name != LAYOUT_ENGINE]


class _Remembering:
    """Judges as the service does, and keeps what was read in each picture."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._lines: dict[str, tuple[Line, ...]] = {}

    async def judge(self, png: bytes, texts: Sequence[Text], *, by_construction: bool = False) -> Legibility:
        reading, lines = await read_back(self._readers, png, texts, by_construction=by_construction)
        self._lines[hashlib.sha256(png).hexdigest()] = lines
        return reading

    def lines_of(self, sha256: str) -> tuple[Line, ...]:
        return self._lines.get(sha256, ())


async def _handled(stage: Stage[_In], event: _In) -> list[Event]:
    try:
        emits = await stage.handle(event)
    except Exception as error:
        if lost := _lost_asset(error):
            raise lost from error
        if not isinstance(error, Retryable | Permanent):
            _log.exception("%s: a fault that no stage should have", stage.name)
        emits = stage.give_up(event, error).emits
    return [emit.event for emit in emits if not (isinstance(emit.event, Result) and not emit.event.final)]


def _lost_asset(error: BaseException | None) -> AssetError | None:
    """The store's fault behind `error`: no engine is to blame for it."""
    while error is not None and not isinstance(error, AssetError):
        error = error.__cause__
    return error


def _accepted(final: Result) -> bool | None:
    if final.status == "accepted":
        return True
    if final.legibility is not None and judged(final.legibility) is None:
        return None
    return False


def _resolved(name: str, studio: Studio) -> Resolved | None:
    try:
        return studio.engines.resolve(name)
    except (EngineGone, EngineUnavailable):
        return None
