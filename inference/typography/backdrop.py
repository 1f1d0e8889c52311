"""A picture without words, drawn from the prompt's words and the seed."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable

import numpy as np
import skia

from inference.typography import canvas, figures, scenes
from inference.typography.canvas import Pixels
from inference.typography.palettes import Palette, pick, words_of

Motif = Callable[[skia.Canvas, float, float, Palette, random.Random], None]

MOTIFS: dict[str, tuple[Motif, frozenset[str]]] = {
    name: (motif, frozenset(words.split()))
    for name, motif, words in (
        ("hills", scenes.hills, "hill hills mountain mountains sunset sunrise desert landscape travel hike hiking trail road dune dunes summer valley wine ski camping nature"),
        ("waves", scenes.waves, "sea ocean wave waves surf beach water river lake sail boat fish sushi swim island coast tropical"),
        ("night", scenes.night, "night stars star moon space galaxy winter snow dream sleep halloween christmas camp astronomy midnight"),
        ("skyline", scenes.skyline, "city urban street skyline building buildings architecture startup business tower towers conference marathon real estate"),
        ("horizon", scenes.horizon, "neon cyber cyberpunk synthwave retro arcade tech technology game gaming robot future ai hackathon code data"),
        ("rays", figures.rays, "rays circus sale vintage pop rock carnival sun sunny launch grand opening power comic energy market discount burger"),
        ("tiles", figures.tiles, "bauhaus geometric design art museum exhibition modern modernist workshop pattern craft school typography"),
        ("orbs", figures.orbs, "abstract gradient soft light bokeh party wellness yoga product perfume cosmetic skin app minimal minimalist luxury"),
        ("contours", figures.contours, "coffee map topographic outdoor trek expedition bakery bread wood terrain adventure climb"),
        ("record", figures.record, "music jazz concert vinyl record dj band song club disco festival radio orchestra blues"),
        ("curtain", figures.curtain, "theatre theater film cinema movie opera gala ballet stage show comedy premiere play"),
        ("leaves", figures.leaves, "leaf leaves garden plant plants forest tea organic spring flower flowers botanical jungle farm green wedding vegan"),
    )
}  # fmt: skip


# Where the art of a motif begins, as a share of the height; only those whose sky can be drawn out upwards.
_TOPS = {"hills": 0.5, "waves": 0.5, "night": 0.46, "skyline": 0.48, "horizon": 0.44, "orbs": 0.58, "record": 0.56}


def draw_backdrop(prompt: str, width: int, height: int, seed: int, style: str | None = None) -> bytes:
    """An sRGB PNG of width x height pixels; the same arguments give the same bytes."""
    pixels, _ = backdrop(prompt, width, height, seed, style)
    return canvas.to_png(pixels)


def backdrop(
    prompt: str,
    width: int,
    height: int,
    seed: int,
    style: str | None = None,
    *,
    clear: float = 0.0,
    palette: Palette | None = None,
) -> tuple[Pixels, Palette]:
    """The same as an array, with the palette it was drawn in: the one given, or one picked for the prompt.

    Art that begins above `clear` px from the top sinks below it, as far as it stays worth seeing.
    """
    rng = dice("backdrop", prompt, seed, style)
    picked = pick(prompt, rng)
    palette = palette or picked
    name = _motif(prompt, rng)
    pixels, surface = canvas.sheet(width, height)
    sink = max(0, round(min(clear - _TOPS.get(name, 1.0) * height, 0.2 * height)))
    surface.translate(0, sink)
    MOTIFS[name][0](surface, float(width), float(height), palette, rng)
    if sink:
        pixels[:sink] = _upward(pixels[sink])
    canvas.grain(pixels, rng.getrandbits(32), 2.6)
    return pixels, palette


def _upward(row: Pixels) -> Pixels:
    """A row of sky without what is small in it, to be drawn out above."""
    cells = np.array_split(row, 9)
    centres = np.linspace(0, len(row) - 1, len(cells))
    calm = np.array([np.median(cell, axis=0) for cell in cells])
    across = np.arange(len(row))
    return np.stack([np.interp(across, centres, calm[:, k]) for k in range(4)], axis=1).round().astype(np.uint8)


def dice(*parts: object) -> random.Random:
    """A random source that the parts alone determine, on any machine and in any process."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))


def _motif(prompt: str, rng: random.Random) -> str:
    words = words_of(prompt)
    scored = [(len(words & hints), name) for name, (_, hints) in MOTIFS.items()]
    best = max(score for score, _ in scored)
    return rng.choice([name for score, name in scored if score == best])
