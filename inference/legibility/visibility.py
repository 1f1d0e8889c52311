"""Type that a reader reads and a person does not: too faint, or too small.

Measured on the tuning posters of `calibration` with RapidOCR 3.10: it reads type of 1.12 to 1 without a
fault, and type of 7 pixels to the em. WCAG 2.2 asks large type for 3 to 1; the faintest line of 300 clean
composed posters has 3.9. Its box of type of 7 pixels to the em is 12 to 16 pixels high, that of type of 11,
the least the layout engine sets, 16 or more, and of 14, 21 or more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from PIL import Image

from inference.legibility.base import Corners, Line
from inference.typography.contrast import luminances, ratio

LEAST_CONTRAST: Final = 1.6
LEAST_PX: Final = 16.0
# Nobody looks at a picture smaller than this at its longest side without enlarging it, letters and all.
SHOWN_PX: Final = 640
# Contrast is between the darkest and the lightest of a box without these percentiles at either end. On a
# busy ground that is more than the letters have, so that nothing is called faint that is not.
_ENDS: Final = (3.0, 97.0)
# Of so few characters the width tells the size as much as the height: "I" is taller than wide.
_FEW: Final = 2
# So many pixels of a box tell its contrast.
_SAMPLE: Final = 20_000


def marked(picture: Image.Image, lines: Sequence[Line]) -> tuple[Line, ...]:
    """The lines with `unseen` set where a person would not read them; boxes are in the picture's pixels."""
    enlarged = max(1.0, SHOWN_PX / max(picture.size))
    return tuple(
        replace(line, unseen=bool(line.box) and _is_unseen(picture, line, enlarged)) for line in lines
    )


def _is_unseen(picture: Image.Image, line: Line, enlarged: float) -> bool:
    sides = _sides(line.box)
    letters = max(sides) if len(line.text.strip()) <= _FEW else min(sides)
    return letters * enlarged < LEAST_PX or _contrast(picture, line.box) < LEAST_CONTRAST


def _sides(box: Corners) -> tuple[float, float]:
    """How long and how high a box is along its own sides, however it is tilted."""
    return math.dist(box[0], box[1]), math.dist(box[1], box[2])


def _contrast(picture: Image.Image, box: Corners) -> float:
    xs, ys = [x for x, _ in box], [y for _, y in box]
    left, right = max(0, int(min(xs))), min(picture.width, math.ceil(max(xs)))
    top, bottom = max(0, int(min(ys))), min(picture.height, math.ceil(max(ys)))
    if left >= right or top >= bottom:
        return math.inf
    pixels = np.asarray(picture.crop((left, top, right, bottom)))
    step = max(1, math.isqrt(pixels.shape[0] * pixels.shape[1] // _SAMPLE))
    low, high = np.percentile(luminances(pixels[::step, ::step]), _ENDS)
    # Of one tone, it is all paper: ink too little to be met between the ends may have any contrast.
    return ratio(float(low), float(high)) if low < high else math.inf
