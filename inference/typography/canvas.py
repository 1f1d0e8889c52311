"""Skia over a NumPy array: the few drawing words all backdrops and posters are made of."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import skia
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from inference.typography.oklab import Rgb

Pixels = npt.NDArray[np.uint8]
Point = tuple[float, float]

MAX_PIXELS = 40_000_000


def sheet(width: int, height: int) -> tuple[Pixels, skia.Canvas]:
    """An opaque sRGB array (height, width, 4) and the canvas that draws into it."""
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[..., 3] = 255
    return pixels, over(pixels)


def over(pixels: Pixels) -> skia.Canvas:
    """A canvas that draws into an existing (height, width, 4) array."""
    return skia.Canvas(pixels, colorType=skia.kRGBA_8888_ColorType, alphaType=skia.kPremul_AlphaType)


def colour(rgb: Rgb, alpha: float = 1.0) -> int:
    """Skia's packed colour."""
    return int(skia.Color(*rgb, round(255 * alpha)))


def fill(rgb: Rgb, alpha: float = 1.0) -> skia.Paint:
    """A flat, antialiased paint."""
    return skia.Paint(Color=colour(rgb, alpha), AntiAlias=True)


def line(rgb: Rgb, width: float, alpha: float = 1.0) -> skia.Paint:
    """A stroke with round joins."""
    return skia.Paint(
        Color=colour(rgb, alpha),
        AntiAlias=True,
        Style=skia.Paint.kStroke_Style,
        StrokeWidth=width,
        StrokeCap=skia.Paint.kRound_Cap,
        StrokeJoin=skia.Paint.kRound_Join,
    )


def fade(start: Point, end: Point, stops: Sequence[tuple[float, Rgb, float]]) -> skia.Paint:
    """A linear gradient through (offset, colour, alpha) stops, dithered."""
    shader = skia.GradientShader.MakeLinear(
        points=[skia.Point(*start), skia.Point(*end)],
        colors=[colour(rgb, alpha) for _, rgb, alpha in stops],
        positions=[offset for offset, _, _ in stops],
    )
    return skia.Paint(Shader=shader, AntiAlias=True, Dither=True)


def glow(centre: Point, radius: float, rgb: Rgb, alpha: float) -> skia.Paint:
    """Light that fades outwards: eased, so that no rim shows."""
    stops = [(0.0, alpha), (0.25, alpha * 0.62), (0.5, alpha * 0.27), (0.75, alpha * 0.07), (1.0, 0.0)]
    shader = skia.GradientShader.MakeRadial(
        center=skia.Point(*centre),
        radius=radius,
        colors=[colour(rgb, a) for _, a in stops],
        positions=[offset for offset, _ in stops],
    )
    return skia.Paint(Shader=shader, AntiAlias=True, Dither=True)


def polygon(points: Sequence[Point]) -> skia.Path:
    """A closed path through the points."""
    path = skia.PathBuilder()
    path.moveTo(*points[0])
    for point in points[1:]:
        path.lineTo(*point)
    path.close()
    return path.detach()


def curve(points: Sequence[Point]) -> skia.PathBuilder:
    """A smooth open path through the points (Catmull-Rom as cubics)."""
    path = skia.PathBuilder()
    path.moveTo(*points[0])
    padded = [points[0], *points, points[-1]]
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        path.cubicTo(
            b[0] + (c[0] - a[0]) / 6,
            b[1] + (c[1] - a[1]) / 6,
            c[0] - (d[0] - b[0]) / 6,
            c[1] - (d[1] - b[1]) / 6,
            c[0],
            c[1],
        )
    return path


def around(centre: Point, radius: float, degrees: float) -> Point:
    """The point on a circle, clockwise from three o'clock."""
    angle = math.radians(degrees)
    return centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle)


def grain(pixels: Pixels, seed: int, strength: float = 3.0) -> None:
    """Film grain in place: a tile of normal noise, `strength` levels of deviation, alike on all channels."""
    height, width = pixels.shape[:2]
    tile = np.clip(np.random.default_rng(seed).normal(0, strength, (256, 256)), -9, 9).astype(np.int16)
    for top in range(0, height, 256):
        for left in range(0, width, 256):
            part = pixels[top : top + 256, left : left + 256, :3]
            noise = tile[: part.shape[0], : part.shape[1], None]
            part[...] = np.clip(part.astype(np.int16) + noise, 0, 255).astype(np.uint8)


def to_png(pixels: Pixels) -> bytes:
    """8-bit RGB with an sRGB chunk."""
    info = PngImagePlugin.PngInfo()
    info.add(b"sRGB", b"\x00")
    out = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels[..., :3]))
    image.save(out, "PNG", pnginfo=info, compress_level=1)
    return out.getvalue()


def from_png(data: bytes, width: int, height: int) -> Pixels:
    """A given picture, flattened on white and cropped about its centre to fill width x height.

    Raises:
        ValueError: the bytes are no picture, or one of more than 40 megapixels.
    """
    try:
        opened = Image.open(io.BytesIO(data))
        if opened.width * opened.height > MAX_PIXELS:
            raise ValueError(f"background is {opened.width}x{opened.height}: give at most 40 megapixels")
        image = opened.convert("RGBA")
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise ValueError(f"background is no picture ({len(data)} bytes): give PNG bytes") from error
    if image.getchannel("A").getextrema() != (255, 255):
        image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
    return _covering(image, width, height)


def fitted(pixels: Pixels, width: int, height: int) -> Pixels:
    """The picture scaled and cropped about its centre to width x height; always a copy."""
    return _covering(Image.fromarray(pixels), width, height)


def _covering(image: Image.Image, width: int, height: int) -> Pixels:
    scale = max(width / image.width, height / image.height)
    size = max(width, round(image.width * scale)), max(height, round(image.height * scale))
    if size != image.size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return np.array(image.crop((left, top, left + width, top + height)))
