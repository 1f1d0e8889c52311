"""Letters that the picture's edge cuts: which lines come close to an edge, and whose ink runs into it.

A reader's box is wider than the letters, so a box at the edge says little: type may be set close to it. The
pixels tell. Where a box reaches an edge, paper is the colour in the middle of those along its other sides,
and ink what differs from it most within the box. The line is cut where the outermost pixels hold a run of
ink as long as a stroke is wide, which goes on inward, between stretches of paper. On ground as busy as the
letters nothing can be told, and nothing is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.legibility.base import Line, Side

_SIDES: Final[tuple[Side, ...]] = ("left", "top", "right", "bottom")
# Shares of the letters' height (the box's smaller side).
_NEAR: Final = 0.12
_STROKE: Final = 0.04
_INWARD: Final = 0.08
# Ink differs from paper by so much at least, as a distance in 8-bit RGB.
_CONTRAST: Final = 60.0
# More ink than this beside the letters is a pattern; more than that along the edge is a frame or a panel.
_PATTERN: Final = 0.25
_FRAME: Final = 0.9
# So many pixels of a box tell how far its ink is from its paper.
_SAMPLE: Final = 4_000


def marked(picture: Image.Image, lines: Sequence[Line]) -> tuple[Line, ...]:
    """The lines with the edges that they are near to and that cut them; boxes are in the picture's pixels."""
    return tuple(_marked(picture, line) for line in lines)


def _marked(picture: Image.Image, line: Line) -> Line:
    if not line.box:
        return line
    xs, ys = [x for x, _ in line.box], [y for _, y in line.box]
    left, right = max(0, int(min(xs))), min(picture.width, int(np.ceil(max(xs))))
    top, bottom = max(0, int(min(ys))), min(picture.height, int(np.ceil(max(ys))))
    letters = min(right - left, bottom - top)
    if letters < 4:
        return line
    gaps = (left, top, picture.width - 1 - right, picture.height - 1 - bottom)
    near = tuple(side for side, gap in zip(_SIDES, gaps, strict=True) if gap <= max(2.0, _NEAR * letters))
    if not near:
        return line
    reach = (
        0 if "left" in near else left,
        0 if "top" in near else top,
        picture.width if "right" in near else right,
        picture.height if "bottom" in near else bottom,
    )
    pixels = np.asarray(picture.crop(reach))
    return replace(line, near=near, cut=tuple(side for side in near if _is_cut(pixels, side, near, letters)))


def _is_cut(pixels: NDArray[np.uint8], side: Side, near: Sequence[Side], letters: int) -> bool:
    outermost = _along(pixels, side, 0)
    if int(np.ptp(outermost, axis=0).max()) < _CONTRAST / 2:
        return False
    inner = np.concatenate([_along(pixels, other, 0) for other in _SIDES if other not in near] or [outermost])
    paper = np.median(inner, axis=0)
    step = max(1, int(np.sqrt(pixels.shape[0] * pixels.shape[1] / _SAMPLE)))
    contrast = float(np.percentile(_away(pixels[::step, ::step], paper), 98))
    if contrast < _CONTRAST or (_away(inner, paper) > contrast / 2).mean() > _PATTERN:
        return False
    depth = min(max(2, round(_INWARD * letters)), min(pixels.shape[:2]))
    ink = [_away(_along(pixels, side, inward), paper) > contrast / 2 for inward in range(depth)]
    through = np.logical_and.reduce(ink)
    return bool(ink[0].mean() <= _FRAME) and _longest(through) >= max(2.0, _STROKE * letters)


def _away(pixels: NDArray[np.uint8], paper: NDArray[np.float64]) -> NDArray[np.float32]:
    """How far each pixel is from the paper's colour."""
    apart = pixels.astype(np.float32) - paper.astype(np.float32)
    distance: NDArray[np.float32] = np.sqrt((apart * apart).sum(axis=-1))
    return distance


def _along(pixels: NDArray[np.uint8], side: Side, depth: int) -> NDArray[np.uint8]:
    """The row or column of pixels that lies `depth` in from that side."""
    across = side in ("left", "right")
    place = depth if side in ("left", "top") else -1 - depth
    row: NDArray[np.uint8] = pixels[:, place] if across else pixels[place]
    return row


def _longest(run: NDArray[np.bool_]) -> int:
    """Of the runs of True the length of the longest."""
    ends = np.flatnonzero(np.diff(np.concatenate(([0], run.astype(np.int8), [0]))))
    return int((ends[1::2] - ends[::2]).max(initial=0))
