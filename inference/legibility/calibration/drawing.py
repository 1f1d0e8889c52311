"""A trial becomes a picture: the same trial, the same bytes."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from inference.legibility.calibration import strokes
from inference.legibility.calibration.flaws import Flaw, Kind, Trial
from inference.legibility.calibration.misprints import misprint, nonsense
from inference.legibility.calibration.posters import Rgb, Sketch
from inference.legibility.calibration.setting import Block, Letter, set_type
from inference.legibility.calibration.strokes import Mask, Turn
from inference.typography import canvas, contrast
from inference.typography.backdrop import dice
from inference.typography.canvas import Pixels
from inference.typography.oklab import mix
from inference.typography.paint import SetLine

_QUIET: Final = (0.05, 0.13)
_STEPS: Final = 30
# Of the width: what is left between type and border where they do not meet.
_AIR: Final = 0.012


def picture(trial: Trial) -> bytes:
    """The poster as a PNG."""
    sketch, flaw = trial.sketch, trial.flaw
    rng = dice("trial", sketch.name, flaw.name if flaw else "clean", trial.seed)
    ground = _ground(sketch, rng, plain=bool(flaw and flaw.kind == "faint"))
    if flaw is None:
        for block in set_type(sketch, _words(sketch)):
            _lay(ground, strokes.ink(block, sketch.size), sketch.ink)
    else:
        _FLAWED[flaw.kind](ground, sketch, flaw, rng)
    return canvas.to_png(ground)


def _words(sketch: Sketch) -> tuple[str, ...]:
    return tuple(text.text for text in sketch.texts)


def _ground(sketch: Sketch, rng: random.Random, *, plain: bool) -> Pixels:
    """Paper in one tone, fading, or with discs; never far enough from it to hide a letter."""
    width, height = sketch.size
    pixels, surface = canvas.sheet(width, height)
    surface.drawPaint(canvas.fill(sketch.paper))
    if sketch.ground == "fade" and not plain:
        other = mix(sketch.paper, sketch.ink, rng.uniform(*_QUIET))
        surface.drawPaint(canvas.fade((0, 0), (0, height), [(0.0, sketch.paper, 1.0), (1.0, other, 1.0)]))
    if sketch.ground == "discs" and not plain:
        for _ in range(6):
            tone = mix(sketch.paper, sketch.ink, rng.uniform(*_QUIET))
            surface.drawCircle(
                rng.random() * width, rng.random() * height, rng.uniform(0.08, 0.3) * width, canvas.fill(tone)
            )
    canvas.grain(pixels, rng.getrandbits(32), 1.5)
    return pixels


def _lay(ground: Pixels, mask: Mask, ink: Rgb) -> None:
    covered = mask[..., None]
    blended = ground[..., :3] * (1 - covered) + np.array(ink, np.float32) * covered
    ground[..., :3] = np.round(blended).astype(np.uint8)


def _miswritten(ground: Pixels, sketch: Sketch, flaw: Flaw, rng: random.Random) -> None:
    for block in set_type(sketch, misprint(_words(sketch), flaw, rng)):
        _lay(ground, strokes.ink(block, sketch.size), sketch.ink)


def _gibberish(ground: Pixels, sketch: Sketch, flaw: Flaw, rng: random.Random) -> None:
    extra = nonsense(sketch.script, round(flaw.amount), rng)
    for block in set_type(sketch, _words(sketch), extra):
        _lay(ground, strokes.ink(block, sketch.size), sketch.ink)


def _malformed(ground: Pixels, sketch: Sketch, flaw: Flaw, rng: random.Random) -> None:
    blocks = set_type(sketch, _words(sketch))
    hit = rng.randrange(len(blocks))
    for place, block in enumerate(blocks):
        mask = strokes.ink(block, sketch.size)
        if flaw.severity == 1:
            mask = strokes.cracked(mask, block, flaw.amount, rng)
        elif place == hit and flaw.severity == 2:
            mask = strokes.amputated(mask, block, rng)
        elif place == hit:
            mask = strokes.shuffled(mask, block, _count(flaw, block), rng)
        _lay(ground, mask, sketch.ink)


def _count(flaw: Flaw, block: Block) -> int:
    """So many letters, or such a share of the block's, two at least."""
    return round(flaw.amount) if flaw.amount >= 1 else max(2, round(flaw.amount * len(block.letters)))


def _tumbled(ground: Pixels, sketch: Sketch, flaw: Flaw, rng: random.Random) -> None:
    blocks = set_type(sketch, _words(sketch))
    hit = rng.randrange(len(blocks))
    for place, block in enumerate(blocks):
        poses: dict[Letter, float] = {}
        if flaw.severity == 1:
            poses = {
                letter: rng.choice((-1, 1)) * rng.uniform(0.4, 1.0) * flaw.amount for letter in block.letters
            }
        elif place == hit:
            upright = strokes.ink(block, sketch.size)
            able = strokes.lying(upright, rng.sample(block.letters, len(block.letters)))
            poses = {letter: rng.choice((-90.0, 90.0)) for letter in able[: _count(flaw, block)]}
        _lay(ground, strokes.ink(block, sketch.size, poses=poses), sketch.ink)


def _cropped(ground: Pixels, sketch: Sketch, flaw: Flaw, rng: random.Random) -> None:
    blocks = list(set_type(sketch, _words(sketch)))
    hit = rng.randrange(len(blocks))
    if flaw.severity == 4:
        hit = min(range(len(blocks)), key=lambda place: blocks[place].box[1])
    left, _, wide, _ = blocks[hit].box
    middle = (left + wide / 2) / sketch.size[0]
    # Beside another text, only the nearer border can be reached without running into it.
    at_left = middle < 0.5 if sketch.order == "side by side" else rng.random() < 0.5
    blocks[hit] = _pushed(blocks[hit], sketch, flaw, at_left=at_left)
    for block in blocks:
        _lay(ground, strokes.ink(block, sketch.size), sketch.ink)


