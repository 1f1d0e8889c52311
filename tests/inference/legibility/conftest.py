"""Posters to read, and pages of lines as a reader would return them."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import fontpkg
import pytest
from PIL import Image, ImageDraw, ImageFont

from inference.legibility.base import Line
from inference.legibility.service import OcrService

Poster = Callable[..., bytes]
Rows = Sequence[str | Sequence[tuple[float, str]]]


def font_file(family: str) -> Path:
    if family == "cjk":
        spec = find_spec("cvttf_NotoSansCJK_Bold")
        assert spec is not None and spec.origin is not None
        return Path(spec.origin).parent / "NotoSansCJKtc-Bold.otf"
    return fontpkg.path(family)


def draw(
    *lines: str,
    font: str = "noto-sans",
    pixels: int = 36,
    width: int = 480,
    ink: str = "#f6efe0",
    paper: str = "#1d2b53",
) -> bytes:
    """A PNG with centred lines of type, one under another."""
    face = ImageFont.truetype(str(font_file(font)), pixels)
    leading = round(2.0 * pixels)
    picture = Image.new("RGB", (width, leading * len(lines) + pixels), paper)
    pen = ImageDraw.Draw(picture)
    for row, line in enumerate(lines):
        pen.text((width / 2, pixels + leading * row), line, font=face, fill=ink, anchor="mt")
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def as_read(rows: Rows, *, confidence: float = 1.0) -> list[Line]:
    """Rows 100 pixels apart; a row is one box, or several at the given x. A character is 30 by 50 pixels."""
    lines = []
    for index, row in enumerate(rows):
        for left, text in [(50.0, row)] if isinstance(row, str) else row:
            top, right = 50.0 + 100 * index, left + 30 * len(text)
            box = ((left, top), (right, top), (right, top + 50), (left, top + 50))
            lines.append(Line(text, confidence, box))
    return lines


@pytest.fixture
def poster() -> Poster:
    return draw


@pytest.fixture
def page() -> Callable[..., list[Line]]:
    return as_read


@pytest.fixture(scope="module")
def rapid() -> Iterator[OcrService]:
    """One RapidOCR process for the whole module; the service belongs to no event loop."""
    service = OcrService(("rapidocr",))
    asyncio.run(service.start())
    yield service
    asyncio.run(service.aclose())
