"""How a checkpoint is best asked: from the file it carries, or from what its publishers say of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from inference.sd3.base import CheckpointError

TINY_LANGUAGE: Final = "tiny-posters-1"
CARD: Final = "glyphstream.json"
_SIZE: Final = re.compile(r"[1-9]\d{1,4}x[1-9]\d{1,4}")


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a drawing is made with unless it says otherwise.

    `guidance` at 1 or below means none. `sizes` are the only ones it can draw; empty means any multiple of
    16. `language` is the grammar it was trained on, empty for any prompt.
    """

    steps: int
    guidance: float
    sizes: tuple[str, ...] = ()
    t5_tokens: int = 256
    language: str = ""


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`glyphstream.json`, in a checkpoint's folder or in a LoRA's; what is left out is taken from below."""

    format: Literal[1]
    name: str = ""
    language: str | None = None
    sizes: tuple[str, ...] | None = None
    t5_tokens: int | None = None
    steps: int | None = None
    guidance: float | None = None


# SD3.5's guidance with the number of steps that diffusers' pipeline takes when it is not told.
GENERAL: Final = Defaults(steps=28, guidance=4.5)

# The examples in the models' cards on huggingface.co.
PUBLISHED: Final = {
    "stabilityai/stable-diffusion-3.5-medium": Defaults(steps=40, guidance=4.5),
    "stabilityai/stable-diffusion-3.5-large": Defaults(steps=28, guidance=3.5),
    "stabilityai/stable-diffusion-3.5-large-turbo": Defaults(steps=4, guidance=0.0),
    "stabilityai/stable-diffusion-3-medium-diffusers": Defaults(steps=28, guidance=7.0),
}


def read_card(folder: Path) -> Card | None:
    """The folder's card, or None where it has none.

    Raises:
        CheckpointError: it is damaged, or a field cannot be; the text names the field.
    """
    path = folder / CARD
    try:
        card = msgspec.json.decode(path.read_bytes(), type=Card)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise CheckpointError(f"{path}: {error}; correct it, or delete it to have general defaults") from None
    bad = [each for each in card.sizes or () if not _SIZE.fullmatch(each) or _odd(each)]
    checks = {
        "sizes": not bad,
        "steps": card.steps is None or 1 <= card.steps <= 1000,
        "guidance": card.guidance is None or 0 <= card.guidance <= 100,
        "t5_tokens": card.t5_tokens is None or 1 <= card.t5_tokens <= 512,
        "language": card.language in (None, "", TINY_LANGUAGE),
    }
    for field, good in checks.items():
        if not good:
            raise CheckpointError(f"{path}: {field} is {getattr(card, field)!r}; {_ALLOWED[field]}")
    return card


def overlaid(below: Defaults, card: Card | None) -> Defaults:
    """`below` with what the card says instead."""
    if card is None:
        return below
    said: dict[str, Any] = {
        name: value
        for name in ("language", "sizes", "t5_tokens", "steps", "guidance")
        if (value := getattr(card, name)) is not None
    }
    return replace(below, **said)


_ALLOWED: Final = {
    "sizes": 'give width and height in multiples of 16, as in ["256x256"]',
    "steps": "give 1 to 1000",
    "guidance": "give 0 to 100",
    "t5_tokens": "give 1 to 512",
    "language": f"this version speaks {TINY_LANGUAGE}; leave it out for any prompt",
}


def _odd(size: str) -> bool:
    return any(int(side) % 16 for side in size.split("x"))
