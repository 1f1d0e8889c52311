from __future__ import annotations

import pytest

from inference.typography.bidirectional import base_direction
from inference.typography.fonts import Face, face
from inference.typography.shaping import NoGlyph, Shaped, normalise, paragraph, shape


def shaped(text: str, *chain: Face, locale: str = "en") -> Shaped:
    return shape(paragraph(text, chain, direction=base_direction(text, locale), locale=locale))


def names(line: Shaped) -> list[str]:
    return [glyph.face.font.glyph_to_string(glyph.id) for glyph in line.glyphs]


@pytest.mark.parametrize(
    ("text", "family", "locale", "run"),
    [
        pytest.param(
            "مهرجان",
            "Rubik",
            "ar",
            ["uni0646", "uniFE8E", "uniFE9F", "uniFEAE", "uniFEEC", "uniFEE3"],
            id="arabic-joins-and-runs-right-to-left",
        ),
        pytest.param(
            "हिन्दी",
            "Noto Sans Devanagari",
            "hi",
            ["uni093F.03", "uni0939", "uni0928094D", "uni0926", "uni0940"],
            id="devanagari-reorders-the-short-i-and-halves-the-na",
        ),
        pytest.param(
            "ที่",
            "Noto Sans Thai",
            "th",
            ["uni0E17", "uni0E35", "uni0E48.small"],
            id="thai-stacks-tone-on-vowel",
        ),
        pytest.param(
            "น้ำ",
            "Noto Sans Thai",
            "th",
            ["uni0E19", "uni0E4D", "uni0E49.small", "uni0E32"],
            id="thai-splits-sara-am",
        ),
        pytest.param(
            "שלום",
            "Rubik",
            "he",
            ["uni05DD", "uni05D5", "uni05DC", "uni05E9"],
            id="hebrew-runs-right-to-left",
        ),
        pytest.param("office", "Playfair Display", "en", ["o", "f_f_i", "c", "e"], id="latin-ligature"),
    ],
)
def test_golden_glyph_runs(text: str, family: str, locale: str, run: list[str]) -> None:
    assert names(shaped(text, face(family, 700), locale=locale)) == run


def test_latin_inside_hebrew_keeps_its_own_order() -> None:
    line = shaped("שלום AI", face("Rubik", 700), locale="he")
    assert [glyph.cluster for glyph in line.glyphs] == [5, 6, 4, 3, 2, 1, 0]


def test_kerning_tightens_a_pair() -> None:
    oswald = face("Oswald", 700)
    pair = shaped("AV", oswald).advance
    assert pair < shaped("A", oswald).advance + shaped("V", oswald).advance


def test_a_grapheme_the_first_face_lacks_comes_from_the_next() -> None:
    line = shaped("A日", face("Anton"), face("Noto Sans CJK"))
    assert [glyph.face.family.name for glyph in line.glyphs] == ["Anton", "Noto Sans CJK"]


def test_a_mark_never_leaves_the_face_of_its_letter() -> None:
    line = shaped("Ж\u0301а", face("Oswald", 700), face("Noto Sans", 700))
    assert len({glyph.face.family.name for glyph in line.glyphs if glyph.cluster == 0}) == 1


def test_characters_without_a_glyph_are_all_named() -> None:
    with pytest.raises(NoGlyph) as refused:
        shaped("go 😀 ᚠ!", face("Noto Sans"))
    assert refused.value.characters == ("😀", "ᚠ")


def test_arabic_is_never_letterspaced() -> None:
    rubik = face("Rubik", 600)
    spaced = paragraph("سلام", [rubik], direction="rtl", locale="ar", tracking=0.1)
    assert shape(spaced).advance == shaped("سلام", rubik, locale="ar").advance


def test_japanese_and_chinese_draw_the_same_character_their_own_way() -> None:
    cjk = face("Noto Sans CJK")
    assert shaped("骨", cjk, locale="ja").glyphs[0].id != shaped("骨", cjk, locale="zh-CN").glyphs[0].id


def test_figures_stand_on_the_line() -> None:
    assert shaped("1970", face("Playfair Display", 800)).descent < 0.03


def test_invisible_controls_and_double_spaces_are_taken_out() -> None:
    assert normalise("  Cafe\u0301\u00ad  \u2066bar\u2069 \n\t baz ") == "Café bar\nbaz"
