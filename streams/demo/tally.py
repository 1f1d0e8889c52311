"""How far a run is, counted from the topics themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from schemas.events import LIVE_RUN, Event, PromptEvent, PromptRef, Render, RenderJob, Result
from streams.routing.fanout import specs
from streams.routing.policy import LOCAL_ENGINES

Attempted = tuple[PromptRef, int]


def expected_refs(prompts: Iterable[PromptEvent]) -> frozenset[PromptRef]:
    """The finals that the prompts ask for."""
    return frozenset(
        PromptRef(prompt.source, prompt.id, variant, LIVE_RUN)
        for prompt in prompts
        for variant, _ in specs(prompt)
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """One stage: `done` of `known`; `note` says of what kind."""

    stage: str
    done: int
    known: int
    note: str = ""


@dataclass(slots=True)
class Tally:
    """Fed with every event of the topics; one that comes twice counts once."""

    expected: frozenset[PromptRef]
    routed: set[PromptRef] = field(default_factory=set)
    jobs: dict[Attempted, RenderJob] = field(default_factory=dict)
    renders: set[Attempted] = field(default_factory=set)
    scored: set[Attempted] = field(default_factory=set)
    finals: dict[PromptRef, Result] = field(default_factory=dict)
    dead_letters: int = 0

    def observe(self, event: Event) -> None:
        match event:
            case RenderJob():
                self._job(event)
            case Render():
                # A render may be seen before its job: the topics are read side by side.
                self._job(event.job)
                self.renders.add((event.job.ref, event.job.ordinal))
            case Result(final=True) if event.ref in self.expected:
                self.finals[event.ref] = event
                self.routed.add(event.ref)
                self.scored.update((event.ref, attempt.ordinal) for attempt in event.attempts)
                self.renders.update((event.ref, attempt.ordinal) for attempt in event.attempts)
            case _:
                pass

    def _job(self, job: RenderJob) -> None:
        if job.ref not in self.expected:
            return
        self.routed.add(job.ref)
        self.jobs[(job.ref, job.ordinal)] = job
        self.scored.update((job.ref, attempt.ordinal) for attempt in job.history)

    @property
    def done(self) -> bool:
        return len(self.finals) == len(self.expected)

    @property
    def missing(self) -> list[PromptRef]:
        return sorted(self.expected - self.finals.keys(), key=lambda ref: (ref.source, ref.id, ref.variant))

    def progress(self) -> tuple[Progress, ...]:
        """The stages in the order in which a prompt passes them."""
        local = {key for key, job in self.jobs.items() if job.engine in LOCAL_ENGINES}
        hosted = self.jobs.keys() - local
        statuses = Counter(result.status for result in self.finals.values())
        told = ", ".join(
            f"{count} {str(status).replace('_', ' ')}" for status, count in statuses.most_common()
        )
        dead = f", {self.dead_letters} dead letters" if self.dead_letters else ""
        return (
            Progress("route", len(self.routed), len(self.expected), "prompts, by variant and locale"),
            Progress("preview", len(local & self.renders), len(local), "drawn small and local"),
            Progress(
                "polish", len(hosted & self.renders), len(hosted), "drawn by hosted engines or set in type"
            ),
            Progress("score", len(self.scored), len(self.jobs), "read back by OCR"),
            Progress("finals", len(self.finals), len(self.expected), told + dead),
        )
