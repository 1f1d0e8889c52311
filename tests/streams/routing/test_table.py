from typing import Any

import pytest

from schemas.events import PromptEvent, Text
from streams.routing.policy import HOSTED_FIRST, HYBRID, LOCAL_FIRST
from streams.routing.table import decide_route, is_dense

SHORT = (Text("SALE"),)
DENSE = tuple(Text(word) for word in ("ONE", "TWO", "THREE", "FOUR"))


def prompt(**fields: Any) -> PromptEvent:
    return PromptEvent(id="p", source="test", prompt="a poster", **fields)


PRECISE = {"requires_typography_precision": True}
TABLE = [
    # fields, texts, route, engine
    ({"tags": ("layout-only",)}, SHORT, "layout", "layout"),
    ({"tags": ("layout-only", "ultra"), **PRECISE, "fast_preview": True}, DENSE, "layout", "layout"),
    ({**PRECISE}, SHORT, "remote-imagen-polish", "imagen4_remote"),
    ({**PRECISE, "confidence": 0.0}, SHORT, "remote-imagen-polish", "imagen4_remote"),
    ({**PRECISE, "confidence": 0.7999999}, SHORT, "remote-imagen-polish", "imagen4_remote"),
    ({**PRECISE, "confidence": 0.8}, SHORT, "remote-final", "imagen4_ultra"),
    ({**PRECISE, "confidence": 1.0}, SHORT, "remote-final", "imagen4_ultra"),
    ({**PRECISE, "confidence": 0.8, "fast_preview": True}, SHORT, "local-sd_medium", "sd3.5_medium"),
    ({**PRECISE, "fast_preview": True}, SHORT, "remote-imagen-polish", "imagen4_remote"),
    ({**PRECISE, "tags": ("ultra",)}, SHORT, "remote-imagen-polish", "imagen4_ultra"),
    ({**PRECISE}, DENSE, "remote-imagen-polish", "imagen4_ultra"),
    ({**PRECISE, "tags": ("stylised",)}, SHORT, "remote-imagen-polish", "imagen4_remote"),
    ({"confidence": 0.1}, SHORT, "remote-final", "imagen4_ultra"),
    ({"fast_preview": True}, SHORT, "local-sd_medium", "sd3.5_medium"),
    ({"fast_preview": True, "tags": ("stylised", "ultra")}, DENSE, "local-sd_medium", "sd3.5_medium"),
    ({}, SHORT, "remote-final", "imagen4_ultra"),
    ({}, (), "remote-final", "imagen4_ultra"),
    ({"tags": ("stylised",)}, SHORT, "remote-final", "dalle3_hd"),
    ({"tags": ("layout-heavy",)}, SHORT, "remote-final", "ideogram_v2a_turbo"),
    ({"tags": ("layout-heavy", "stylised")}, SHORT, "remote-final", "dalle3_hd"),
    ({"tags": ("Stylised", "STYLISED")}, SHORT, "remote-final", "imagen4_ultra"),
]


@pytest.mark.parametrize(("fields", "texts", "route", "engine"), TABLE)
def test_the_first_matching_row_of_the_table_wins(
    fields: dict[str, Any], texts: tuple[Text, ...], route: str, engine: str
) -> None:
    chosen = decide_route(prompt(**fields), texts, HYBRID)
    assert (chosen.name, chosen.engine) == (route, engine)
    assert chosen.reason


def test_an_absent_confidence_counts_as_0_and_says_so() -> None:
    chosen = decide_route(prompt(**PRECISE), SHORT, HYBRID)
    assert "confidence absent, counts as 0" in chosen.reason


@pytest.mark.parametrize(
    ("texts", "dense"),
    [
        (3 * (Text("A"),), False),
        (4 * (Text("A"),), True),
        ((Text("x" * 60),), False),
        ((Text("x" * 61),), True),
        ((), False),
    ],
)
def test_text_is_dense_from_four_regions_or_over_sixty_characters(
    texts: tuple[Text, ...], dense: bool
) -> None:
    assert is_dense(texts) is dense


@pytest.mark.parametrize(("fields", "texts", "_route", "engine"), TABLE)
def test_local_first_previews_every_prompt_but_pure_layout(
    fields: dict[str, Any], texts: tuple[Text, ...], _route: str, engine: str
) -> None:
    chosen = decide_route(prompt(**fields), texts, LOCAL_FIRST)
    assert chosen.engine == ("layout" if engine == "layout" else "sd3.5_medium")


@pytest.mark.parametrize(("fields", "texts", "_route", "engine"), TABLE)
def test_hosted_first_never_previews(
    fields: dict[str, Any], texts: tuple[Text, ...], _route: str, engine: str
) -> None:
    chosen = decide_route(prompt(**fields), texts, HOSTED_FIRST)
    assert chosen.engine != "sd3.5_medium"
    if engine != "sd3.5_medium":
        assert chosen.engine == engine
