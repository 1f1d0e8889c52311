from __future__ import annotations

import dataclasses
import random

import pytest

from schemas.events import Event, PromptEvent, PromptRef, Render, RenderJob, Spec
from streams.demo.tally import Tally, expected_refs
from tests.streams.demo.finals_made import attempt, final

REF = PromptRef("s", "1")
SPEC = Spec(
    prompt="p",
    texts=(),
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
    ref=REF, spec=SPEC, engine="sd3.5_medium", purpose="preview", ordinal=0, route="r", reason="", policy="p"
)
POLISH = dataclasses.replace(
    JOB, engine="imagen4_remote", purpose="escalate", ordinal=1, history=(attempt(0),)
)
WHOLE_LIFE: list[Event] = [
    JOB,
    Render(job=JOB, outcome="rendered"),
    POLISH,
    Render(job=POLISH, outcome="rendered"),
    final("1", [attempt(0), attempt(1, "imagen4_remote")]),
]


def counts(tally: Tally) -> dict[str, tuple[int, int]]:
    return {each.stage: (each.done, each.known) for each in tally.progress()}


def test_finals_are_owed_for_every_variant_in_every_locale() -> None:
    prompt = PromptEvent(id="1", source="s", prompt="p", variants=2, locales=("en", "fr"))
    assert expected_refs([prompt]) == {PromptRef("s", "1", variant) for variant in range(4)}


def test_each_stage_is_counted_as_its_events_come() -> None:
    tally = Tally(frozenset({REF}))
    tally.observe(JOB)
    assert counts(tally) == {
        "route": (1, 1), "preview": (0, 1), "polish": (0, 0), "score": (0, 1), "finals": (0, 1)
    }  # fmt: skip
    for event in WHOLE_LIFE[1:4]:
        tally.observe(event)
    assert counts(tally) == {
        "route": (1, 1), "preview": (1, 1), "polish": (1, 1), "score": (1, 2), "finals": (0, 1)
    }  # fmt: skip
    assert not tally.done
    tally.observe(WHOLE_LIFE[4])
    assert tally.done
    assert counts(tally)["score"] == (2, 2)


@pytest.mark.parametrize("seed", range(5))
def test_neither_order_nor_repetition_changes_the_count(seed: int) -> None:
    shuffled = WHOLE_LIFE * 2
    random.Random(seed).shuffle(shuffled)
    tally = Tally(frozenset({REF}))
    for event in shuffled:
        tally.observe(event)
    assert counts(tally) == {
        "route": (1, 1), "preview": (1, 1), "polish": (1, 1), "score": (2, 2), "finals": (1, 1)
    }  # fmt: skip


def test_a_preview_result_is_no_final() -> None:
    tally = Tally(frozenset({REF}))
    tally.observe(dataclasses.replace(final("1", [attempt(0)]), final=False, status=None))
    assert tally.missing == [REF]


def test_prompts_of_others_on_a_shared_topic_are_not_counted() -> None:
    tally = Tally(frozenset({PromptRef("s", "other")}))
    for event in WHOLE_LIFE:
        tally.observe(event)
    assert {done for done, _ in counts(tally).values()} == {0}
    assert not tally.done
