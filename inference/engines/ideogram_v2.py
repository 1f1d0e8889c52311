"""Ideogram's second API (`POST /v2/image/generate/...`), where 4.5 is drawn; research page A4.

Beyond that page: `size`, `magic_prompt` and `seed` are in the published OpenAPI document, read through the
client that is generated from it (tryAGI/Ideogram, GenerateImageIdeogram45Request).
"""

from __future__ import annotations

from typing import Final

import msgspec
import orjson

from inference.engines.contract import (
    Found,
    Provider,
    Request,
    Told,
    check_length,
    decoded,
    no_such_size,
    ratio_of,
    unsent,
)
from inference.engines.entries import Entry, Field
from inference.engines.ideogram_errors import ADDRESS, Picture, found_in, seed_for, told_by
from inference.engines.transport import Answer
from schemas.events import Spec

# Without source images a size must be one of its presets: these are of one and of four million pixels.
_SIZES: Final = (
    *("1024x1024", "1280x720", "720x1280", "1152x864", "864x1152"),
    *("1248x832", "832x1248", "1120x896", "896x1120"),
    *("2048x2048", "2560x1440", "1440x2560", "2304x1728", "1728x2304"),
    *("2496x1664", "1664x2496", "2240x1792", "1792x2240", "2880x1440", "1440x2880"),
)
_MOST_CHARACTERS: Final = 10_000


class _Answer(msgspec.Struct, frozen=True):
    data: tuple[Picture, ...] | None = None


class IdeogramV2:
    """The smallest preset of the same shape that holds what was asked. No idempotency key."""

    provider: Provider = "ideogram"
    address = ADDRESS
    id_header = ""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    def key_headers(self, key: str) -> dict[str, str]:
        return {"Api-Key": key}

    def request(self, spec: Spec) -> Request:
        check_length(self._entry.name, spec.prompt, _MOST_CHARACTERS)
        size = _preset(spec.width, spec.height)
        if size is None:
            raise no_such_size(self._entry.name, spec, _SIZES)
        fields: tuple[Field, ...] = self._entry.fields
        used = unsent(spec, fields)
        asked: dict[str, str | int] = {
            "prompt": spec.prompt,
            "size": size,
            # It would write another prompt, and with it other words on the poster.
            "magic_prompt": "off",
            "num_images": 1,
        }
        if self._entry.quality:
            asked["quality"] = self._entry.quality
        if "seed" in fields:
            asked["seed"] = seed_for(spec.seed)
        width, _, height = size.partition("x")
        return Request(
            path=f"/v2/image/generate/{self._entry.model}",
            body=orjson.dumps(asked),
            width=int(width),
            height=int(height),
            used=used,
        )

    def read(self, answer: Answer) -> Found | Told:
        if answer.status not in (200, 201):
            return told_by(answer)
        value = decoded(answer, _Answer)
        return value if isinstance(value, Told) else found_in(value.data)


def _preset(width: int, height: int) -> str | None:
    if (exact := f"{width}x{height}") in _SIZES:
        return exact
    large = [size for size in _SIZES if ratio_of(width, height, (size,)) and _pixels(size) >= width * height]
    return min(large, key=_pixels, default=None)


def _pixels(size: str) -> int:
    width, _, height = size.partition("x")
    return int(width) * int(height)
