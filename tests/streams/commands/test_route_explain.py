from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import PromptEvent
from streams.cli import main
from streams.commands.route import explanations, steps
from streams.routing.policy import POLICIES
from streams.routing.table import decide_route

CASES = {
    "layout": "tag layout-only",
    "remote-imagen-polish": "requires_typography_precision and confidence < 0.8",
    "remote-final": "otherwise, by tag: stylised, layout-heavy, else the best speller",
}

PROMPTS = st.builds(
    PromptEvent,
    id=st.just("1"),
    source=st.just("s"),
    prompt=st.just('a "SALE"'),
    tags=st.lists(st.sampled_from(["layout-only", "ultra", "stylised", "x"]), max_size=3).map(tuple),
    requires_typography_precision=st.booleans(),
    confidence=st.none() | st.sampled_from([0.0, 0.79, 0.8, 1.0]),
    fast_preview=st.booleans(),
)


@given(PROMPTS, st.sampled_from(sorted(POLICIES)))
def test_the_case_that_is_said_to_hold_is_the_one_that_routes(event: PromptEvent, name: str) -> None:
    policy = POLICIES[name]
    route = decide_route(event, (), policy)
    holding = [step for step in steps(event, policy) if step.holds]
    assert len(holding) == 1
    if route.name == "local-sd_medium":
        assert holding[0].case in ("fast_preview", f"policy {name} previews every prompt")
    else:
        assert holding[0].case == CASES[route.name]


def test_cases_after_the_one_that_holds_are_not_judged() -> None:
    event = PromptEvent(id="1", source="s", prompt="p", tags=("layout-only",), fast_preview=True)
    assert [step.holds for step in steps(event, POLICIES["hybrid"])] == [True, None, None, None]


def test_every_variant_and_locale_is_explained() -> None:
    event = PromptEvent(id="1", source="s", prompt="p", variants=2, locales=("en", "fr"))
    told = explanations(event, POLICIES["hybrid"])
    assert [(each.variant, each.spec.locale) for each in told] == [(0, "en"), (1, "en"), (2, "fr"), (3, "fr")]
    assert len({each.spec.seed for each in told}) == 4


def test_an_absent_confidence_is_said_to_count_as_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "one.json"
    file.write_text(
        '{"source": "s", "id": "1", "prompt": "the word \\"SALE\\"", "requires_typography_precision": true}'
    )
    with pytest.raises(SystemExit) as left:
        main(["route", "explain", str(file), "--policy", "hybrid"])
    assert left.value.code == 0
    told = capsys.readouterr().out
    assert "precision is true, confidence absent, counts as 0" in told
    assert "=> remote-imagen-polish: imagen4_remote on topic polish" in told
    assert '"SALE" headline' in told


def test_json_has_one_object_for_each_final(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "one.json"
    file.write_text('{"source": "s", "id": "1", "prompt": "p", "variants": 3}')
    with pytest.raises(SystemExit):
        main(["route", "explain", str(file), "--json"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["variant"] for line in lines] == [0, 1, 2]
    assert {line["engine"] for line in lines} == {"imagen4_ultra"}


def test_an_unknown_policy_lists_the_known(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["route", "explain", "-", "--policy", "bold"])
    assert left.value.code == 2
    told = capsys.readouterr().err
    assert "policy 'bold' is unknown; known: expected, hosted-first, hybrid, local-first" in told
