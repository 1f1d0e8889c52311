"""Stable Diffusion 3.5 as Stability hosts it (`/v2beta/stable-image/generate/sd3`); research page A5."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec

from inference.engines.base import Unsupported
from inference.engines.contract import (
    NOT_JSON,
    Found,
    Provider,
    Request,
    Told,
    Used,
    check_length,
    decoded,
    no_such_size,
    object_in,
    ratio_of,
    seed_in,
    texts_in,
    unsent,
)
from inference.engines.entries import Entry
from inference.engines.signals import header_delay_s
from inference.engines.transport import Answer
from schemas.events import Spec

_SHAPES: Final = ("1:1", "16:9", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21")
_MOST_CHARACTERS: Final = 10_000
_GUIDANCE: Final = (1.0, 10.0)
# 0 asks for a random one.
_SEEDS: Final = (1, 2**32 - 2)
# More than 150 requests in ten seconds shut an account out for a minute.
_SHUT_OUT_S: Final = 60.0


class _Answer(msgspec.Struct, frozen=True):
    image: bytes | None = None
    finish_reason: str | None = None
    seed: object = None


class Stability:
    """The model is always named: without it the API draws the large one, at nearly twice the price."""

    provider: Provider = "stability"
    address = "https://api.stability.ai"
    id_header = ""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    def key_headers(self, key: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"}

    def request(self, spec: Spec) -> Request:
        name, fields = self._entry.name, self._entry.fields
        check_length(name, spec.prompt, _MOST_CHARACTERS)
        shape = ratio_of(spec.width, spec.height, _SHAPES)
        if shape is None:
            raise no_such_size(name, spec, _SHAPES)
        used: Used = {**unsent(spec, fields), "shape": shape}
        form = {
            "prompt": spec.prompt,
            "model": self._entry.model,
            "mode": "text-to-image",
            "aspect_ratio": shape,
            "output_format": "png",
        }
        if "seed" in fields:
            seed = min(max(spec.seed, _SEEDS[0]), _SEEDS[1])
            form["seed"] = str(seed)
            used |= {"seed": seed} if seed != spec.seed else {}
        if "negative_prompt" in fields and spec.negative_prompt:
            form["negative_prompt"] = spec.negative_prompt
        if "guidance" in fields and spec.guidance is not None:
            form["cfg_scale"] = f"{self._guidance(spec.guidance):g}"
        content_type, body = _multipart(form)
        return Request(
            path="/v2beta/stable-image/generate/sd3",
            body=body,
            width=spec.width,
            height=spec.height,
            content_type=content_type,
            used=used,
        )

    def read(self, answer: Answer) -> Found | Told:
        if answer.status != 200:
            return _told_by(answer)
        value = decoded(answer, _Answer)
        if isinstance(value, Told):
            return value
        # A withheld picture comes all the same, blurred.
        if value.finish_reason not in ("SUCCESS", None):
            return Told(status=200, words=(f"finish_reason={value.finish_reason}",))
        if not value.image:
            return Told(status=200, words=("no-image",))
        return Found(data=value.image, used=seed_in(value.seed))

    def _guidance(self, asked: float) -> float:
        least, most = _GUIDANCE
        if not least <= asked <= most:
            raise Unsupported(
                f"{self._entry.name}: guidance: must be {least:g} to {most:g}; got {asked:g}; "
                "ask for one of those or leave it open"
            )
        return asked


def _multipart(form: Mapping[str, str]) -> tuple[str, bytes]:
    """The form as multipart/form-data (RFC 7578), which is all the API takes, even without a file."""
    # A digest of all values is in none of them.
    boundary = hashlib.sha256("\0".join(form.values()).encode()).hexdigest()
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in form.items()
    ]
    body = "".join([*parts, f"--{boundary}--\r\n"]).encode()
    return f"multipart/form-data; boundary={boundary}", body


def _told_by(answer: Answer) -> Told:
    value = object_in(answer)
    after_s = header_delay_s(answer.headers)
    if answer.status == 429 and after_s is None:
        after_s = _SHUT_OUT_S
    if value is None:
        return Told(status=answer.status, words=(NOT_JSON,), after_s=after_s)
    errors = value.get("errors")
    listed = [str(error) for error in errors] if isinstance(errors, list) else []
    return Told(
        status=answer.status,
        words=texts_in(value, "name"),
        message=" ".join([*listed, *texts_in(value, "message")]),
        after_s=after_s,
    )
