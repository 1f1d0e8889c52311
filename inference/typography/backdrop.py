"""A picture without words, drawn from the prompt's words and the seed."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from functools import lru_cache
from importlib import resources

import numpy as np
import skia

from inference.typography import canvas, figures, scenes
from inference.typography.canvas import Pixels
from inference.typography.palettes import Palette, pick, words_of

Motif = Callable[[skia.Canvas, float, float, Palette, random.Random], None]

MOTIFS: dict[str, Motif] = {
    motif.__name__: motif
    for motif in (
        scenes.hills,
        scenes.waves,
        scenes.night,
        scenes.skyline,
        scenes.horizon,
        figures.rays,
        figures.tiles,
        figures.orbs,
        figures.contours,
        figures.record,
        figures.curtain,
        figures.leaves,
    )
}

# Where the art of a motif begins: a share of the height, less a share of the short side. Only those
# whose sky can be drawn out upwards.
_TOPS = {
    "hills": (0.58, 0.10),
    "waves": (0.61, 0.13),
    "night": (0.63, 0.19),
    "skyline": (0.62, 0.15),
    "horizon": (0.63, 0.25),
    "orbs": (0.76, 0.19),
    "record": (0.94, 0.57),
    "leaves": (1.03, 0.6),
}
_MOST_SUNK = 0.28


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
    palette = palette or palette_for(prompt, seed, style)
    rng = dice("backdrop", prompt, seed, style)
    name = _motif(prompt, rng)
    pixels, surface = canvas.sheet(width, height)
    low, reach = _TOPS.get(name, (2.0, 0.0))
    top = low * height - reach * min(width, height)
    sink = max(0, round(min(clear - top, _MOST_SUNK * height)))
    surface.translate(0, sink)
    MOTIFS[name](surface, float(width), float(height), palette, rng)
    if sink:
        pixels[:sink] = _upward(pixels[sink])
    canvas.grain(pixels, rng.getrandbits(32), 2.6 if palette.dark else 1.8)
    return pixels, palette


def palette_for(prompt: str, seed: int, style: str | None = None) -> Palette:
    """The palette `backdrop` picks."""
    return pick(prompt, dice("palette", prompt, seed, style))


def _upward(row: Pixels) -> Pixels:
    """A row of sky without what is small in it, to be drawn out above."""
    cells = np.array_split(row, 9)
    centres = np.linspace(0, len(row) - 1, len(cells))
    calm = np.array([np.median(cell, axis=0) for cell in cells])
    across = np.arange(len(row))
    return (
        np.stack([np.interp(across, centres, calm[:, k]) for k in range(4)], axis=1).round().astype(np.uint8)
    )


def dice(*parts: object) -> random.Random:
    """A random source that the parts alone determine, on any machine and in any process."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))


def _motif(prompt: str, rng: random.Random) -> str:
    words = words_of(prompt)
    scored = [(len(words & hints), name) for name, hints in _hints().items()]
    best = max(score for score, _ in scored)
    return rng.choice([name for score, name in scored if score == best])


@lru_cache(maxsize=1)
def _hints() -> dict[str, frozenset[str]]:
    """The words that call for each motif, from `motifs.json`."""
    listed = json.loads((resources.files("inference.typography") / "motifs.json").read_text(encoding="utf-8"))
    return {name: frozenset(listed[name]) for name in MOTIFS}
