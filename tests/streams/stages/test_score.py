"""The score stage with a real reader over pictures our own typography set."""

import asyncio
import dataclasses
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from inference.assets import AssetStore
from inference.legibility.service import OcrService
from inference.typography.compose import compose
from schemas.events import Pictures, PromptRef, Render, RenderJob, Result, Spec, Text
from streams.runtime.errors import Permanent
from streams.runtime.stage import Emit
from streams.stages.score import ScoreDeps, recorded_policy, score, score_stage

T = TypeVar("T")
SPEC = Spec(
    prompt="a poster",
    texts=(Text("SALE"),),
    negative_prompt="",
    width=512,
    height=512,
    sampler="euler",
    steps=None,
    guidance=None,
    seed=1,
    locale="en",
)
JOB = RenderJob(
    ref=PromptRef("shop", "p"),
    spec=SPEC,
    engine="sd3.5_medium",
    purpose="preview",
    ordinal=0,
    route="local-sd_medium",
    reason="fast_preview",
    policy="hybrid-1",
)


class Bench:
    """One event loop, one reader and one store for all tests of this file."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self.runner = runner
        self.ocr = OcrService()
        self.store = AssetStore.open("memory://")
        self.deps = ScoreDeps(self.ocr, self.store, lambda *_: 0.05, recorded_policy)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def picture_of(self, *words: str) -> Pictures:
        poster = compose(dataclasses.replace(SPEC, texts=tuple(Text(word) for word in words)))
        asset = self.run(self.store.put(poster.png, "image/png", 512, 512))
        return Pictures(image=asset, original=asset)

    def score(self, render: Render) -> list[Emit]:
        return list(self.run(score(render, self.deps)))


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with asyncio.Runner() as runner:
        built = Bench(runner)
        runner.run(built.ocr.start())
        yield built
        runner.run(built.ocr.aclose())


def drawn(pictures: Pictures | None, job: RenderJob = JOB, **fields: Any) -> Render:
    return Render(job=job, outcome="rendered", pictures=pictures, resolved_engine=job.engine, **fields)


def test_a_readable_preview_is_the_one_final(bench: Bench) -> None:
    (emit,) = bench.score(drawn(bench.picture_of("SALE"), usd=0.01, seconds=2.0))
    final = emit.event
    assert isinstance(final, Result)
    assert (final.final, final.status) == (True, "accepted")
    assert final.legibility is not None
    assert [text.verdict for text in final.legibility.texts] == ["read"]
    assert (final.usd, final.seconds, len(final.attempts)) == (0.01, 2.0, 1)


def test_a_misspelt_preview_is_shown_at_once_and_escalated_with_its_history(bench: Bench) -> None:
    by_topic = {emit.topic.name: emit.event for emit in bench.score(drawn(bench.picture_of("WXQZK")))}
    job, preview = by_topic["polish"], by_topic["results"]
    assert isinstance(job, RenderJob)
    assert isinstance(preview, Result)
    assert (preview.final, preview.status) == (False, None)
    assert (job.engine, job.purpose, job.ordinal) == ("imagen4_remote", "escalate", 1)
    assert [attempt.verdict for attempt in job.history] == ["escalate"]


def test_a_near_miss_is_rolled_again_with_the_next_seed(bench: Bench) -> None:
    spec = dataclasses.replace(SPEC, texts=(Text("GRAND OPENING"),))
    near = drawn(bench.picture_of("GRAND OPENNIG"), dataclasses.replace(JOB, spec=spec))
    job = next(emit.event for emit in bench.score(near) if emit.topic.name == "preview")
    assert isinstance(job, RenderJob)
    assert (job.purpose, job.spec.seed) == ("reroll", SPEC.seed + 1)


def test_composing_gets_the_best_picture_so_far_as_its_background(bench: Bench) -> None:
    job = dataclasses.replace(JOB, engine="imagen4_ultra", purpose="final")
    pictures = bench.picture_of("WXQZK")
    (emit,) = bench.score(drawn(pictures, job))
    assert isinstance(emit.event, RenderJob)
    assert (emit.event.engine, emit.event.purpose) == ("layout", "compose")
    assert emit.event.background == pictures.image


def test_words_no_reader_covers_go_to_a_person(bench: Bench) -> None:
    job = dataclasses.replace(JOB, spec=dataclasses.replace(SPEC, texts=(Text("ลดราคา"),)))
    (emit,) = bench.score(drawn(bench.picture_of("ลดราคา"), job))
    assert isinstance(emit.event, Result)
    assert emit.event.status == "needs_review"


def test_an_attempt_without_a_picture_is_judged_without_reading(bench: Bench) -> None:
    job = dataclasses.replace(JOB, engine="layout", purpose="final")
    (emit,) = bench.score(Render(job=job, outcome="failed", reason="no font"))
    assert isinstance(emit.event, Result)
    assert (emit.event.status, emit.event.reason) == ("failed", "no font")


def test_a_picture_gone_from_the_store_is_a_fault_that_waiting_does_not_mend(bench: Bench) -> None:
    lost = dataclasses.replace(bench.picture_of("SALE").image, sha256="0" * 64)
    with pytest.raises(Permanent):
        bench.score(drawn(Pictures(image=lost, original=lost)))


def test_a_score_given_up_keeps_the_best_picture_as_best_effort(bench: Bench) -> None:
    pictures = bench.picture_of("SALE")
    given_up = score_stage(bench.deps).give_up(drawn(pictures), Permanent("reader broken"))
    (emit,) = given_up.emits
    assert isinstance(emit.event, Result)
    assert (emit.event.status, emit.event.pictures) == ("best_effort", pictures)


def test_a_job_of_an_unknown_policy_is_refused_by_name() -> None:
    with pytest.raises(LookupError, match=r"'hybrid-0' is unknown here; known: hosted-first-1, hybrid-1"):
        recorded_policy(dataclasses.replace(JOB, policy="hybrid-0"))
