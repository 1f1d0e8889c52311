"""Looking at what was learned: posters of held-out words, read, and put on a sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from inference.sd3.tiny import reading
from inference.sd3.tiny.drawing import draw_batch
from inference.sd3.tiny.flow import sample
from inference.sd3.tiny.latents import as_pixels
from inference.sd3.tiny.store import Run
from inference.sd3.tiny.words import Poster, draw_held_out
from inference.typography.canvas import Pixels

_SEED: Final = 90_001
_COLUMNS: Final = 6


@dataclass(frozen=True, slots=True)
class Probe:
    """Shares of `count` posters that are read exactly.

    `exact` as the decoder shows them, `linear` by the latents' own inverse, `clean` as drawn.
    `letters` is the mean share of a title's letters that were right, by the linear inverse.
    """

    count: int
    exact: float
    linear: float
    clean: float
    letters: float


def probe(
    run: Run,
    folder: Path,
    *,
    count: int = 24,
    steps: int = 14,
    guidance: float = 3.0,
    second_share: float = 0.15,
) -> Probe:
    """Draws, reads, and writes `sheet-<flow step>.png` into `folder`; always the same posters and noise."""
    posters = _posters(count, second_share)
    with run.flow.learner.averaged(), run.decoder.learner.averaged():
        latents = sample(
            run.flow.transformer,
            run.encoders,
            [poster.prompt for poster in posters],
            steps=steps,
            guidance=guidance,
            seed=_SEED,
        )
        decoded = as_pixels(run.decoder.decode(latents))
    inverted = as_pixels(run.latents.decode(latents))
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(_sheet(inverted, decoded)).save(folder / f"sheet-{run.flow.learner.step:06d}.png")
    read_inverted = reading.read(inverted)
    return Probe(
        count,
        _exact(posters, reading.read(decoded)),
        _exact(posters, read_inverted),
        _clean(posters),
        float(np.mean([reading.letters_right(p, r) for p, r in zip(posters, read_inverted, strict=True)])),
    )


def _posters(count: int, second_share: float) -> tuple[Poster, ...]:
    return tuple(draw_held_out(np.random.default_rng(_SEED), count, second_share=second_share))


@lru_cache(maxsize=4)
def _clean(posters: tuple[Poster, ...]) -> float:
    return _exact(posters, reading.read(draw_batch(posters)))


def _exact(posters: Sequence[Poster], found: Sequence[reading.Texts]) -> float:
    return float(np.mean([reading.is_exact(p, texts) for p, texts in zip(posters, found, strict=True)]))


def _sheet(*kinds: Pixels) -> Pixels:
    """Rows of each kind, one kind below the other."""
    rows = [
        np.concatenate(list(pictures[start : start + _COLUMNS]), axis=1)
        for pictures in kinds
        for start in range(0, len(pictures) - _COLUMNS + 1, _COLUMNS)
    ]
    return np.concatenate(rows, axis=0)
