"""What the emulator draws: the prompt's quoted texts in our typography, some of their words misspelt."""

from __future__ import annotations

import colorsys
import io
from dataclasses import dataclass, replace
from random import Random

from PIL import Image

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


def plain(width: int, height: int, seed: int) -> bytes:
    """One colour as PNG, where the words do not matter. Seed 0 is grey."""
    hue = Random(seed).random()
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.5 if seed else 0.0, 0.8)
    # One bit a pixel: ten times quicker to write than three bytes.
    image = Image.new("P", (width, height))
    image.putpalette([round(red * 255), round(green * 255), round(blue * 255)])
    file = io.BytesIO()
    image.save(file, "PNG", bits=1, compress_level=1)
    return file.getvalue()


def draw_plain(drawing: Drawing) -> bytes:
    """`draw` without words, for runs that count calls and not letters."""
    return plain(drawing.width, drawing.height, drawing.seed)


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
