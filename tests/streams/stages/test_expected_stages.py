"""Prompts from route to their final by expected cost, with scripted engines and a real database."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inference.engines.ledger import LedgerUnavailable
from schemas.events import (
    PromptEvent,
    Render,
    RenderJob,
    Result,
    Text,
)
from streams.routing.expected.keeping import Kept
from streams.routing.expected.remembering import Forgetful, News
from streams.routing.policy import HYBRID
from streams.runtime.errors import Retryable
from streams.runtime.stage import Emit
from streams.stages.route import NOBODY_DRAWS, RouteDeps, route, route_by, route_stage
from streams.stages.score import score, score_stage
from tests.streams.stages.scripted_line import EVENT, LOCAL, POLICY, PRICES, Line, advisor

ENDINGS = list(itertools.product(["far", "near", "refused", "failed", "unknown"], repeat=3))


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    memory = Kept(str(tmp_path / "ledger.db"))
    yield memory
    memory.close()


def same(event: PromptEvent, **changes: Any) -> PromptEvent:
    return dataclasses.replace(event, **changes)


async def test_a_prompt_goes_from_the_cheap_engine_up_to_the_one_that_can_spell_it(kept: Kept) -> None:
    for number in range(10):  # so good that another seed is worth a try
        await Line(advisor(kept)).final(same(EVENT, id=f"before {number}"))
    line = Line(advisor(kept), {LOCAL: ["near", "near", "far"], "ideogram_v2a_turbo": ["pass"]})
    final = await line.final(EVENT)
    assert [(job.engine, job.purpose) for job in line.jobs] == [
        (LOCAL, "preview"),
        (LOCAL, "reroll"),
        (LOCAL, "reroll"),
        ("ideogram_v2a_turbo", "escalate"),
    ]
    assert [attempt.verdict for attempt in final.attempts] == ["reroll", "reroll", "escalate", "accept"]
    assert (final.status, final.policy, final.route) == ("accepted", POLICY.label, "local-sd_medium")
    assert [preview.engine for preview in line.previews] == [LOCAL]
    assert line.jobs[1].spec.seed == line.jobs[0].spec.seed + 1
    assert kept.snapshot(POLICY, dict.fromkeys(PRICES, False)).seen == {LOCAL: 13, "ideogram_v2a_turbo": 1}


async def test_each_job_says_why_with_its_numbers_and_whose_rates_they_were(kept: Kept) -> None:
    line = Line(advisor(kept), {LOCAL: ["near"]})
    await line.final(EVENT)
    for job in line.jobs:
        assert job.policy == POLICY.label
        assert f"({POLICY.label}, rates " in job.reason
        assert "on average, the least of" in job.reason
    first, second = (job.reason.rpartition("rates ")[2] for job in line.jobs)
    assert first != second


@pytest.mark.parametrize("endings", ENDINGS)
async def test_every_prompt_comes_to_one_final(endings: tuple[str, ...]) -> None:
    for last in ("far", "failed"):
        script = {name: [*endings[place:], last, last, last] for place, name in enumerate(PRICES)}
        script["layout"] = [last]
        line = Line(advisor(Forgetful()), script)
        final = await line.final(EVENT)
        assert final.final
        assert final.status is not None
        assert len(final.attempts) <= POLICY.attempts + 1
        if final.status == "needs_review":
            assert final.pictures is not None


async def test_a_redelivered_render_is_answered_alike_and_learned_once(kept: Kept) -> None:
    """Killed between the database and the broker, another worker finds what was decided."""
    line = Line(advisor(kept), {LOCAL: ["near"]})
    await line.final(EVENT)
    before = kept.snapshot(POLICY, dict.fromkeys(PRICES, False))
    for number in range(60):  # meanwhile the rates have moved
        await Line(advisor(kept), {LOCAL: ["far"] * 3}).final(same(EVENT, id=f"other {number}"))
    moved = kept.snapshot(POLICY, dict.fromkeys(PRICES, False))
    deps = dataclasses.replace(line.deps, advisor=advisor(kept))
    told = [emit for emit in await score(line.renders[0], deps) if isinstance(emit.event, RenderJob)]
    assert [emit.event for emit in told] == [line.jobs[1]]
    assert kept.snapshot(POLICY, dict.fromkeys(PRICES, False)).digest == moved.digest != before.digest


async def test_a_prompt_delivered_again_goes_where_it_went(kept: Kept) -> None:
    (first,) = await route_by(EVENT, advisor(kept))
    for number in range(40):
        await Line(advisor(kept), {LOCAL: ["far"] * 3}).final(same(EVENT, id=str(number)))
    (again,) = await route_by(EVENT, advisor(kept))
    (anew,) = await route_by(same(EVENT, id="new"), advisor(kept))
    assert again == first
    assert isinstance(anew.event, RenderJob) and anew.event.engine != LOCAL


async def test_two_workers_with_one_render_agree(kept: Kept, tmp_path: Path) -> None:
    other = Kept(str(tmp_path / "ledger.db"))
    line = Line(advisor(kept))
    for number in range(10):
        event = same(EVENT, id=str(number))
        (emit,) = await route_by(event, line.advisor)
        assert isinstance(emit.event, RenderJob)
        render = await line.drawn(emit.event, "near")
        deps = [dataclasses.replace(line.deps, advisor=advisor(memory)) for memory in (kept, other)]
        one, two = await asyncio.gather(*(score(render, each) for each in deps))
        assert one == two
    assert sum(kept.snapshot(POLICY, dict.fromkeys(PRICES, False)).seen.values()) == 10
    other.close()


async def test_a_decision_for_another_question_is_never_used(kept: Kept) -> None:
    """A producer may send an id again with other words: its picture must not be accepted unread."""
    line = Line(advisor(kept))
    assert (await line.final(EVENT)).status == "accepted"
    other = same(EVENT, texts=(Text("CLOSED"),))
    line = Line(advisor(kept), {LOCAL: ["far"]})
    await line.final(other)
    assert line.jobs[0].history == ()
    assert [attempt.verdict for attempt in line.jobs[1].history] != ["accept"]


async def test_what_was_explored_stays_within_its_share_of_what_was_paid(kept: Kept) -> None:
    explored = 0
    for number in range(150):
        line = Line(advisor(kept), {LOCAL: ["far"] if number % 2 else ["pass"]})
        await line.final(same(EVENT, id=str(number), texts=(Text("SALE"),) * (1 + number % 4)))
        explored += sum(job.reason.startswith("to learn") for job in line.jobs)
        purse = kept.snapshot(POLICY, dict.fromkeys(PRICES, False)).purse
        assert purse.explored <= purse.share * purse.spent
    assert explored > 0
    assert purse.explored > 0


async def test_a_refusal_goes_to_another_engine_and_a_second_one_ends_it(kept: Kept) -> None:
    line = Line(advisor(kept), {name: ["refused"] for name in PRICES})
    final = await line.final(EVENT)
    assert (final.status, len(final.attempts)) == ("refused", 2)
    assert "layout" not in [job.engine for job in line.jobs]


async def test_type_alone_is_asked_of_the_layout_engine_alone(kept: Kept) -> None:
    line = Line(advisor(kept), {"layout": ["failed"]})
    final = await line.final(same(EVENT, tags=("layout-only",)))
    assert [(job.engine, job.route, job.reason) for job in line.jobs] == [
        ("layout", "layout", "tag layout-only")
    ]
    assert final.status == "failed"


async def test_words_that_no_reader_knows_are_set_and_not_drawn(kept: Kept) -> None:
    line = Line(advisor(kept, readable=False), {"layout": ["pass"]})
    assert (await line.final(EVENT)).status == "accepted"
    assert [job.engine for job in line.jobs] == ["layout"]


async def test_what_was_drawn_and_cannot_be_read_is_not_drawn_again(kept: Kept) -> None:
    line = Line(advisor(kept), {LOCAL: ["unknown"]})
    assert (await line.final(EVENT)).status == "accepted"
    assert [job.engine for job in line.jobs] == [LOCAL, "layout"]


@pytest.mark.parametrize("outcome", ["expired", "cancelled"])
async def test_a_deadline_or_a_cancellation_ends_it(kept: Kept, outcome: str) -> None:
    deadline = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
    line = Line(advisor(kept), {LOCAL: [outcome]})
    final = await line.final(same(EVENT, deadline=deadline))
    assert (final.status, len(final.attempts)) == (outcome, 1)
    assert line.jobs[0].deadline == deadline


async def test_no_engine_is_asked_whose_price_is_beyond_the_budget(kept: Kept) -> None:
    line = Line(advisor(kept), {name: ["far"] * 3 for name in PRICES if name != "layout"})
    final = await line.final(same(EVENT, budget_usd=0.03))
    assert final.usd <= 0.03
    assert {job.engine for job in line.jobs} == {LOCAL, "ideogram_v2a_turbo", "layout"}


async def test_without_any_engine_a_prompt_ends_failed_and_says_so(kept: Kept) -> None:
    line = Line(advisor(kept, lambda _spec: ()))
    final = await line.final(EVENT)
    assert (final.status, final.reason, final.attempts) == ("failed", NOBODY_DRAWS, ())


async def test_a_person_is_shown_the_best_picture_where_the_last_try_brought_none(kept: Kept) -> None:
    line = Line(advisor(kept), {**{name: ["far"] * 3 for name in PRICES}, "layout": ["failed"]})
    final = await line.final(EVENT)
    assert (final.status, final.attempts[-1].engine, final.pictures is None) == (
        "needs_review",
        "layout",
        False,
    )


async def test_jobs_under_way_of_another_policy_go_on_by_theirs(kept: Kept) -> None:
    line = Line(advisor(kept), {LOCAL: ["far"]})
    (emit,) = route(same(EVENT, fast_preview=True), RouteDeps(HYBRID))
    with_us = await line.goes_on(emit)
    alone = Line(advisor(kept), {LOCAL: ["far"]})
    alone.deps = dataclasses.replace(alone.deps, advisor=None)
    assert await alone.goes_on(emit) == with_us
    assert with_us.policy == HYBRID.label
    assert kept.snapshot(POLICY, dict.fromkeys(PRICES, False)).seen == {}


async def test_a_job_of_an_earlier_version_goes_on_by_this_one_and_says_so(kept: Kept) -> None:
    line = Line(advisor(kept), {LOCAL: ["far"]})
    (emit,) = await route_by(EVENT, line.advisor)
    assert isinstance(emit.event, RenderJob)
    older = dataclasses.replace(emit.event, policy="expected-0")
    final = await line.goes_on(Emit(emit.topic, older))
    assert final.policy == "expected-0"
    assert POLICY.label in final.reason


class Away(Forgetful):
    def snapshot(self, *_: Any) -> Any:
        raise LedgerUnavailable("ledger: no answer")

    def learn(self, _policy: Any, _news: News) -> bool:
        raise LedgerUnavailable("ledger: no answer")


async def test_without_the_database_nothing_is_decided(kept: Kept) -> None:
    line = Line(advisor(Away()))
    with pytest.raises(Retryable, match="no answer"):
        await route_by(EVENT, line.advisor)
    (emit,) = await route_by(EVENT, advisor(kept))
    assert isinstance(emit.event, RenderJob)
    render = await line.drawn(emit.event, "far")
    with pytest.raises(Retryable, match="no answer"):
        await score(render, line.deps)


async def test_given_up_a_picture_that_passes_is_accepted_all_the_same(kept: Kept) -> None:
    line = Line(advisor(kept))
    (emit,) = await route_by(EVENT, line.advisor)
    assert isinstance(emit.event, RenderJob)
    render = await line.drawn(emit.event, "far")
    (told,) = score_stage(line.deps).give_up(render, Retryable("no answer")).emits
    assert isinstance(told.event, Result)
    assert told.event.status == "best_effort"


def test_by_expected_cost_the_stage_is_never_run_in_place(kept: Kept) -> None:
    assert route_stage(RouteDeps(HYBRID)).at_once is not None
    stage = route_stage(advisor(kept))
    assert stage.at_once is None
    given_up = stage.give_up(same(EVENT, variants=2), RuntimeError("no disk"))
    renders = [emit.event for emit in given_up.emits if isinstance(emit.event, Render)]
    assert [render.job.policy for render in renders] == [POLICY.label] * 2


async def test_without_a_memory_every_prompt_is_decided_as_published() -> None:
    first = await Line(advisor(Forgetful()), {LOCAL: ["far"]}).final(EVENT)
    for _ in range(3):
        assert await Line(advisor(Forgetful()), {LOCAL: ["far"]}).final(EVENT) == first
