"""Ids that are the same wherever and whenever they are made: hashes over one canonical JSON."""

from __future__ import annotations

import hashlib
import json
import math
import unicodedata
from collections.abc import Sequence

import msgspec
import orjson

from schemas.events import PromptRef, Text

_PLAIN = frozenset({str, int, bool, type(None)})
# Unlike orjson it keeps no spare buffer: keys live long.
_TIGHT_ENCODER = msgspec.json.Encoder()
_ENCODER = json.JSONEncoder(separators=(",", ":"), sort_keys=True, allow_nan=False)


def digest(*parts: object) -> str:
    """SHA-256 in hex over the parts as one JSON array: sorted keys, no spaces, ASCII only.

    Lists and tuples count as the same. 1, 1.0, True and "1" differ; -0.0 counts as 0.0.

    Raises:
        TypeError: a part is not None, bool, int, float, str, a sequence or a str-keyed dict of these.
        ValueError: a float is NaN or infinite.
    """
    text = _plain_json(parts)
    if text is None:
        text = _ENCODER.encode(_canonical(list(parts), "parts")).encode("ascii")
    return hashlib.sha256(text).hexdigest()


def _plain_json(parts: tuple[object, ...]) -> bytes | None:
    """The same text several times faster, for words and whole numbers; None where it might be another."""
    for part in parts:
        if type(part) not in _PLAIN and not (type(part) is tuple and _PLAIN.issuperset(map(type, part))):
            return None
    try:
        text = orjson.dumps(parts)
    except TypeError:  # a number beyond 64 bits, half a surrogate pair
        return None
    # orjson writes UTF-8, and DEL as it is.
    return text if text.isascii() and b"\x7f" not in text else None


def prompt_key(source: str, id: str) -> bytes:
    """The record key of everything about one prompt: the JSON array `["source","id"]` in UTF-8.

    An array and no joined string, so that ("a/b", "c") and ("a", "b/c") cannot meet.
    """
    return _TIGHT_ENCODER.encode([source, id])


def derived_seed(*parts: object) -> int:
    """A seed in 0..2**32-1 that depends on the parts alone."""
    return int(digest("seed", *parts)[:8], 16)


def result_id(ref: PromptRef, ordinal: int, final: bool) -> str:
    """The id of a result: the same final made again by a redelivery has the same one."""
    return digest("result", ref.source, ref.id, ref.variant, ref.run, ordinal, final)


def render_id(
    *,
    engine: str,
    model: str,
    prompt: str,
    negative_prompt: str,
    texts: Sequence[Text],
    fonts: Sequence[str],
    sampler: str,
    seed: int,
    width: int,
    height: int,
    steps: int | None,
    guidance: float | None,
    ordinal: int,
    background_sha256: str | None,
) -> str:
    """The id of a picture: everything that shapes it, taken from what was really used.

    Words are brought to NFC first: the same text typed on two systems draws the same picture.
    A text's `critical` is left out, since it shapes the judgement and not the picture.
    """
    return digest(
        "render",
        engine,
        model,
        _nfc(prompt),
        _nfc(negative_prompt),
        [[_nfc(text.text), text.role, text.locale] for text in texts],
        list(fonts),
        sampler,
        seed,
        [width, height],
        steps,
        None if guidance is None else float(guidance),
        ordinal,
        background_sha256,
    )


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _canonical(value: object, path: str) -> object:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            if not math.isfinite(value):
                raise ValueError(f"{path}: cannot be hashed; got {value!r}; use a finite number or None")
            return value + 0.0
        case list() | tuple():
            return [_canonical(item, f"{path}[{index}]") for index, item in enumerate(value)]
        case dict():
            strangers = [key for key in value if not isinstance(key, str)]
            if strangers:
                raise TypeError(f"{path}: keys must be str; got {strangers[0]!r}; convert it first")
            return {key: _canonical(item, f"{path}.{key}") for key, item in value.items()}
        case _:
            raise TypeError(
                f"{path}: cannot be hashed; got {type(value).__name__} {value!r:.80}; "
                "pass None, bool, int, float, str, a list, a tuple or a dict"
            )
