"""Further looks: when there are any, where they look, and what they may change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from PIL import Image

from inference.legibility.base import Line, Seen
from inference.legibility.looking import STOP_AFTER_S, ReaderError, judge
from inference.legibility.rereading import View, bounds, further_views, is_lost, overlap
from inference.legibility.score import Look, score
from schemas.events import Text

Rows = Callable[..., list[Line]]

LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789% ")
WHOLE = View((0, 0, 600, 400), zoom=2)
QUARTERS = ["2x at 0,0", "2x at 225,0", "2x at 0,150", "2x at 225,150"]
POSTER = (Text("SUMMER SALE"), Text("50% OFF"))


def line(
    text: str, left: int = 0, top: int = 0, right: int = 100, bottom: int = 20, *, confidence: float = 0.7
) -> Line:
    return Line(text, confidence, ((left, top), (right, top), (right, bottom), (left, bottom)))


@pytest.mark.parametrize(
    ("similarity", "confidence", "said", "lost"),
    [
        (0.0, 0.0, 0.0, True),
        (0.49, 0.99, 1.0, True),
        (0.51, 0.99, 1.0, False),
        (0.8, 0.8, 1.0, True),
        (0.6, 0.99, 0.6, True),
        (0.9, 0.8, 0.9, False),
    ],
    ids=["not there", "other words", "surely misspelt", "doubted", "half of it", "a slip"],
)
def test_a_text_is_lost_when_not_all_was_found_or_it_was_misread_without_certainty(
    similarity: float, confidence: float, said: float, lost: bool
) -> None:
    assert is_lost(similarity, confidence, said) is lost


@pytest.mark.parametrize(
    ("unread", "names"),
    [
        ([], []),
        ([line("37VS")], ["turned 180"]),
        ([line("37VS", confidence=0.97)], []),
        ([line("o", right=20, bottom=120)], ["turned 270", "turned 90"]),
        ([line("DOWN", right=20, bottom=120, confidence=0.99)], ["turned 90"]),
        ([line("OK", right=30, bottom=30)], ["turned 180", "turned 270", "turned 90"]),
        ([line("37VS"), line("o", right=20, bottom=120)], ["turned 270", "turned 90", "turned 180"]),
    ],
    ids=["nothing seen", "wide", "sure", "tall", "tall and sure", "square", "most ink first"],
)
def test_only_what_may_be_turned_is_turned_and_enlarging_comes_last(
    unread: Sequence[Line], names: list[str]
) -> None:
    assert [view.name for view in further_views((600, 400), unread)] == [*names, *QUARTERS]


def test_the_picture_is_turned_whole_and_enlarged_by_quarters_that_overlap() -> None:
    turned, *quarters = further_views((600, 400), [line("37VS", 300, 200, 400, 220)])
    assert turned.part == (0, 0, 600, 400)
    assert [view.part for view in quarters] == [
        (0, 0, 375, 250),
        (225, 0, 600, 250),
        (0, 150, 375, 400),
        (225, 150, 600, 400),
    ]


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_box_of_a_turned_view_is_found_again_in_the_picture(turn: int) -> None:
    picture = Image.new("L", (60, 40))
    picture.paste(255, (22, 11, 30, 15))
    view = View((10, 5, 50, 35), turn)  # type: ignore[arg-type]  # one of the four
    left, top, right, bottom = view.of(picture).getbbox() or (0, 0, 0, 0)
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    assert bounds(view.in_picture(corners)) == (22, 11, 30, 15)


def test_boxes_overlap_by_the_share_of_the_smaller() -> None:
    assert overlap((0, 0, 10, 10), (5, 0, 25, 10)) == 0.5
    assert overlap((0, 0, 10, 10), (20, 0, 30, 10)) == overlap((0, 0, 0, 0), (0, 0, 9, 9)) == 0


def test_the_best_reading_of_each_text_counts_and_says_which_look_it_was(page: Rows) -> None:
    first = {"reader": page(["SUMMER SALE", "S07 0"])}
    again = [Look(WHOLE, {"reader": page(["SVNNER SA", "50% OFF"])})]
    got = score(POSTER, first, {"reader": LETTERS}, again=again)
    assert [(t.read, t.look) for t in got.texts] == [("SUMMER SALE", ""), ("50% OFF", "2x at 0,0")]
    assert got.recall == 1.0 and got.looks == ("2x at 0,0",) and got.critical_exact


def test_further_looks_never_lower_the_score(page: Rows) -> None:
    first = {"reader": page(["SUMMER SALE"])}
    noisy = [Look(WHOLE, {"reader": page(["SUMMER SALE", "50 0F", "LOREM IPSUM DOLOR", "SIT AMET QUI"])})]
    before = score(POSTER, first, {"reader": LETTERS})
    after = score(POSTER, first, {"reader": LETTERS}, again=noisy)
    assert before.score is not None and after.score is not None and after.score >= before.score
    assert after.looks == ("2x at 0,0",)


def test_a_look_at_a_part_of_the_picture_clears_nobody_of_extras(page: Rows) -> None:
    first = {"reader": page(["SUMMER SALE", "330 %OS", "LOREM IPSUM"])}
    turned = View((0, 100, 600, 250), 180)
    lines = [line("50% OFF", 340, 55, 550, 95, confidence=0.99)]
    got = score(POSTER, first, {"reader": LETTERS}, again=[Look(turned, {"reader": lines})])
    assert got.extra == ("LOREM IPSUM",)
    assert [t.look for t in got.texts] == ["", "turned 180"]
    assert got.precision is not None and 0 < got.precision < 1


def test_one_piece_of_ink_is_no_two_texts(page: Rows) -> None:
    texts = (Text("SUMMER SALE"), Text("SUMMER SALES"))
    first = {"reader": page(["SUMMER SALE"])}
    again = [Look(View((0, 0, 600, 400), zoom=2), {"reader": page(["SUMMER SALES"])})]
    got = score(texts, first, {"reader": LETTERS}, again=again)
    assert sum(text.similarity > 0 for text in got.texts) == 1


def test_what_stands_upside_down_is_legible_and_not_right(page: Rows) -> None:
    first: dict[str, list[Line]] = {"reader": []}
    again = [Look(View((0, 0, 600, 400), 180), {"reader": page(["SUMMER SALE", "50% OFF"])})]
    got = score([Text("SUMMER SALE", critical=True)], first, {"reader": LETTERS}, again=again)
    assert got.recall == 0.8 and not got.critical_exact and got.texts[0].verdict == "missed"


@dataclass
class Scripted:
    """Sees one list of lines after another; the last is seen ever after."""

    sights: list[list[Line]]
    zooms: list[float] = field(default_factory=list)
    name: str = "scripted"

    def characters(self) -> frozenset[str]:
        return LETTERS

    def look(self, picture: Image.Image, *, zoom: float = 1.0) -> Seen:
        assert picture.mode == "RGB"
        self.zooms.append(zoom)
        return Seen(tuple(self.sights.pop(0) if len(self.sights) > 1 else self.sights[0]))


PICTURE = Image.new("RGB", (600, 400))


def test_a_picture_that_says_all_is_looked_at_once(page: Rows) -> None:
    reader = Scripted([page(["SUMMER SALE", "50% OFF"])])
    got = judge([reader], PICTURE, POSTER)
    assert (got.score, got.looks, reader.zooms) == (1.0, (), [1.0])


def test_looking_ends_with_the_look_that_finds_the_text(page: Rows) -> None:
    reader = Scripted([page(["SUMMER SALE", [(50.0, "330 %OS")]], confidence=0.7), page(["50% OFF"])])
    got = judge([reader], PICTURE, POSTER)
    assert got.looks == ("turned 180",) and reader.zooms == [1.0, 1.0]


def test_an_empty_picture_is_enlarged_by_quarters_and_then_given_up() -> None:
    reader = Scripted([[]])
    assert judge([reader], PICTURE, POSTER).looks == tuple(QUARTERS)
    assert reader.zooms == [1.0, 2.0, 2.0, 2.0, 2.0]


def test_without_texts_to_find_there_is_one_look(page: Rows) -> None:
    reader = Scripted([page(["LOREM"])])
    assert judge([reader], PICTURE, ()).looks == ()
    assert judge([reader], PICTURE, (Text("ลดราคา"),)).looks == ()
    assert reader.zooms == [1.0, 1.0]


def test_no_look_is_begun_when_time_is_up() -> None:
    times = iter([0.0, STOP_AFTER_S + 1])
    reader = Scripted([[]])
    assert judge([reader], PICTURE, POSTER, clock=lambda: next(times)).looks == ()


def test_a_reader_that_fails_is_named() -> None:
    with pytest.raises(ReaderError, match="scripted: IndexError: "):
        judge([Scripted([])], PICTURE, POSTER)
