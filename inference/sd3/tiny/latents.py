"""A fixed linear map between pictures and 16-channel latents at an eighth of the side: whitened PCA, twice.

First 4 x 4 patches of RGB go to 32 numbers, then 2 x 2 of those to 16. That two-step form is what the encoder
of diffusers' `AutoencoderKL` can hold exactly (`autoencoder.py`), so the transformer can learn on the final
latents while the decoder, the slow part of a VAE, is still in training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from inference.sd3.tiny.drawing import SIDE, draw_batch
from inference.sd3.tiny.words import draw_posters

CHANNELS: Final = 16
DOWNSCALE: Final = 8
_INNER: Final = 32
_TITLE_ROWS: Final = (32, 96)


@dataclass(frozen=True, slots=True)
class LinearLatents:
    """Orthonormal rows `inner` (32, 48) and `outer` (16, 128); `mean` and `deviation` of the 16 numbers.

    `inner` reads a 4 x 4 patch of RGB in [-1, 1] in the order of `pixel_unshuffle` (colour, row, column).
    """

    inner: Tensor
    outer: Tensor
    mean: Tensor
    deviation: Tensor

    def encode(self, pictures: Tensor) -> Tensor:
        """(count, 3, height, width) in [-1, 1] to (count, 16, height/8, width/8), about unit variance."""
        small = _apply(self.inner, functional.pixel_unshuffle(pictures, 4))
        raw = _apply(self.outer, functional.pixel_unshuffle(small, 2))
        return (raw - self.mean[:, None, None]) / self.deviation[:, None, None]

    def decode(self, latents: Tensor) -> Tensor:
        """The least-squares picture of latents; what 16 numbers for 64 pixels cannot hold is lost."""
        raw = latents * self.deviation[:, None, None] + self.mean[:, None, None]
        small = functional.pixel_shuffle(_apply(self.outer.T, raw), 2)
        return functional.pixel_shuffle(_apply(self.inner.T, small), 4)

    def state(self) -> dict[str, Tensor]:
        """The four tensors by name."""
        return {"inner": self.inner, "outer": self.outer, "mean": self.mean, "deviation": self.deviation}


def as_signal(pixels: np.ndarray) -> Tensor:
    """(count, height, width, 3) bytes to (count, 3, height, width) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


def as_pixels(pictures: Tensor) -> np.ndarray:
    """The inverse of `as_signal`, clipped."""
    scaled = ((pictures.detach().float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return np.asarray(scaled.permute(0, 2, 3, 1).contiguous().numpy())


def fit(seed: int, *, posters: int = 256) -> LinearLatents:
    """The map for the posters of `words`. Title rows count twice: that is where fine detail is."""
    rng = np.random.default_rng(seed)
    drawn = draw_posters(rng, posters, second_share=0.3)
    whole = as_signal(draw_batch(drawn))
    titles = as_signal(draw_batch(draw_posters(rng, 4 * posters, second_share=0.0), _TITLE_ROWS))
    pictures = [whole, titles]
    inner = _principal([functional.pixel_unshuffle(each, 4) for each in pictures], _INNER)
    small = [
        functional.pixel_unshuffle(_apply(inner, functional.pixel_unshuffle(each, 4)), 2) for each in pictures
    ]
    outer = _principal(small, CHANNELS)
    raw = torch.cat([_columns(_apply(outer, each)) for each in small])
    return LinearLatents(inner, outer, raw.mean(0), raw.std(0))


def pixel_rows(rows: tuple[int, int]) -> tuple[int, int]:
    """Rows of latents to rows of pixels."""
    if not 0 <= rows[0] < rows[1] <= SIDE // DOWNSCALE:
        raise ValueError(f"rows: {rows} must lie in order within 0 and {SIDE // DOWNSCALE}")
    return rows[0] * DOWNSCALE, rows[1] * DOWNSCALE


def _apply(matrix: Tensor, maps: Tensor) -> Tensor:
    return torch.einsum("oc,nchw->nohw", matrix, maps)


def _columns(maps: Tensor) -> Tensor:
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])


def _principal(maps: list[Tensor], count: int) -> Tensor:
    """The `count` directions of largest second moment, strongest first.

    About zero, not about the mean: a flat colour must survive too, and it is what patches mostly are.
    """
    rows = torch.cat([_columns(each) for each in maps]).double()
    _, vectors = torch.linalg.eigh(rows.T @ rows / len(rows))
    chosen = vectors.flip(1)[:, :count].T
    # Eigenvectors have no sign of their own: fix it, so that two machines agree.
    signs = chosen.gather(1, chosen.abs().argmax(1, keepdim=True)).sign()
    steady: Tensor = (chosen * signs).float()
    return steady
