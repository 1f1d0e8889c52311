"""Type that a reader reads and a person would not see, and type that is merely quiet or small."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from PIL import Image, ImageDraw

from inference.legibility.base import Corners, Line
from inference.legibility.score import score
from inference.legibility.service import OcrService
from inference.legibility.visibility import marked
from schemas.events import Text

Poster = Callable[..., bytes]

LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ ")
PAPER = "#1d2b53"
# Against that paper 1.25, 3.5 and 12 to 1.
FAINT, QUIET, PLAIN = "#2e3b60", "#7580a0", "#f6efe0"


def stripes(size: tuple[int, int], paper: str = PAPER, ink: str = PLAIN) -> Image.Image:
    """A picture with as much ink as paper everywhere."""
    picture = Image.new("RGB", size, paper)
    pen = ImageDraw.Draw(picture)
    for x in range(0, size[0], 4):
        pen.rectangle((x, 0, x + 1, size[1]), fill=ink)
    return picture


def boxed(text: str, width: float, height: float, *, left: float = 20, top: float = 20) -> Line:
    right, bottom = left + width, top + height
    return Line(text, 1.0, ((left, top), (right, top), (right, bottom), (left, bottom)))


def is_unseen(picture: Image.Image, line: Line) -> bool:
    (found,) = marked(picture, [line])
    return found.unseen


@pytest.mark.parametrize(("ink", "unseen"), [(FAINT, True), (QUIET, False), (PLAIN, False)])
@pytest.mark.parametrize("swapped", [False, True], ids=["light on dark", "dark on light"])
def test_faint_type_is_unseen_and_quiet_type_is_not(ink: str, unseen: bool, swapped: bool) -> None:
    colours = (ink, PAPER) if swapped else (PAPER, ink)
    assert is_unseen(stripes((768, 512), *colours), boxed("SALE", 200, 60)) is unseen


@pytest.mark.parametrize("width", [1, 4])
def test_hairlines_are_not_faint(width: int) -> None:
    picture = Image.new("RGB", (768, 512), PAPER)
    ImageDraw.Draw(picture).line((20, 50, 220, 50), fill=PLAIN, width=width)
    assert not is_unseen(picture, boxed("SALE", 200, 60))


@pytest.mark.parametrize(
    ("size", "height", "unseen"),
    [((768, 768), 15, True), ((768, 768), 16, False), ((640, 640), 15, True), ((256, 256), 6, True),
     ((256, 256), 7, False), ((2048, 2048), 16, False)],
)  # fmt: skip
def test_small_type_is_unseen_as_large_as_the_picture_is_shown(
    size: tuple[int, int], height: int, unseen: bool
) -> None:
    assert is_unseen(stripes(size), boxed("SUMMER SALE", 100, height)) is unseen


@pytest.mark.parametrize(
    ("text", "width", "unseen"),
    [("I", 9, False), ("II", 14, False), ("|||", 14, True)],
)
def test_of_one_or_two_letters_the_height_counts(text: str, width: int, unseen: bool) -> None:
    assert is_unseen(stripes((768, 768)), boxed(text, width, 30)) is unseen


def test_small_type_set_aslant_is_as_small() -> None:
    aslant: Corners = ((20, 20), (210, 90), (206, 101), (16, 31))
    assert is_unseen(stripes((768, 768)), Line("SUMMER SALE", 1.0, aslant))


@pytest.mark.parametrize(
    "line",
    [Line("SALE", 1.0, ()), boxed("SALE", 200, 60, left=-300), boxed("SALE", 200, 60, left=2000)],
    ids=["no box", "left of it", "right of it"],
)
def test_where_there_is_nothing_to_look_at_nothing_is_said(line: Line) -> None:
    assert not is_unseen(Image.new("RGB", (768, 512), PAPER), line)


def test_what_hangs_over_the_edge_is_judged_by_what_is_in_the_picture() -> None:
    paper = stripes((768, 512), "#f6efe0", "#eae2d2")
    assert is_unseen(paper, boxed("SALE", 200, 60, left=-40, top=-10))


@pytest.mark.parametrize("critical", [False, True])
def test_an_unseen_text_is_flagged_and_not_right(critical: bool) -> None:
    lines = [
        Line("SUMMER SALE", 1.0, ((0, 0), (300, 0), (300, 40), (0, 40))),
        Line("THREE DAYS", 1.0, ((0, 90), (300, 90), (300, 130), (0, 130)), unseen=True),
    ]
    texts = [Text("SUMMER SALE", critical=critical), Text("THREE DAYS", critical=critical)]
    got = score(texts, {"reader": lines}, {"reader": LETTERS})
    assert got.unseen == ("THREE DAYS",) and got.cropped == ()
    assert [text.verdict for text in got.texts] == ["read", "missed"]
    assert got.texts[1].similarity == 0.8 and got.critical_exact is not critical


def two_lines(poster: Poster, ink: str, pixels: int) -> bytes:
    """SUMMER SALE in plain type, and HARVEST DANCE below it in that ink and size."""
    sheet = Image.new("RGB", (768, 400), PAPER)
    for text, tone, size, top in (("SUMMER SALE", PLAIN, 60, 20), ("HARVEST DANCE", ink, pixels, 220)):
        part = Image.open(io.BytesIO(poster(text, pixels=size, width=700, ink=tone, paper=PAPER)))
        sheet.paste(part, (34, top))
    out = io.BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("ink", "pixels", "unseen"),
    [(FAINT, 36, True), (PLAIN, 8, True), (QUIET, 36, False), (PLAIN, 14, False)],
    ids=["faint", "tiny", "quiet", "small"],
)
async def test_a_reader_reads_what_a_person_would_not_see_and_it_is_no_good(
    ink: str, pixels: int, unseen: bool, poster: Poster, rapid: OcrService
) -> None:
    texts = [Text("SUMMER SALE"), Text("HARVEST DANCE")]
    got = await rapid.judge(two_lines(poster, ink, pixels), texts, sizes=("2x",))
    assert got.texts[1].read == "HARVEST DANCE"
    assert got.unseen == (("HARVEST DANCE",) if unseen else ())
    assert (got.score == 1.0) is not unseen
    assert got.sizes[0].score == 1.0
