from __future__ import annotations

import pytest

from inference.typography.blocks import LEAST_PX, Item, fit_stack, make_item, stack_height
from inference.typography.styles import STYLES
from schemas.events import Role, Text

UNIT = 6.0


def item(role: Role, words: str) -> Item:
    return make_item(Text(words, role), role, words, "en", STYLES["poster"], UNIT)


STACK = [
    item("headline", "Midnight Jazz"),
    item("subtitle", "Live at the Blue Room"),
    item("body", "Two sets, one long night, and a band that never looks at the clock."),
    item("cta", "Book now"),
]


@pytest.mark.parametrize("height", [160, 220, 300, 420])
def test_a_stack_fills_its_box_and_never_spills(height: float) -> None:
    fitted = fit_stack(STACK, 400, height, UNIT)
    assert fitted is not None
    stack, tightness = fitted
    assert 0.6 * height < stack_height(stack, tightness, UNIT) <= height
    assert all(sized.width <= 400 for sized in stack)
    assert all(sized.size >= LEAST_PX for sized in stack)


def test_less_room_never_gives_larger_type() -> None:
    sizes = [
        [sized.size for sized in fitted[0]]
        for fitted in (fit_stack(STACK, 400, h, UNIT) for h in (160, 220, 300))
        if fitted
    ]
    assert len(sizes) == 3
    assert sizes == sorted(sizes)


def test_a_stack_with_room_to_spare_is_set_at_its_best_size() -> None:
    fitted = fit_stack(STACK, 2000, 2000, UNIT)
    assert fitted is not None
    assert fitted[1] == 0.0
    assert fitted[0][0].size == STACK[0].high


def test_the_headline_gives_way_before_the_small_print() -> None:
    loose, tight = fit_stack(STACK, 400, 420, UNIT), fit_stack(STACK, 400, 230, UNIT)
    assert loose is not None
    assert tight is not None
    assert tight[0][0].size < loose[0][0].size
    assert tight[0][2].size == loose[0][2].size


@pytest.mark.parametrize(("width", "height"), [(400, 60), (20, 400)])
def test_nothing_is_set_where_not_even_the_least_size_fits(width: float, height: float) -> None:
    assert fit_stack(STACK, width, height, UNIT) is None


def test_a_long_word_gets_a_narrow_face() -> None:
    short, long = item("headline", "Wort"), item("headline", "Donaudampfschifffahrt")
    modern = make_item(
        Text("Donaudampfschifffahrt"), "headline", "Donaudampfschifffahrt", "de", STYLES["modern"], UNIT
    )
    assert short.measured.para.faces[0].family.name == long.measured.para.faces[0].family.name == "Anton"
    assert modern.measured.para.faces[0].family.name == "Anton"


def test_capitals_are_letterspaced_and_small_letters_are_not() -> None:
    assert item("brand", "BLUE ROOM").measured.para.tracking > 0
    assert item("brand", "Blue Room").measured.para.tracking == 0
