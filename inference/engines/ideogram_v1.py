"""Ideogram's first API (`POST /generate`), where 2a Turbo is drawn; research page A4."""

from __future__ import annotations

from typing import Final

import msgspec
import orjson

from inference.engines.contract import (
    Found,
    Provider,
    Request,
    Told,
    Used,
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

_ASPECTS: Final = tuple(
    f"ASPECT_{shape}"
    for shape in ("1_1", "10_16", "16_10", "9_16", "16_9", "3_2", "2_3", "4_3", "3_4", "1_3", "3_1")
)
_MOST_CHARACTERS: Final = 10_000


class _Answer(msgspec.Struct, frozen=True):
    data: tuple[Picture, ...] | None = None


class IdeogramV1:
    """Shapes, not sizes. There is no idempotency key: a repeated request is a second charge.

    `fields` of the entry say what the model takes; a negative prompt is for V_1 and V_2 alone.
    """

    provider: Provider = "ideogram"
    address = ADDRESS
    id_header = ""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    def key_headers(self, key: str) -> dict[str, str]:
        return {"Api-Key": key}

    def request(self, spec: Spec) -> Request:
        check_length(self._entry.name, spec.prompt, _MOST_CHARACTERS)
        aspect = ratio_of(spec.width, spec.height, _ASPECTS)
        if aspect is None:
            raise no_such_size(self._entry.name, spec, _ASPECTS)
        fields: tuple[Field, ...] = self._entry.fields
        used: Used = {**unsent(spec, fields), "shape": aspect}
        asked: dict[str, str | int] = {
            "prompt": spec.prompt,
            "model": self._entry.model,
            "aspect_ratio": aspect,
            # It would write another prompt, and with it other words on the poster.
            "magic_prompt_option": "OFF",
            "num_images": 1,
        }
        if "seed" in fields:
            asked["seed"] = seed_for(spec.seed)
        if "negative_prompt" in fields and spec.negative_prompt:
            asked["negative_prompt"] = spec.negative_prompt
        body = orjson.dumps({"image_request": asked})
        return Request(path="/generate", body=body, width=spec.width, height=spec.height, used=used)

    def read(self, answer: Answer) -> Found | Told:
        if answer.status != 200:
            return told_by(answer)
        value = decoded(answer, _Answer)
        return value if isinstance(value, Told) else found_in(value.data)
