"""What a bench reads back is what the line's own judge says, by a real reader."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterator, Mapping, Sequence

import fontpkg
import pytest
from PIL import Image, ImageDraw, ImageFont

from inference.bench.reading import read_back
from inference.legibility.base import Line
from inference.legibility.service import OcrService
from schemas.events import Legibility, Text

INK, PAPER = "#f6efe0", "#1d2b53"
TEXTS = (Text("SUMMER SALE", critical=True), Text("Doors open at nine"))
Changed = Callable[[Image.Image], Image.Image]


class Counting:
    """The service, with the judgements that were asked of it."""

    def __init__(self, service: OcrService) -> None:
        self._service = service
        self.judged = 0

    @property
    def coverage(self) -> Mapping[str, frozenset[str]]:
        return self._service.coverage

    async def read(self, png: bytes) -> Mapping[str, tuple[Line, ...]]:
        return await self._service.read(png)

    async def judge(self, png: bytes, texts: Sequence[Text], *, by_construction: bool = False) -> Legibility:
        self.judged += 1
        return await self._service.judge(png, texts, by_construction=by_construction)


@pytest.fixture(scope="module")
def rapid() -> Iterator[OcrService]:
    """One process for the whole module; it belongs to no event loop."""
    service = OcrService(("rapidocr",), threads=1)
    asyncio.run(service.start())
    yield service
    asyncio.run(service.aclose())


def poster(ink: str = INK) -> Image.Image:
    picture = Image.new("RGB", (480, 200), PAPER)
    pen = ImageDraw.Draw(picture)
    for row, text in enumerate(TEXTS):
        face = ImageFont.truetype(str(fontpkg.path("noto-sans")), 44 - 12 * row)
        pen.text((240, 40 + 80 * row), text.text, font=face, fill=ink, anchor="mt")
    return picture


def as_png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def plain(picture: Image.Image) -> Image.Image:
    return picture


def cropped(picture: Image.Image) -> Image.Image:
    """Through the first letters of both lines."""
    return picture.crop((108, 0, 480, 200))


def turned(picture: Image.Image) -> Image.Image:
    return picture.rotate(180)


def faint(_picture: Image.Image) -> Image.Image:
    return poster("#26345c")


def empty(picture: Image.Image) -> Image.Image:
    return Image.new("RGB", picture.size, PAPER)


@pytest.mark.parametrize("change", [plain, cropped, turned, faint, empty])
async def test_a_picture_is_read_back_as_the_line_judges_it(change: Changed, rapid: OcrService) -> None:
    png = as_png(change(poster()))
    judged = await rapid.judge(png, TEXTS)
    legibility, lines = await read_back(rapid, png, TEXTS)
    assert legibility == judged
    assert lines == tuple(line for each in (await rapid.read(png)).values() for line in each)


async def test_the_flaws_are_there_that_the_two_agree_on(rapid: OcrService) -> None:
    """Else the equality above would be of five clean posters."""
    found = {}
    for change in (plain, cropped, turned, faint, empty):
        found[change.__name__], _ = await read_back(rapid, as_png(change(poster())), TEXTS)
    assert found["plain"].score == 1.0 and found["plain"].critical_exact
    assert "SUMMER SALE" in found["cropped"].cropped
    assert "turned 180" in found["turned"].looks
    assert set(found["faint"].unseen) == {text.text for text in TEXTS}
    assert found["empty"].score == 0.0


@pytest.mark.parametrize("by_construction", [False, True])
@pytest.mark.parametrize("texts", [(), (Text("限时特惠"),), (Text("ЛЕТО"), TEXTS[0])])
async def test_so_it_is_for_no_texts_and_for_letters_beside_the_readers(
    texts: tuple[Text, ...], by_construction: bool, rapid: OcrService
) -> None:
    png = as_png(poster())
    judged = await rapid.judge(png, texts, by_construction=by_construction)
    assert (await read_back(rapid, png, texts, by_construction=by_construction))[0] == judged


async def test_the_judge_is_asked_only_where_a_text_was_lost(rapid: OcrService) -> None:
    counting = Counting(rapid)
    await read_back(counting, as_png(poster()), TEXTS)
    assert counting.judged == 0
    await read_back(counting, as_png(turned(poster())), TEXTS)
    assert counting.judged == 1
