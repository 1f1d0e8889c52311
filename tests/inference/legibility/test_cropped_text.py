"""Letters that the picture's edge cuts, and type that is merely set close to it."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from PIL import Image, ImageDraw, ImageFont

from inference.legibility.base import Line, Side
from inference.legibility.edges import marked
from inference.legibility.score import score
from inference.legibility.service import OcrService
from schemas.events import Text

Poster = Callable[..., bytes]

SIDES: tuple[Side, ...] = ("left", "top", "right", "bottom")
LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ ")


def hemmed(side: Side, gap: int, *, paper: str = "#1d2b53", family: str = "noto-sans") -> Image.Image:
    """HUMMED in type of 60 pixels, so far from that edge (below 0: cut by as much), 80 from the others."""
    import fontpkg

    face = ImageFont.truetype(str(fontpkg.path(family)), 60)
    left, top, right, bottom = map(int, face.getbbox("HUMMED"))
    width, height = right - left, bottom - top
    x, y = (gap if side == "left" else 80), (gap if side == "top" else 80)
    size = (
        width + (gap + 80 if side in ("left", "right") else 160),
        height + (gap + 80 if side in ("top", "bottom") else 160),
    )
    picture = Image.new("RGB", size, paper)
    ImageDraw.Draw(picture).text((x - left, y - top), "HUMMED", font=face, fill="#f6efe0")
    return picture


def around(picture: Image.Image, side: Side, gap: int) -> Line:
    """The box that a reader would draw: 10 pixels wider than the ink on each side, inside the picture."""
    room = 10
    left = max(0, (gap if side == "left" else 80) - room)
    top = max(0, (gap if side == "top" else 80) - room)
    right = picture.width - max(0, (gap if side == "right" else 80) - room)
    bottom = picture.height - max(0, (gap if side == "bottom" else 80) - room)
    return Line("HUMMED", 1.0, ((left, top), (right, top), (right, bottom), (left, bottom)))


@pytest.mark.parametrize("family", ["noto-sans", "anton"])
@pytest.mark.parametrize("side", SIDES)
def test_ink_that_runs_into_an_edge_is_cut_there(side: Side, family: str) -> None:
    picture = hemmed(side, -12, family=family)
    (line,) = marked(picture, [around(picture, side, -12)])
    assert line.cut == (side,)


@pytest.mark.parametrize("gap", [1, 2, 4, 9])
@pytest.mark.parametrize("side", SIDES)
def test_type_close_to_an_edge_is_whole(side: Side, gap: int) -> None:
    picture = hemmed(side, gap)
    (line,) = marked(picture, [around(picture, side, gap)])
    assert line.near == (side,) and line.cut == ()


def test_a_frame_along_the_edge_cuts_nothing() -> None:
    picture = hemmed("left", 3)
    ImageDraw.Draw(picture).rectangle((0, 0, picture.width - 1, picture.height - 1), outline="#f6efe0")
    (line,) = marked(picture, [around(picture, "left", 3)])
    assert line.cut == ()


def test_far_from_every_edge_no_pixel_is_looked_at() -> None:
    (line,) = marked(
        Image.new("RGB", (300, 300)), [Line("A", 1, ((90, 90), (200, 90), (200, 130), (90, 130)))]
    )
    assert (line.near, line.cut) == ((), ())


def box(cut: tuple[Side, ...] = (), near: tuple[Side, ...] = (), text: str = "SUMMER SALE") -> list[Line]:
    return [Line(text, 1.0, ((0, 0), (300, 0), (300, 40), (0, 40)), near=near, cut=cut)]


def test_a_text_whose_letters_are_cut_is_flagged_and_not_right() -> None:
    for critical in (False, True):
        texts = [Text("SUMMER SALE", critical=critical)]
        got = score(texts, {"reader": box(("right",), ("right",))}, {"reader": LETTERS})
        assert got.cropped == ("SUMMER SALE",) and got.texts[0].verdict == "missed"
        assert got.score == 0.8 and got.critical_exact is not critical


@pytest.mark.parametrize(
    ("read", "near", "cropped"),
    [
        ("SUMMER SA", ("right",), True),
        ("MER SALE", ("left",), True),
        ("SUMMER SA", ("left",), False),
        ("SUMMER SA", (), False),
        ("SUMMER SALE", ("left", "right"), False),
        ("SUMMER SOLE", ("right",), False),
    ],
    ids=["end gone", "start gone", "other edge", "no edge", "complete", "misspelt"],
)
def test_a_text_that_ends_at_an_edge_is_cropped(read: str, near: tuple[Side, ...], cropped: bool) -> None:
    got = score([Text("SUMMER SALE")], {"reader": box(near=near, text=read)}, {"reader": LETTERS})
    assert got.cropped == (("SUMMER SALE",) if cropped else ())


@pytest.mark.parametrize("side", SIDES)
async def test_a_poster_cut_through_its_headline_is_told_from_one_set_close_to_the_edge(
    side: Side, rapid: OcrService
) -> None:
    found = []
    for gap in (3, -9):
        out = io.BytesIO()
        hemmed(side, gap).save(out, "PNG")
        found.append(await rapid.judge(out.getvalue(), [Text("HUMMED")]))
    close, cut = found
    assert close.cropped == () and close.score == 1.0
    assert cut.cropped == ("HUMMED",) and cut.score is not None and cut.score <= 0.8
