"""What the model's process and its parent say to each other over their pipe.

Towards the child go pickled values; towards the parent go MessagePack and the bytes of a PNG. Nothing is
unpickled in the parent, so weights that took over the child could still only answer with text and pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from inference.sd3.base import Drawing
from inference.sd3.checkpoint import Checkpoint

Fault = Literal["cannot_draw", "checkpoint", "not_here", "no_room", "other"]


@dataclass(frozen=True, slots=True)
class Ask:
    """Draw this, or with no `drawing` only load the model. `number` tells it from the process's others."""

    number: int
    checkpoint: Checkpoint
    drawing: Drawing | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """Nobody waits for that one any more. Without meaning when it has been answered."""

    number: int


class Loading(msgspec.Struct, tag=True, frozen=True):
    """The model is not at hand and is being loaded."""


class Loaded(msgspec.Struct, tag=True, frozen=True):
    """The model is at hand, after so many seconds."""

    seconds: float


class Step(msgspec.Struct, tag=True, frozen=True):
    done: int
    total: int


class Told(msgspec.Struct, tag=True, frozen=True):
    """A line for the parent's log."""

    level: int
    text: str


class Ready(msgspec.Struct, tag=True, frozen=True):
    """Ends an ask that wanted no picture."""


class Painted(msgspec.Struct, tag=True, frozen=True):
    """Ends an ask; the PNG's bytes follow. `seconds` are the drawing's alone."""

    seconds: float


class Stopped(msgspec.Struct, tag=True, frozen=True):
    """Ends an ask that was called off."""


class Failure(msgspec.Struct, tag=True, frozen=True):
    """Ends an ask that gave no picture."""

    fault: Fault
    text: str


Answer = Loading | Loaded | Step | Told | Ready | Painted | Stopped | Failure
ANSWERS: Final = msgspec.msgpack.Decoder[Answer](Answer)
