"""What the local engine is asked, and how it says no. Nothing here needs torch."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.events import Sampler


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """One picture, every choice made.

    `guidance` is the scale of classifier-free guidance; at 1 or below the negative prompt is not looked at.
    """

    prompt: str
    negative_prompt: str = ""
    width: int
    height: int
    sampler: Sampler = "euler"
    steps: int
    guidance: float
    seed: int


class CheckpointError(Exception):
    """A checkpoint cannot be used; the text says what is wrong with it and what to do."""


class NotHere(CheckpointError):
    """The checkpoint is not on this machine; the text says how to get it."""


class CannotDraw(ValueError):
    """No such size, sampler or number of steps; the text says what can be drawn."""


class OutOfMemory(Exception):
    """The device has no room for this drawing."""