def _pushed(block: Block, sketch: Sketch, flaw: Flaw, *, at_left: bool) -> Block:
    """The block moved over the border, or up to it, so that `amount` letters are lost."""
    if flaw.severity == 4:
        first = block.on(0)
        top = min(letter.box[1] for letter in first)
        low = max(letter.box[1] + letter.box[3] for letter in first)
        return _moved(block, 0.0, -(top + flaw.amount * (low - top)))
    row = block.longest if at_left else block.longest[::-1]
    whole = math.floor(flaw.amount)
    # Half of a thin letter would not be missed.
    thick = [letter for letter in row[whole:] if letter.box[2] > 0.3 * block.size] or list(row[whole:])
    edge = thick[0].box if flaw.amount else row[0].box
    share = flaw.amount - whole
    air = 0.0 if flaw.amount else _AIR * sketch.size[0]
    if at_left:
        return _moved(block, air - (edge[0] + share * edge[2]), 0.0)
    return _moved(block, sketch.size[0] - air - (edge[0] + (1 - share) * edge[2]), 0.0)


def _moved(block: Block, dx: float, dy: float) -> Block:
    lines = tuple(SetLine(line.shaped, line.x + dx, line.baseline + dy, line.size) for line in block.lines)
    return replace(block, lines=lines)


def _faint(ground: Pixels, sketch: Sketch, flaw: Flaw, rng: random.Random) -> None:
    blocks = set_type(sketch, _words(sketch))
    hit = rng.randrange(len(blocks))
    for place, block in enumerate(blocks):
        tone = at_contrast(sketch, flaw.amount) if place == hit else sketch.ink
        _lay(ground, strokes.ink(block, sketch.size), tone)


def at_contrast(sketch: Sketch, ratio: float) -> Rgb:
    """The tone between paper and ink that has this contrast to the paper."""
    low, high = 0.0, 1.0
    under = contrast.luminance(sketch.paper)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        tone = mix(sketch.paper, sketch.ink, middle)
        if contrast.ratio(contrast.luminance(tone), under) < ratio:
            low = middle
        else:
            high = middle
    return mix(sketch.paper, sketch.ink, high)


def _tiny(ground: Pixels, sketch: Sketch, flaw: Flaw, rng: random.Random) -> None:
    hit = rng.randrange(1, len(sketch.texts))
    for block in set_type(sketch, _words(sketch), sizes={hit: flaw.amount}):
        _lay(ground, strokes.ink(block, sketch.size), sketch.ink)


def _tilted(ground: Pixels, sketch: Sketch, flaw: Flaw, rng: random.Random) -> None:
    blocks = set_type(sketch, _words(sketch))
    turn = Turn.fitting(flaw.amount * (1 if flaw.amount == 180 else rng.choice((-1, 1))), blocks, sketch.size)
    for block in blocks:
        _lay(ground, strokes.ink(block, sketch.size, turn), sketch.ink)


def _occluded(ground: Pixels, sketch: Sketch, flaw: Flaw, rng: random.Random) -> None:
    blocks = set_type(sketch, _words(sketch))
    for block in blocks:
        _lay(ground, strokes.ink(block, sketch.size), sketch.ink)
    block = rng.choice(blocks)
    surface = canvas.over(ground)
    tone = canvas.fill(mix(sketch.paper, sketch.ink, 0.55))
    row = block.longest
    if flaw.severity in (2, 3):
        count = min(round(flaw.amount), len(row) - 1)
        start = rng.randrange(len(row) - count + 1)
        _cover(surface.drawOval, row[start : start + count], tone, 1.45)
        return
    left, right = row[0].box[0], row[-1].box[0] + row[-1].box[2]
    top = min(letter.box[1] for letter in row)
    tall = max(letter.box[1] + letter.box[3] for letter in row) - top
    at = top + (0.5 * tall if flaw.severity == 1 else (1 - flaw.amount) * tall)
    thick = flaw.amount * block.size if flaw.severity == 1 else flaw.amount * tall + 2
    surface.drawRect(_rect(left - 4, at, right - left + 8, thick), tone)


_Drawn = Callable[..., object]


def _cover(draw: _Drawn, letters: Sequence[Letter], tone: object, grown: float) -> None:
    """One shape over all the letters, wide enough to hide them whole."""
    left, right = letters[0].box[0], letters[-1].box[0] + letters[-1].box[2]
    top = min(letter.box[1] for letter in letters)
    tall = max(letter.box[1] + letter.box[3] for letter in letters) - top
    wide = right - left
    draw(_rect(left - wide * (grown - 1) / 2, top - tall * (grown - 1) / 2, wide * grown, tall * grown), tone)


def _rect(x: float, y: float, width: float, height: float) -> object:
    import skia

    return skia.Rect.MakeXYWH(x, y, width, height)


_FLAWED: Final[dict[Kind, Callable[[Pixels, Sketch, Flaw, random.Random], None]]] = {
    "dropped": _miswritten,
    "doubled": _miswritten,
    "swapped": _miswritten,
    "gibberish": _gibberish,
    "malformed": _malformed,
    "tumbled": _tumbled,
    "cropped": _cropped,
    "faint": _faint,
    "tiny": _tiny,
    "tilted": _tilted,
    "occluded": _occluded,
}
