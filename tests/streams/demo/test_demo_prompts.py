"""The prompts that the demo sends hold what they promise."""

from __future__ import annotations

from collections import Counter

import pytest

from inference.sd3.tiny.grammar import parse
from inference.sd3.tiny.phrasing import Phrased, phrase
from inference.sd3.tiny.words import FACES
from inference.typography.fonts import dominant_script
from schemas.events import PromptEvent
from streams.commands.demo import default_prompts
from streams.commands.documents import check, read_documents
from streams.demo.tally import expected_refs
from streams.routing.fanout import specs
from streams.routing.policy import POLICIES
from streams.routing.table import decide_route


@pytest.fixture(scope="module")
def prompts() -> list[PromptEvent]:
    checked = check(read_documents(default_prompts()))
    assert checked.faults == ()
    assert checked.warnings == ()
    return [placed.event for placed in checked.prompts]


def test_there_are_enough_in_enough_scripts(prompts: list[PromptEvent]) -> None:
    scripts = {
        dominant_script(text.text) for prompt in prompts for _, spec in specs(prompt) for text in spec.texts
    }
    assert len(prompts) >= 28
    assert {"Latn", "Grek", "Hani", "Arab", "Hebr", "Deva", "Thai"} <= scripts
    assert {prompt.locale for prompt in prompts} >= {"en", "fr", "de", "pl", "tr", "ja"}


def test_every_row_and_every_engine_of_the_table_is_asked(prompts: list[PromptEvent]) -> None:
    asked = Counter(
        (route.name, route.engine)
        for prompt in prompts
        for _, spec in specs(prompt)
        for route in [decide_route(prompt, spec.texts, POLICIES["hybrid"])]
    )
    assert asked.keys() == {
        ("layout", "layout"),
        ("remote-imagen-polish", "imagen4_remote"),
        ("remote-imagen-polish", "imagen4_ultra"),
        ("local-sd_medium", "sd3.5_medium"),
        ("remote-final", "dalle3_hd"),
        ("remote-final", "ideogram_v2a_turbo"),
        ("remote-final", "imagen4_ultra"),
    }


def test_the_tiny_models_own_prompts_are_previews_that_it_can_say_whole(prompts: list[PromptEvent]) -> None:
    own = [(prompt, spec) for prompt in prompts if "tiny" in prompt.tags for _, spec in specs(prompt)]
    assert len(own) >= 12
    for prompt, spec in own:
        assert phrase(spec) == Phrased(prompt.prompt)
        assert decide_route(prompt, spec.texts, POLICIES["hybrid"]).engine == "sd3.5_medium"
        assert (prompt.width, prompt.height) == (256, 256)
    posters = [parse(prompt.prompt) for prompt, _ in own]
    assert {poster.face for poster in posters if poster} == set(FACES)
    assert len({poster.ground for poster in posters if poster}) >= 6


def test_some_prompts_have_several_finals(prompts: list[PromptEvent]) -> None:
    assert len(expected_refs(prompts)) == len(prompts) + 2


def test_figures_and_names_are_to_the_letter(prompts: list[PromptEvent]) -> None:
    loose = [
        text.text
        for prompt in prompts
        for text in prompt.texts
        if not text.critical and any(ch.isdigit() or ch in "%$€" for ch in text.text)
    ]
    assert [text for text in loose if text.isascii()] == []


def test_pictures_are_small_enough_to_be_read_back_quickly(prompts: list[PromptEvent]) -> None:
    assert max(prompt.width * prompt.height for prompt in prompts) <= 640 * 640
