"""Picture bytes to pixels, with the limits that keep a bad file from hurting a reader."""

from __future__ import annotations

import io
from typing import Final

from PIL import Image, UnidentifiedImageError

MAX_PIXELS: Final = 40_000_000
# Readers take pictures of any size in at about so many pixels: what is enlarged beyond, they shrink again.
MAX_ENLARGED: Final = 2_000
_FORMATS: Final = ("PNG", "JPEG", "WEBP")


def decode(data: bytes) -> Image.Image:
    """8-bit RGB of the first frame; transparency lies on white.

    Raises:
        ValueError: the bytes are no PNG, JPEG or WebP, are broken, or hold more than MAX_PIXELS.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise ValueError(
                    f"picture: {width}x{height} pixels, at most {MAX_PIXELS} are read: scale it down"
                )
            if picture.mode == "RGB":
                return picture.copy()
            opaque = Image.new("RGBA", picture.size, "white")
            opaque.alpha_composite(picture.convert("RGBA"))
            return opaque.convert("RGB")
    except UnidentifiedImageError:
        raise ValueError(
            f"picture: {len(data)} bytes beginning {data[:8]!r} are no {', '.join(_FORMATS)}"
        ) from None
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"picture: {len(data)} bytes do not decode ({error}): send it whole") from error


def enlarged(picture: Image.Image, zoom: float) -> tuple[Image.Image, float]:
    """The picture `zoom` times as large, with no side grown beyond MAX_ENLARGED, and how much it was."""
    factor = min(zoom, MAX_ENLARGED / max(picture.size))
    if factor <= 1:
        return picture, 1.0
    size = (round(picture.width * factor), round(picture.height * factor))
    return picture.resize(size, Image.Resampling.BICUBIC), factor
