"""WCAG 2.2 contrast, measured on the pixels that really lie under the words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference.typography.canvas import Pixels
from inference.typography.oklab import Rgb, linear

BODY_RATIO = 4.5
LARGE_RATIO = 3.0
LARGE_PX = 24.0

Box = tuple[float, float, float, float]
_LINEAR = np.array([linear(level) for level in range(256)], np.float32)
_WEIGHTS = np.array([0.2126, 0.7152, 0.0722], np.float32)


def luminance(rgb: Rgb) -> float:
    """Relative luminance in [0, 1] (WCAG 2.2)."""
    return float(_LINEAR[list(rgb)] @ _WEIGHTS)


def ratio(a: float, b: float) -> float:
    """Contrast of two luminances, 1 to 21."""
    return (max(a, b) + 0.05) / (min(a, b) + 0.05)


def needed(size: float) -> float:
    """The least ratio for type of `size` px: 3.0 from 24 px (18 pt), else 4.5."""
    return LARGE_RATIO if size >= LARGE_PX else BODY_RATIO


@dataclass(frozen=True, slots=True)
class Under:
    """The darkest and the lightest luminance under one box."""

    low: float
    high: float

    def against(self, ink: Rgb) -> float:
        """Contrast of `ink` with the worst pixel; 1.0 where the ground passes through its own luminance."""
        own = luminance(ink)
        return 1.0 if self.low <= own <= self.high else min(ratio(own, self.low), ratio(own, self.high))


def crop(pixels: Pixels, box: Box, margin: float = 2.0) -> Pixels:
    """The pixels under (x, y, width, height), grown by `margin`, clipped to the sheet."""
    height, width = pixels.shape[:2]
    x, y, w, h = box
    left, top = max(0, int(x - margin)), max(0, int(y - margin))
    right, bottom = min(width, int(x + w + margin) + 1), min(height, int(y + h + margin) + 1)
    return pixels[top:bottom, left:right, :3]


def measure(part: Pixels) -> Under:
    """Luminance extremes of a crop; of a blend of it, give the blended crop."""
    light = luminances(part)
    return Under(float(light.min()), float(light.max()))


def luminances(part: Pixels) -> npt.NDArray[np.float32]:
    """Relative luminance of every pixel."""
    return np.asarray(_LINEAR[part] @ _WEIGHTS, np.float32)


def veil_needed(part: Pixels, ink: Rgb, veil: Rgb, target: float) -> float | None:
    """The least opacity of `veil` over `part`, in twentieths, that gives `ink` the target ratio, or None."""
    bounds = _bounds(part)
    for step in range(20):
        share = step / 20
        blended = bounds + (np.array(veil, np.float32) - bounds) * share
        if measure(np.rint(blended).astype(np.uint8)).against(ink) >= target:
            return share
    return None


def _bounds(part: Pixels) -> npt.NDArray[np.float32]:
    """The colours of a crop to 6 bits a channel, at its darkest and lightest: few, and never too kind."""
    coarse = part.astype(np.int32) >> 2
    packed = (coarse[..., 0] << 12) | (coarse[..., 1] << 6) | coarse[..., 2]
    codes = np.flatnonzero(np.bincount(packed.ravel()))
    low = np.stack([codes >> 12, (codes >> 6) & 63, codes & 63], axis=1) << 2
    return np.concatenate([low, low | 3]).astype(np.float32)


def busyness(pixels: Pixels, box: Box) -> float:
    """Mean absolute step between neighbours 8 px apart, in levels: low where the picture is calm."""
    part = crop(pixels, box, 0)[::8, ::8].astype(np.int16).mean(axis=2)
    if min(part.shape) < 2:
        return 0.0
    return float(np.abs(np.diff(part, axis=0)).mean() + np.abs(np.diff(part, axis=1)).mean())
