"""RapidOCR on posters that want a second look, at delivery sizes, and one after another."""

from __future__ import annotations

import io
from collections.abc import Callable

import fontpkg
import pytest
from PIL import Image, ImageDraw, ImageFont

from inference.legibility.delivery import USUAL, size_named
from inference.legibility.service import OcrService
from schemas.events import Text

Poster = Callable[..., bytes]

TEXTS = (Text("SUMMER SALE"), Text("Doors open at nine"))


def turned(png: bytes, degrees: int) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(png)).rotate(degrees, expand=True).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(("degrees", "score"), [(0, 1.0), (90, 1.0), (180, 0.8), (270, 1.0)])
async def test_a_turned_poster_is_read_and_its_looks_are_recorded(
    degrees: int, score: float, rapid: OcrService, poster: Poster
) -> None:
    got = await rapid.judge(turned(poster("SUMMER SALE", "Doors open at nine"), degrees), TEXTS)
    assert got.score == score
    assert all(text.look in ("", *got.looks) for text in got.texts)
    assert ("turned 180" in got.looks) is (degrees == 180)


async def test_small_type_in_a_large_picture_is_found_by_enlarging(rapid: OcrService) -> None:
    texts = [Text("Doors open at nine"), Text("Free entry before ten"), Text("Riverside Hall London")]
    face = ImageFont.truetype(str(fontpkg.path("noto-sans")), 10)
    large = Image.new("RGB", (1536, 1536), "#1d2b53")
    for row, text in enumerate(texts):
        ImageDraw.Draw(large).text((300, 300 + 200 * row), text.text, font=face, fill="#f6efe0")
    out = io.BytesIO()
    large.save(out, "PNG")
    once = await rapid.read(out.getvalue())
    assert sum(len(lines) for lines in once.values()) < len(texts)
    got = await rapid.judge(out.getvalue(), texts)
    assert got.score == 1.0 and got.looks and any(text.look in got.looks for text in got.texts)


async def test_a_picture_is_scored_at_each_delivery_size(rapid: OcrService, poster: Poster) -> None:
    picture = poster("SUMMER SALE", "small print", pixels=60, width=900)
    texts = [Text("SUMMER SALE"), Text("small print")]
    got = await rapid.judge(picture, texts, sizes=("320px", "2x", "24px"))
    assert [size.size for size in got.sizes] == ["320px", "2x", "24px"]
    assert [size.score for size in got.sizes[:2]] == [1.0, 1.0]
    assert got.sizes[2].score == 0.0 and got.score == 1.0
    assert (await rapid.judge(picture, texts)).sizes == ()


@pytest.mark.parametrize("name", ["320", "0px", "x2", "big", "-1x"])
async def test_what_is_no_size_is_refused(name: str, rapid: OcrService, poster: Poster) -> None:
    with pytest.raises(ValueError, match=f"size: '{name}' is none; write"):
        size_named(name)
    with pytest.raises(ValueError, match="size: "):
        await rapid.judge(poster("A"), [Text("A")], sizes=[name])


def test_a_size_is_the_longest_side_or_a_factor() -> None:
    picture = Image.new("RGB", (640, 1280))
    assert [size_named(name).of(picture)[0].size for name in USUAL] == [(160, 320), (640, 1280)]
    assert [size_named(name).of(picture)[1] for name in USUAL] == [1.0, 2.0]


async def test_many_pictures_are_read_in_their_order(rapid: OcrService, poster: Poster) -> None:
    words = ["ALPHA", "BRAVO", "CHARLIE", "DELTA"]
    read = [lines async for lines in rapid.read_many(poster(word) for word in words)]
    assert [[line.text for each in lines.values() for line in each] for lines in read] == [[w] for w in words]
    pairs = ((poster(word), [Text(word)]) for word in words)
    assert [found.score async for found in rapid.judge_many(pairs)] == [1.0] * 4


async def test_a_bad_picture_ends_its_line_and_no_other(rapid: OcrService, poster: Poster) -> None:
    taken = []
    pictures = iter([poster("ALPHA"), b"no picture", poster("BRAVO"), poster("CHARLIE"), poster("DELTA")])
    with pytest.raises(ValueError, match="picture: "):
        async for lines in rapid.read_many(pictures):
            taken.append(lines)
    assert len(taken) == 1 and len(list(pictures)) >= 1
    assert [lines async for lines in rapid.read_many([poster("ECHO")])]
