from __future__ import annotations

import importlib.metadata

import pytest

from inference.typography import fonts
from inference.typography.fonts import FAMILIES, Family, FontMissing


def test_every_promised_script_has_a_font() -> None:
    available = fonts.scripts_available()
    assert set(available) >= {"Latin", "Greek", "Cyrillic", "Arabic", "Hebrew", "Devanagari", "Thai", "Han"}
    assert all(available.values()), available


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_family_comes_from_its_pinned_package(name: str) -> None:
    path, version = fonts.path_of(FAMILIES[name])
    assert path.name == FAMILIES[name].file
    assert version == importlib.metadata.version(FAMILIES[name].distribution)


def test_a_missing_package_is_named_with_the_way_to_get_it() -> None:
    with pytest.raises(FontMissing, match="pip install fontpkg-no-such-family"):
        fonts.path_of(Family("Nowhere", "fontpkg-no-such-family", "Nowhere.ttf"))


def test_the_weight_axis_changes_the_outlines() -> None:
    light, heavy = fonts.face("Oswald", 300), fonts.face("Oswald", 700)
    glyph = light.font.get_nominal_glyph(ord("H"))
    assert fonts.outline(light, glyph) != fonts.outline(heavy, glyph)


def test_a_face_without_small_letters_does_not_cover_them() -> None:
    bebas = fonts.face("Bebas Neue")
    assert bebas.covers("A")
    assert not bebas.covers("a")


@pytest.mark.parametrize(
    ("text", "script"),
    [("Summer 2026", "Latn"), ("مهرجان AI", "Arab"), ("2026", "Latn"), ("東京の夏", "Hani")],
)
def test_most_letters_decide_the_script(text: str, script: str) -> None:
    assert fonts.dominant_script(text) == script
