"""What lies under the words: which ink to set them in, and how much veil or panel they need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from inference.typography import contrast
from inference.typography.canvas import Pixels
from inference.typography.contrast import Box
from inference.typography.oklab import Rgb, lightness_of, lit
from inference.typography.palettes import Palette, grown

AIM = 5.0
LIGHT = 0.24


@dataclass(frozen=True, slots=True)
class Zone:
    """Boxes of words in px that share an ink; `solid` where a panel lies under them."""

    name: str
    boxes: tuple[Box, ...]
    solid: bool = False

    @property
    def hull(self) -> Box:
        """The box around all boxes."""
        left, top = min(box[0] for box in self.boxes), min(box[1] for box in self.boxes)
        right, bottom = max(x + w for x, _, w, _ in self.boxes), max(y + h for _, y, _, h in self.boxes)
        return left, top, right - left, bottom - top


@dataclass(frozen=True, slots=True)
class Inked:
    """The ink of a zone, and the veil under it: its colour and opacity in [0, 1]."""

    ink: Rgb
    veil: Rgb
    opacity: float


def choose_inks(pixels: Pixels, zones: Sequence[Zone], palette: Palette) -> dict[str, Inked]:
    """One polarity for all words on the picture, unless a zone would need far more veil for it."""
    pairs = [(palette.paper, palette.ink), (palette.ink, palette.paper)]
    if not palette.dark:
        pairs.reverse()
    costs = {zone.name: [_opacity(pixels, zone, ink, veil) for ink, veil in pairs] for zone in zones}
    open_costs = [costs[zone.name] for zone in zones if not zone.solid]
    shared = 0 if sum(each[0] for each in open_costs) <= sum(each[1] for each in open_costs) + 0.3 else 1
    chosen: dict[str, Inked] = {}
    for zone in zones:
        mine, other = costs[zone.name][shared], costs[zone.name][1 - shared]
        side = 1 - shared if mine > other + (0.0 if zone.solid else 0.5) else shared
        chosen[zone.name] = Inked(*pairs[side], costs[zone.name][side])
    return chosen


def _opacity(pixels: Pixels, zone: Zone, ink: Rgb, veil: Rgb) -> float:
    needs = [contrast.veil_needed(contrast.crop(pixels, box), ink, veil, AIM) for box in zone.boxes]
    return max(1.0 if need is None else need for need in needs)


def lay_veil(pixels: Pixels, zone: Zone, inked: Inked, feather: float, within: Box | None = None) -> None:
    """Blends the veil in place: full over the zone, eased out over `feather` px, run on to near edges.

    `within` (x, y, width, height) keeps it off what lies outside, a panel for one.
    """
    if inked.opacity <= 0:
        return
    left, top, width, height = (int(each) for each in within or (0, 0, pixels.shape[1], pixels.shape[0]))
    x, y, w, h = zone.hull
    x, y = x - left, y - top
    pad = feather * 0.12 + 4
    rows = _ramp(height, y - pad, y + h + pad, feather)
    narrow = w < width * 0.62
    columns = _ramp(width, x - pad, x + w + pad, feather * 1.5) if narrow else np.ones(width, np.float32)
    rows_in, columns_in = _span(rows), _span(columns)
    mask = rows[rows_in, None, None] * columns[None, columns_in, None] * inked.opacity
    part = pixels[top : top + height, left : left + width, :3][rows_in, columns_in]
    part[...] = np.rint(part + (np.array(inked.veil, np.float32) - part) * mask).astype(np.uint8)


def _ramp(length: int, start: float, end: float, feather: float) -> npt.NDArray[np.float32]:
    """1 within [start, end], smoothstep to 0 over `feather`; runs on to an edge that is nearer than that."""
    at = np.arange(length, dtype=np.float32)
    away = np.maximum(np.maximum(start - at, at - end), 0.0) / feather
    if start < feather * 1.2:
        away[at < start] = 0.0
    if length - end < feather * 1.2:
        away[at > end] = 0.0
    share = np.clip(1.0 - away, 0.0, 1.0)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def _span(ramp: npt.NDArray[np.float32]) -> slice:
    inside = np.flatnonzero(ramp)
    return slice(int(inside[0]), int(inside[-1]) + 1)


def accent_or(ink: Rgb, accent: Rgb, part: Pixels, size: float) -> Rgb:
    """The accent where it is readable on the crop at this size, else the ink."""
    aim = max(contrast.needed(size), 3.4)
    return accent if contrast.measure(part).against(accent) >= aim else ink


def readable_on(ground: Rgb, palette: Palette) -> tuple[Rgb, float]:
    """The better of paper and ink on a flat colour, with its ratio."""
    below = contrast.luminance(ground)
    found = [(contrast.ratio(contrast.luminance(each), below), each) for each in (palette.ink, palette.paper)]
    best = max(found)
    return best[1], best[0]


def dissolve(pixels: Pixels, drawn: Pixels) -> Pixels:
    """The picture's light on a drawing of ours.

    All that is kept is a mesh of 4 cells on the short side: too coarse for any word to survive.
    """
    height, width = pixels.shape[:2]
    short = min(width, height)
    cells = max(3, round(4 * width / short)), max(3, round(4 * height / short))
    mesh = Image.fromarray(pixels[..., :3]).resize(cells, Image.Resampling.BOX)
    light = mesh.resize((width, height), Image.Resampling.BICUBIC)
    out = drawn.copy()
    out[..., :3] = np.asarray(Image.blend(Image.fromarray(drawn[..., :3]), light, LIGHT))
    return out


def palette_of(pixels: Pixels) -> Palette:
    """A palette grown from a picture: its mean colour for the ground, its most vivid one for the accent."""
    small = Image.fromarray(pixels[..., :3]).resize((16, 16), Image.Resampling.BOX)
    colours = np.asarray(small, np.float64).reshape(-1, 3)
    vividness = colours.max(axis=1) - colours.min(axis=1)
    # Plain means are mud: vivid cells weigh more.
    base = _rounded(np.average(colours, axis=0, weights=vividness + 4.0))
    accent = _rounded(colours[int(np.argmax(vividness))])
    return grown(
        "picture", [lit(base, lightness_of(base), chroma=1.4), accent, accent], dark=lightness_of(base) < 0.66
    )


def _rounded(channels: npt.NDArray[np.float64]) -> Rgb:
    red, green, blue = (int(channel) for channel in np.rint(channels))
    return red, green, blue
