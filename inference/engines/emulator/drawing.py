"""What the emulator draws: the prompt's quoted texts in our typography, some of their words misspelt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from inference.engines.emulator.spelling import misspell
from inference.legibility.expected import expected_texts
from inference.typography.compose import CannotSet, compose
from schemas.events import Spec, Text


class Undrawable(ValueError):
    """The typography cannot set these words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """One picture to draw. Sizes in pixels; `misspell` is the chance a word."""

    prompt: str
    width: int
    height: int
    seed: int
    engine: str
    misspell: float
    style: str | None = None


def texts_of(drawing: Drawing) -> tuple[Text, ...]:
    """The prompt's texts as this engine spells them: by prompt, seed and engine alone."""
    dice = Random(f"spelling\x1f{drawing.engine}\x1f{drawing.seed}\x1f{drawing.prompt}")
    return tuple(
        replace(text, text=misspell(text.text, drawing.misspell, dice))
        for text in expected_texts(drawing.prompt, ())
    )


def draw(drawing: Drawing) -> bytes:
    """The poster as PNG.

    Raises:
        Undrawable: no font for a script, or too much text for the size.
    """
    try:
        return compose(_spec(drawing, texts_of(drawing)), style=drawing.style).png
    except CannotSet as error:
        asked = expected_texts(drawing.prompt, ())
        try:
            # A mistake may have made a character that no font has.
            return compose(_spec(drawing, tuple(asked)), style=drawing.style).png
        except CannotSet:
            raise Undrawable(str(error)) from error


def _spec(drawing: Drawing, texts: tuple[Text, ...]) -> Spec:
    return Spec(
        prompt=drawing.prompt,
        texts=texts,
        negative_prompt="",
        width=drawing.width,
        height=drawing.height,
        sampler="euler",
        steps=None,
        guidance=None,
        seed=drawing.seed,
        locale="en",
    )
