from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from collections.abc import Callable

import numpy as np
import pytest
import skia
from PIL import Image

from inference.typography import canvas
from inference.typography.compose import Poster, compose
from schemas.events import Spec

MakeSpec = Callable[..., Spec]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def poster(make_spec: MakeSpec) -> Poster:
    return compose(
        make_spec(("headline", "Night & Day"), ("subtitle", "मंच पर"), ("date", "3 ביוני"), ("cta", "Book")),
        style="editorial",
    )


def test_the_svg_holds_outlines_and_no_text_font_or_raster(poster: Poster) -> None:
    tags = {element.tag.removeprefix(SVG) for element in ET.fromstring(poster.svg).iter()}
    assert tags == {"svg", "g", "path", "rect"}


def test_there_is_one_outline_for_every_glyph_with_ink(make_spec: MakeSpec) -> None:
    poster = compose(make_spec(("headline", "Night & Day"), ("date", "3 MAY")), style="poster")
    groups = {
        g.get("aria-label"): len(g.findall(f"{SVG}path")) for g in ET.fromstring(poster.svg).iter(f"{SVG}g")
    }
    assert groups == {"Night & Day": 9, "3 MAY": 4}


def test_the_svg_over_the_background_is_the_poster(poster: Poster) -> None:
    under = np.asarray(Image.open(io.BytesIO(poster.background_png)).convert("RGBA")).copy()
    dom = skia.SVGDOM.MakeFromStream(skia.MemoryStream(poster.svg.encode()))
    dom.setContainerSize(skia.Size(poster.width, poster.height))
    dom.render(canvas.over(under))
    apart = np.abs(under[..., :3].astype(int) - np.asarray(Image.open(io.BytesIO(poster.png))).astype(int))
    # Single edge pixels are antialiased apart; a shifted glyph would change whole contours.
    assert (apart.max(axis=2) > 10).mean() < 0.0005
    assert apart.mean() < 0.05


def test_the_background_differs_from_the_poster_only_where_ink_is(poster: Poster) -> None:
    under = np.asarray(Image.open(io.BytesIO(poster.background_png))).astype(int)
    over = np.asarray(Image.open(io.BytesIO(poster.png))).astype(int)
    changed = (under != over).any(axis=2)
    assert 0.01 < changed.mean() < 0.4


def test_both_pictures_are_eight_bit_srgb(poster: Poster) -> None:
    for png in (poster.png, poster.background_png):
        image = Image.open(io.BytesIO(png))
        assert (image.mode, image.size) == ("RGB", (poster.width, poster.height))
        assert "srgb" in image.info
