"""Pictures small enough to stand in the page itself, and no more of them than it may hold."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from PIL import Image

PICTURES: Final = 120
SIDE: Final = 560
# A third more as base64: 120 such pictures are 8 MB of the page.
HEAVIEST: Final = 50_000
_QUALITIES: Final = (82, 50)

Picture = Callable[[str], bytes | None]


@dataclass(frozen=True, slots=True)
class Thumb:
    """`source` is a data: URI; `width` and `height`, like boxes, are in pixels of the whole picture."""

    source: str
    width: int
    height: int


class Album:
    """Hands out thumbnails while there is room, and counts them."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self.pictures = 0
        self.characters = 0

    def thumb(self, uri: str) -> Thumb | str:
        """The picture, or in words why it is not shown."""
        if not uri:
            return "no picture was kept"
        if self.pictures >= PICTURES:
            return f"left out: this page holds at most {PICTURES} pictures"
        png = self._picture(uri)
        if png is None:
            return "the picture is gone from the store"
        try:
            found = shrunk(png)
        except (OSError, ValueError, Image.DecompressionBombError):
            return "the stored bytes are no picture"
        self.pictures += 1
        self.characters += len(found.source)
        return found


def shrunk(png: bytes) -> Thumb:
    """At most `SIDE` px wide and high, and `HEAVIEST` bytes, as WebP.

    Raises:
        OSError, ValueError: the bytes are no picture.
    """
    with Image.open(io.BytesIO(png)) as opened:
        width, height = opened.size
        small = opened.convert("RGBA" if opened.has_transparency_data else "RGB")
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    if small.mode == "RGBA":
        small = Image.alpha_composite(Image.new("RGBA", small.size, "white"), small).convert("RGB")
    return Thumb("data:image/webp;base64," + base64.b64encode(_encoded(small)).decode(), width, height)


def _encoded(picture: Image.Image) -> bytes:
    while True:
        for quality in _QUALITIES:
            out = io.BytesIO()
            picture.save(out, "WEBP", quality=quality, method=4)
            if out.tell() <= HEAVIEST:
                return out.getvalue()
        picture = picture.resize((max(1, picture.width // 2), max(1, picture.height // 2)))
