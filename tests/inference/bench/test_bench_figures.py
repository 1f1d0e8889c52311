"""Figures count what they say they count."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.bench.figures import COMPARED, Dollars, Estimate, comparisons, engine_figures
from inference.bench.plan import Draw, plan
from inference.bench.samples import Sample, Subject, sample_of, script_of
from inference.bench.statistics import wilson
from schemas.events import (
    Asset,
    Legibility,
    Pictures,
    PromptEvent,
    PromptRef,
    Render,
    RenderJob,
    Spec,
    Text,
    TextReading,
)
from tests.inference.bench.benches import draw_all, report, sample, subjects

ASKED = subjects(4)
BY_DIGEST = {subject.digest: subject for subject in ASKED}


def figures(samples: list[Sample], engine: str = "pen") -> Any:
    return engine_figures(engine, samples, BY_DIGEST, np.random.default_rng(1), rounds=300)


def draws(*engines: str, samples: int = 2, warm_up: int = 0) -> tuple[Draw, ...]:
    return plan(engines, ASKED, samples=samples, seed=1, warm_up=warm_up)


def test_dollars_are_all_that_was_spent_over_what_it_bought() -> None:
    drawn = draw_all(draws("pen"), lambda _: {"usd_hosted": 0.04, "usd_infrastructure": 0.01})
    drawn[0] = replace(drawn[0], outcome="refused", accepted=False, score=None)
    drawn[1] = replace(drawn[1], accepted=False)
    found = figures(drawn)
    assert (found.usd_hosted, found.usd_infrastructure) == pytest.approx((0.32, 0.08))
    assert found.usd_per_1000_rendered.hosted == pytest.approx(1_000 * 0.32 / 7)
    assert found.usd_per_1000_accepted.infrastructure == pytest.approx(1_000 * 0.08 / 6)
    assert found.outcomes == {"refused": 1, "rendered": 7}
    assert str(Dollars(12.0, 0.5)) == "$12.50"


def test_none_accepted_has_no_price() -> None:
    found = figures(draw_all(draws("pen"), lambda _: {"accepted": False, "usd_hosted": 0.04}))
    assert found.usd_per_1000_accepted is None
    assert found.usd_per_1000_rendered is not None
    assert found.accepted.value == 0.0


def test_warm_ups_and_other_engines_count_for_nothing() -> None:
    drawn = draw_all(
        draws("pen", "brush", warm_up=3),
        lambda draw: {
            "seconds": 99.0 if draw.warm_up else 2.0,
            "score": 0.0 if draw.engine == "brush" else 1.0,
        },
    )
    found = figures(drawn)
    assert (found.samples, found.prompts) == (8, 4)
    assert found.seconds_p95 == Estimate(2.0, 2.0, 2.0)
    assert found.legibility.value == 1.0
    with pytest.raises(ValueError, match="none of 'pen' beside warm-ups"):
        figures([each for each in drawn if each.warm_up])


def test_a_failure_is_not_accepted_and_is_neither_slow_nor_illegible() -> None:
    drawn = draw_all(draws("pen"), lambda _: {"score": 0.9})
    failed: dict[str, Any] = {"outcome": "failed", "accepted": False, "score": None, "seconds": 0.001}
    drawn[:4] = [replace(each, **failed) for each in drawn[:4]]
    found = figures(drawn)
    assert found.accepted.value == 0.5
    assert found.legibility.value == pytest.approx(0.9)
    assert found.seconds_p50.value == 1.0


def test_what_no_reader_covers_is_counted_apart() -> None:
    drawn = draw_all(draws("pen"), lambda d: {"accepted": None if d.sample else True, "score": None})
    found = figures(drawn)
    assert (found.unjudged, found.accepted_samples, found.accepted.value) == (4, 4, 1.0)
    assert found.legibility is None


def test_one_prompt_is_resampled_by_samples_and_says_so() -> None:
    one = plan(["pen"], ASKED[:1], samples=9, seed=1, warm_up=0)
    found = figures(draw_all(one, lambda d: {"seconds": 1.0 + d.sample, "accepted": d.sample > 2}))
    assert found.resampled == "samples"
    assert found.seconds_p50.value == 5.0
    assert found.seconds_p50.low < 5.0 < found.seconds_p50.high
    expected = wilson(6, 9)
    assert found.accepted == Estimate(expected.value, expected.low, expected.high)


def test_one_sample_has_an_open_interval() -> None:
    found = figures([sample(draws("pen")[0])])
    assert found.seconds_p50 == Estimate(1.0, None, None)
    assert f"{found.seconds_p50:.1f}" == "1.0 (? to ?)"
    assert found.legibility.low < 0.3


def test_groups_are_by_script_and_by_regions() -> None:
    greek = Subject("g", "a" * 64, "Greek", 3)
    drawn = [
        *draw_all(draws("pen"), lambda _: {}),
        sample(Draw("pen", greek, 0, 5), accepted=False, score=0.2),
    ]
    subjects_ = {**BY_DIGEST, greek.digest: greek}
    found = engine_figures("pen", drawn, subjects_, np.random.default_rng(1), rounds=100)
    assert [(g.name, g.samples) for g in found.by_script] == [("Greek", 1), ("Latin", 8)]
    assert [(g.name, g.samples) for g in found.by_regions] == [("1", 8), ("3", 1)]
    assert found.by_script[0].legibility is not None
    assert found.by_script[0].legibility.value == pytest.approx(0.2)


def test_engines_are_compared_over_what_both_drew() -> None:
    def script(draw: Draw) -> dict[str, Any]:
        good = draw.engine == "pen"
        return {"score": 0.9 if good else 0.7, "accepted": good, "seconds": 2.0 if good else 1.0}

    drawn = draw_all(plan(["pen", "brush", "quill"], subjects(12), samples=2, seed=1, warm_up=1), script)
    drawn.remove(next(each for each in drawn if each.engine == "brush" and not each.warm_up))
    found = comparisons(["pen", "brush", "quill"], drawn, np.random.default_rng(1), rounds=5_000)
    assert [(p.first, p.second) for p in found[:3]] == [
        ("pen", "brush"),
        ("pen", "quill"),
        ("brush", "quill"),
    ]
    assert [p.measure for p in found[::3]] == list(COMPARED)
    assert (found[0].pairs, found[1].pairs) == (23, 24)
    assert found[0].difference.value == pytest.approx(0.2)
    assert found[0].p == pytest.approx(2 / 2**12, rel=0.01)
    assert found[0].p_holm == pytest.approx(3 * found[0].p, rel=0.5)
    assert (found[2].difference.value, found[2].p, found[2].p_holm) == (0.0, 1.0, 1.0)
    assert found[6].difference.value == pytest.approx(1.0)


@given(st.lists(st.tuples(st.sampled_from([True, False, None]), st.floats(0, 1)), min_size=8, max_size=8))
def test_figures_stay_within_their_bounds(drawn: list[tuple[bool | None, float]]) -> None:
    scripted = iter(drawn)

    def script(_: Draw) -> dict[str, Any]:
        accepted, score = next(scripted)
        return {"accepted": accepted, "score": None if accepted is None else score}

    found = figures(draw_all(draws("pen"), script))
    assert found.accepted_samples + found.unjudged <= found.samples == sum(found.outcomes.values())
    for each in (found.accepted, found.legibility):
        assert each is None or 0 <= each.low <= each.value + 1e-9 <= each.high + 2e-9 <= 1 + 3e-9


def render(**fields: Any) -> Render:
    spec = Spec(
        prompt="p",
        texts=(Text("OPEN"),),
        negative_prompt="",
        width=64,
        height=64,
        sampler="euler",
        steps=None,
        guidance=None,
        seed=5,
        locale="en",
    )
    job = RenderJob(
        ref=PromptRef("bench", "p0"), spec=spec, engine="pen", purpose="final", ordinal=0, route="bench",
        reason="", policy="bench",
    )  # fmt: skip
    asset = Asset("file:///a.png", "a" * 64, "image/png", 1)
    made: dict[str, Any] = {
        "outcome": "rendered", "model": "m", "render_id": "r", "usd": 0.04, "seconds": 2.0,
        "pictures": Pictures(image=asset, original=asset), **fields,
    }  # fmt: skip
    return Render(job=job, **made)


READING = Legibility(
    score=0.8, recall=0.9, precision=0.85, critical_exact=True, version="scripted-score",
    texts=(TextReading(text="OPEN", verdict="read"),),
)  # fmt: skip


def test_a_sample_is_what_was_rendered_and_read() -> None:
    found = sample_of(
        render(), READING, subject=ASKED[0], sample=3, accepted=True, paid_to="hosted", warm_up=True
    )
    assert (found.engine, found.prompt, found.sample, found.seed, found.warm_up) == ("pen", "p0", 3, 5, True)
    assert (found.usd_hosted, found.usd_infrastructure, found.usd, found.seconds) == (0.04, 0.0, 0.04, 2.0)
    assert (found.score, found.recall, found.precision, found.critical_exact) == (0.8, 0.9, 0.85, True)
    assert (found.score_version, found.image, found.pair) == (
        "scripted-score",
        "file:///a.png",
        (ASKED[0].digest, 5),
    )


def test_a_refusal_is_not_accepted_whatever_is_said_of_it() -> None:
    refused = render(outcome="refused", pictures=None, reason="no brands")
    found = sample_of(refused, None, subject=ASKED[0], sample=0, accepted=None, paid_to="infrastructure")
    assert (found.accepted, found.score, found.reason, found.usd_infrastructure) == (
        False,
        None,
        "no brands",
        0.04,
    )


def test_a_picture_from_the_store_or_unread_is_no_sample() -> None:
    with pytest.raises(ValueError, match="comes from the store; draw with no_cache"):
        sample_of(render(cached=True), READING, subject=ASKED[0], sample=0, accepted=True, paid_to="hosted")
    with pytest.raises(ValueError, match="read it before it counts"):
        sample_of(render(), None, subject=ASKED[0], sample=0, accepted=True, paid_to="hosted")


@pytest.mark.parametrize(
    ("texts", "script"),
    [
        (["Summer Sale", "50 %"], "Latin"),
        (["ΝΥΧΤΕΣ", "A"], "Greek"),
        (["夏日特卖"], "Han"),
        (["夏のセール"], "Kana"),
        (["여름 세일"], "Hangul"),
        (["عرض الصيف"], "Arabic"),
        (["ลดราคา"], "Thai"),
        (["50 %", "!"], "none"),
        ([], "none"),
    ],
)
def test_a_prompts_script_is_that_of_its_texts(texts: list[str], script: str) -> None:
    assert script_of(texts) == script


def test_a_prompts_digest_changes_with_what_is_drawn_or_judged_and_not_with_its_id() -> None:
    event = PromptEvent(id="a", source="s", prompt='"OPEN"', texts=(Text("OPEN"),))
    same = Subject.of(replace(event, id="b", campaign="c", seed=4))
    assert same.digest == Subject.of(event).digest
    others = [
        replace(event, prompt="x"),
        replace(event, texts=(Text("OPEN", critical=True),)),
        replace(event, width=512),
        replace(event, guidance=3.0),
        replace(event, locale="de"),
    ]
    assert len({Subject.of(other).digest for other in [event, *others]}) == 6


def test_a_report_of_a_bench_has_all_engines() -> None:
    made = report(["pen", "brush"], ASKED, lambda _: {})
    assert [each.figures.engine for each in made.engines] == ["pen", "brush"]
    assert made.engine("quill") is None
