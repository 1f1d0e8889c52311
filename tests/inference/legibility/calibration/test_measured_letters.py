"""The table of what a reader reads of each letter is counted right, and says what coverage makes of it."""

from __future__ import annotations

from collections import defaultdict

from inference.legibility.base import Line
from inference.legibility.calibration.faces import can_set
from inference.legibility.calibration.letters import Tally, sheet, specimens, tally, upper
from inference.legibility.calibration.posters import HELD_OUT_FONTS
from inference.legibility.folding import strict
from inference.legibility.pixels import decode
from inference.legibility.rapid import characters
from inference.legibility.scripts import SAMPLES


def line(text: str, top: float, *alternatives: tuple[int, str, float]) -> Line:
    right = 30.0 * len(text)
    box = ((0.0, top), (right, top), (right, top + 40), (0.0, top + 40))
    return Line(text, 0.95, box, alternatives=alternatives)


def counted(meant: tuple[str, ...], *read: Line) -> dict[str, Tally]:
    found: defaultdict[str, Tally] = defaultdict(Tally)
    tally(meant, read, found)
    return found


def test_a_letter_read_right_and_one_read_as_another_are_told_apart() -> None:
    found = counted(("ΓΙΟΡΤΗ",), line("TIOPTH", 0, (0, "Γ", 0.02)))
    assert found["Γ"].row() == {"set": 1, "right": 0, "instead": {"T": (1, 1)}}
    # The Greek tau is one ink with the Latin letter.
    assert found["T"].row() == {"set": 1, "right": 1}


def test_a_letter_that_was_held_impossible_was_not_weighed() -> None:
    assert counted(("ΓΑΛΑ",), line("TAΛA", 0, (0, "Γ", 0.004)))["Γ"].row()["instead"] == {"T": (1, 0)}


def test_a_lost_letter_is_counted_as_nothing_and_the_rest_stay_in_their_places() -> None:
    found = counted(("Țară mică",), line("ară mică", 0))
    assert found["Ț"].instead == {"": 1}
    assert found["r"].right == found["m"].right == 1 and found["ă"].right == 2


def test_a_line_that_was_not_found_says_nothing_of_its_letters() -> None:
    found = counted(("ŁÓDŹ", "Zebra"), line("Zebra", 100))
    assert "Ł" not in found and found["Z"].right == 1


def test_capitals_are_the_languages_own() -> None:
    assert upper("inci kapı", "tr") == "İNCİ KAPI" and upper("inci", "pl") == "INCI"
    assert upper("Straße", "de") == "STRAßE"


def test_every_letter_of_the_scripts_it_lists_is_set_and_no_font_is_held_out() -> None:
    chosen = list(specimens())
    written = {letter for specimen in chosen for text in specimen.lines for letter in strict(text)}
    for name in ("English", "French", "German", "Spanish", "Polish", "Turkish", "Kana"):
        assert set(strict(SAMPLES[name])) - written <= set("0123456789ÿ"), name
    assert set(strict(SAMPLES["Greek"].upper())) <= written
    held_out = {face for pairs in HELD_OUT_FONTS.values() for pair in pairs for face in pair}
    assert not held_out & {specimen.sketch.faces[0] for specimen in chosen}
    assert all(can_set(each.sketch.faces[0], text) for each in chosen[::20] for text in each.lines)


def test_a_sheet_is_the_same_picture_each_time() -> None:
    specimen = next(iter(specimens()))
    assert sheet(specimen) == sheet(specimen)
    assert decode(sheet(specimen)).size == specimen.sketch.size


def test_what_is_declared_is_what_the_table_says_is_read() -> None:
    declared = characters()
    assert not declared & set("ΠŹĞÆ") and set("ΓİÅŽŁ") <= declared
