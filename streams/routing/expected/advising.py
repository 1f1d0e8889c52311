"""The policy at work: a prompt's first step and each verdict, with the memory that all workers share."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from inference.engines.ledger import LedgerUnavailable
from schemas.events import Attempt, PromptRef, RenderJob, Spec
from schemas.ids import derived_seed, digest
from streams.routing.expected.deciding import Decision, Offer, Question, Tried, decide
from streams.routing.expected.exploring import Purse
from streams.routing.expected.features import features_of
from streams.routing.expected.offering import CanRead, OffersOf
from streams.routing.expected.policyfile import ExpectedPolicy
from streams.routing.expected.recorded import reason_of, tries_of, verdict_by
from streams.routing.expected.remembering import Memory, News, Place, Snapshot, Taken
from streams.routing.policy import LAYOUT_ENGINE, LOCAL_ENGINES, Policy
from streams.routing.table import Route
from streams.routing.verdict import Verdict, decide_verdict, gone, stopped
from streams.runtime.errors import Retryable

# Two engines have looked at what is asked, and will not draw it.
REFUSALS: Final = 2
_NO_LIMIT: Final = float("inf")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its place; `about` is what it rests on beside the rates and the offers."""

    place: Place
    question: Question

    @property
    def about(self) -> str:
        features, budget = self.question.features, self.question.budget_usd
        tries = [[tried.engine, tried.ending] for tried in self.question.tries]
        known = [features.regions, features.characters, features.latin, features.critical_digits]
        return digest(
            "asked", known, sorted(features.tags), tries, None if budget == _NO_LIMIT else round(budget, 6)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Considered:
    """A decision that was not taken, with what it would rest on."""

    question: Question
    snapshot: Snapshot
    decision: Decision


class Advisor:
    """Decides by expected cost for one process. Safe to use concurrently from one event loop."""

    def __init__(self, policy: ExpectedPolicy, memory: Memory, offers: OffersOf, readable: CanRead) -> None:
        self.policy = policy
        self._memory = memory
        self.offers = offers
        self._readable = readable
        self._table = Policy(name=policy.name, version=policy.version)

    @property
    def label(self) -> str:
        """Recorded on every job and result."""
        return self.policy.label

    def decides(self, job: RenderJob) -> bool:
        """Whether `job` was routed by this policy, in whatever version: what is under way goes on by this
        one, and each reason names the version that gave it.
        """
        return job.policy.rpartition("-")[0] == self.policy.name

    async def first(self, ref: PromptRef, spec: Spec, budget_usd: float | None) -> Route | None:
        """Where a prompt goes first; None where nothing that can be called here may draw it.

        Raises:
            Retryable: the memory does not answer; nothing was decided.
        """
        if "layout-only" in spec.tags:
            return Route("layout", LAYOUT_ENGINE, "final", "tag layout-only")
        taken = await self._remembered(Asked(Place(ref, 0), self._question(spec, budget_usd)))
        if taken.step == "person":
            return None
        if taken.step == "compose":
            return Route("layout", taken.engine, "final", taken.reason)
        if taken.engine in LOCAL_ENGINES:
            return Route("local-sd_medium", taken.engine, "preview", taken.reason)
        return Route("remote-final", taken.engine, "final", taken.reason)

    async def verdict(self, job: RenderJob, attempts: Sequence[Attempt]) -> Verdict:
        """Judges the last of `attempts`, each with its legibility filled in, and learns from it.

        Raises:
            Retryable: the memory does not answer; nothing was decided.
        """
        last = attempts[-1]
        if not last.engine:
            return stopped(attempts, last.reason, self._table, otherwise="failed")
        if last.outcome in ("cancelled", "expired"):
            return decide_verdict(job, attempts, self._table, lambda _engine: 0.0)
        asked, emulated = self._asked(job, attempts)
        news = News(
            place=Place(job.ref, last.ordinal),
            features=asked.question.features,
            tries=asked.question.tries,
            emulated=emulated,
            model=last.model,
            render_id=last.render_id,
            usd=last.usd,
        )
        taken = await self._remembered(asked, news)
        return _ended(attempts, taken, self._table) or verdict_by(taken.step, taken.engine, taken.reason)

    def considered(
        self, ref: PromptRef, spec: Spec, budget_usd: float | None, tries: Sequence[Tried] = ()
    ) -> Considered:
        """What would be decided now after `tries`, with every step there is. Keeps nothing; blocks.

        Raises:
            KeyError: the policy has no rates for an engine of `tries`.
            LedgerError: the memory cannot be read.
        """
        question = replace(self._question(spec, budget_usd), tries=tuple(tries))
        snapshot = self._memory.snapshot(self.policy, _emulated_of(question))
        source = _imagination(Place(ref, len(tries)))
        decision = decide(self.policy, snapshot.table, question, snapshot.purse, source, every=True)
        return Considered(question=question, snapshot=snapshot, decision=decision)

    def _question(self, spec: Spec, budget_usd: float | None) -> Question:
        return Question(
            features=features_of(spec.texts, spec.tags, readable=self._readable(spec.texts)),
            offers=self.offers(spec),
            budget_usd=_NO_LIMIT if budget_usd is None else budget_usd,
        )

    def _asked(self, job: RenderJob, attempts: Sequence[Attempt]) -> tuple[Asked, dict[str, bool]]:
        spec, last = job.spec, attempts[-1]
        readable = self._readable(spec.texts) and not any(map(_unread, attempts))
        spent = gone(attempts)
        tries = tuple(self._rated(tried) for tried in tries_of(self.policy, attempts))
        question = Question(
            features=features_of(spec.texts, spec.tags, readable=readable),
            offers=self._offers_after(spec, attempts),
            tries=tries,
            budget_usd=_NO_LIMIT if job.budget_usd is None else max(0.0, job.budget_usd - spent),
        )
        emulated = {attempt.resolved_engine or attempt.engine: attempt.emulated for attempt in attempts}
        return Asked(Place(job.ref, last.ordinal + 1), question), emulated

    def _rated(self, tried: Tried) -> Tried:
        """An engine that this version has no rates for tells nothing; a picture that passes is one."""
        known = tried.engine in self.policy.engines or tried.engine == self.policy.compose.engine
        return tried if known or tried.ending == "pass" else replace(tried, ending="failed")

    def _offers_after(self, spec: Spec, attempts: Sequence[Attempt]) -> Sequence[Offer]:
        """A prompt that asks for type alone is drawn by nobody; a refused one is not set in type instead."""
        if "layout-only" in spec.tags:
            return ()
        if attempts[-1].outcome != "refused":
            return self.offers(spec)
        if sum(attempt.outcome == "refused" for attempt in attempts) >= REFUSALS:
            return ()
        return [offer for offer in self.offers(spec) if offer.engine != self.policy.compose.engine]

    async def _remembered(self, asked: Asked, news: News | None = None) -> Taken:
        try:
            return await asyncio.to_thread(self._taken, asked, news)
        except LedgerUnavailable as error:
            raise Retryable(f"routing by expected cost: {error}") from error

    def _taken(self, asked: Asked, news: News | None) -> Taken:
        if news is not None:
            self._memory.learn(self.policy, news)
        known = self._memory.recall(asked.place)
        if known is not None and known.asked == asked.about:
            return known
        emulated = ({} if news is None else dict(news.emulated)) | _emulated_of(asked.question)
        snapshot = self._memory.snapshot(self.policy, emulated)
        if known is None:
            taken = self._memory.keep(self.policy, asked.place, self._decided(asked, snapshot))
            if taken is not None and taken.asked == asked.about:
                return taken
        # The purse went to another worker meanwhile, or that place is another question's: nothing to learn.
        quiet = self._decided(asked, replace(snapshot, purse=Purse(0.0)))
        return (self._memory.keep(self.policy, asked.place, quiet) if known is None else None) or quiet

    def _decided(self, asked: Asked, snapshot: Snapshot) -> Taken:
        question = asked.question
        unrated = _passed_unrated(self.policy, question)
        if unrated is not None:
            return self._as_taken(asked, snapshot, unrated)
        source = _imagination(asked.place)
        decision = decide(self.policy, snapshot.table, question, snapshot.purse, source)
        return self._as_taken(asked, snapshot, decision)

    def _as_taken(self, asked: Asked, snapshot: Snapshot, decision: Decision) -> Taken:
        return Taken(
            step=decision.step,
            engine=decision.engine,
            reason=f"{reason_of(decision)} ({self.label}, rates {snapshot.digest})",
            explored=decision.explored,
            held=decision.usd if decision.explored else 0.0,
            emulated=_emulated_of(asked.question).get(decision.engine, False),
            asked=asked.about,
            policy=self.label,
            rates=snapshot.digest,
            seen=snapshot.seen,
        )


def _emulated_of(question: Question) -> dict[str, bool]:
    return {offer.engine: offer.emulated for offer in question.offers}


def _imagination(place: Place) -> random.Random:
    """The same for one place, whoever asks and whenever."""
    ref = place.ref
    return random.Random(derived_seed("expected", ref.source, ref.id, ref.variant, ref.run, place.ordinal))


def _unread(attempt: Attempt) -> bool:
    reading = attempt.legibility
    return (
        reading is not None
        and not reading.by_construction
        and any(text.verdict == "unreadable_by_reader" for text in reading.texts)
    )


def _passed_unrated(policy: ExpectedPolicy, question: Question) -> Decision | None:
    """To accept what passes, though the risk that it is wrong cannot be reckoned."""
    if not question.tries or question.tries[-1].ending != "pass":
        return None
    engine = question.tries[-1].engine
    if engine in policy.engines or engine == policy.compose.engine:
        return None
    return Decision(
        step="accept", engine=engine, usd=0.0, expected_usd=0.0, explored=False, instead="",
        belief=0.5, rates=(), ranked=(),
    )  # fmt: skip


def _ended(attempts: Sequence[Attempt], taken: Taken, policy: Policy) -> Verdict | None:
    """The end without a person's help: a refusal is about the content, and without a picture there is nothing
    to set right.
    """
    if taken.step != "person":
        return None
    last = attempts[-1]
    why = f"{last.engine} {last.outcome}: {last.reason}; {taken.reason}"
    if last.outcome == "refused":
        return stopped(attempts, why, policy, otherwise="refused")
    if all(attempt.pictures is None for attempt in attempts):
        refused = any(attempt.outcome == "refused" for attempt in attempts)
        return stopped(attempts, why, policy, otherwise="refused" if refused else "failed")
    return None
