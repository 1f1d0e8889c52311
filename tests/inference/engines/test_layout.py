from __future__ import annotations

import asyncio
import io
import itertools
from collections.abc import AsyncIterator

import pytest
from PIL import Image
from rapidocr import RapidOCR
from rapidocr.utils.output import RapidOCROutput

from inference.engines.base import Broken, Unsupported
from inference.engines.layout import MODEL, LayoutEngine
from schemas.events import Role, Spec, Text


def spec(
    *texts: tuple[Role, str], seed: int = 1, prompt: str = "a jazz concert poster", locale: str = "en"
) -> Spec:
    return Spec(
        prompt=prompt,
        texts=tuple(Text(text, role) for role, text in texts),
        negative_prompt="",
        width=512,
        height=768,
        sampler="euler",
        steps=None,
        guidance=None,
        seed=seed,
        locale=locale,
    )


JAZZ = spec(("headline", "Midnight Jazz"), ("subtitle", "Live at the Blue Room"), ("cta", "Book now"))


@pytest.fixture
async def engine() -> AsyncIterator[LayoutEngine]:
    made = LayoutEngine()
    yield made
    await made.aclose()


@pytest.fixture(scope="module")
def ocr() -> RapidOCR:
    return RapidOCR(params={"Global.log_level": "critical", "Global.use_cls": False})


def words_read(ocr: RapidOCR, png: bytes) -> list[str]:
    output = ocr(png)
    assert isinstance(output, RapidOCROutput)
    return [line.replace(" ", "") for line in output.txts or ()]


async def test_it_delivers_the_picture_its_background_and_its_outlines(engine: LayoutEngine) -> None:
    picture = await engine.render(JAZZ)
    assert Image.open(io.BytesIO(picture.data)).size == (512, 768)
    assert picture.background is not None
    assert Image.open(io.BytesIO(picture.background)).size == (512, 768)
    assert picture.vector is not None
    assert picture.vector.startswith(b"<svg")
    assert (picture.model, picture.media_type, picture.by_construction) == (MODEL, "image/png", True)
    assert not picture.emulated


async def test_the_fonts_used_become_part_of_the_renders_identity(engine: LayoutEngine) -> None:
    picture = await engine.render(JAZZ)
    assert "@" in str(picture.used["fonts"])
    assert (await engine.render(JAZZ)).used == picture.used


async def test_only_our_own_seconds_are_charged() -> None:
    clock = itertools.count(0.0, 1.8).__next__
    engine = LayoutEngine(usd_per_cpu_hour=2.0, clock=clock)
    picture = await engine.render(JAZZ)
    await engine.aclose()
    assert picture.seconds == pytest.approx(1.8)
    assert picture.usd == pytest.approx(0.001)


async def test_hosted_cost_is_nothing(engine: LayoutEngine) -> None:
    assert (await engine.render(JAZZ)).usd == 0.0


def test_a_negative_price_is_refused() -> None:
    with pytest.raises(ValueError, match="usd_per_cpu_hour is -1"):
        LayoutEngine(usd_per_cpu_hour=-1)


async def test_what_cannot_be_set_is_unsupported(engine: LayoutEngine) -> None:
    with pytest.raises(Unsupported, match="U\\+1F600"):
        await engine.render(spec(("headline", "Party 😀")))


async def test_a_background_that_is_no_picture_is_broken(engine: LayoutEngine) -> None:
    with pytest.raises(Broken, match="no picture"):
        await engine.render(JAZZ, background=b"<html>")


async def test_the_loop_runs_on_while_pictures_are_drawn(engine: LayoutEngine) -> None:
    drawing = asyncio.gather(*(engine.render(spec(("headline", f"Night {n}"))) for n in range(4)))
    turns = 0
    while not drawing.done():
        await asyncio.sleep(0)
        turns += 1
    await drawing
    assert turns > 100


async def test_every_text_reads_back(engine: LayoutEngine, ocr: RapidOCR) -> None:
    picture = await engine.render(JAZZ)
    read = "".join(words_read(ocr, picture.data))
    assert sorted(read) == sorted("".join(text.text.replace(" ", "") for text in JAZZ.texts))
    assert all(text.text.replace(" ", "") in read for text in JAZZ.texts)


async def test_chinese_reads_back(engine: LayoutEngine, ocr: RapidOCR) -> None:
    picture = await engine.render(
        spec(("headline", "上海国际电影节"), ("subtitle", "在光影之间"), locale="zh-CN")
    )
    read = "".join(words_read(ocr, picture.data))
    assert "上海国际电影节" in read
    assert "在光影之间" in read


async def test_misspelt_words_of_a_preview_can_no_longer_be_read(engine: LayoutEngine, ocr: RapidOCR) -> None:
    wrong = spec(
        ("headline", "MIDNIHGT JAZZZ"), ("subtitle", "Lvie at teh Bule Roon"), ("cta", "Bokk nwo"), seed=9
    )
    preview = (await engine.render(wrong)).data
    assert "MIDNIHGT" in "".join(words_read(ocr, preview))
    picture = await engine.render(JAZZ, background=preview)
    read = "".join(words_read(ocr, picture.data))
    assert sorted(read) == sorted("".join(text.text.replace(" ", "") for text in JAZZ.texts))


async def test_the_colours_of_the_preview_live_on(engine: LayoutEngine) -> None:
    red = await engine.render(JAZZ, background=_flat((190, 30, 30)))
    blue = await engine.render(JAZZ, background=_flat((30, 60, 190)))
    assert _mean(red.data)[0] > _mean(red.data)[2]
    assert _mean(blue.data)[2] > _mean(blue.data)[0]


def _flat(colour: tuple[int, int, int]) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (512, 768), colour).save(out, "PNG")
    return out.getvalue()


def _mean(png: bytes) -> tuple[int, ...]:
    pixel = Image.open(io.BytesIO(png)).resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return tuple(int(channel) for channel in pixel)
