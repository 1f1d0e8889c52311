"""The distilled model in training: the base and a LoRA, taught to be done after four steps without guidance.

A poster of `words` is decided by its prompt, so where a step should lead is known without asking the base:
to that poster. The student walks its own four steps from noise, as it will when it draws, and what it takes
for the finished poster at each of them is compared with the true one. The gradient goes through the whole
walk, so an early step also learns what a later one can use.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel
from torch import Tensor

from inference.sd3.tiny.drawing import draw_batch
from inference.sd3.tiny.encoders import Encoded
from inference.sd3.tiny.flow import SHIFT, TIMESTEPS
from inference.sd3.tiny.latents import CHANNELS, as_signal, pixel_rows
from inference.sd3.tiny.learner import Group, Learner
from inference.sd3.tiny.lora import attach, linear_names
from inference.sd3.tiny.store import Run
from inference.sd3.tiny.tasks import Sizes
from inference.sd3.tiny.transformer import SIDE, at_rows
from inference.sd3.tiny.words import Poster, draw_posters

STEPS: Final = 4
RANK: Final = 14
SIZES: Final = Sizes(bands=32, wholes=8)
_RATE: Final = 2e-3
_WARMUP: Final = 20
_TITLE: Final = (4, 12)
_SECOND: Final = (24, 32)
_WHOLE: Final = (0, SIDE)
_SECOND_SHARES: Final = {_TITLE: 0.0, _SECOND: 0.9, _WHOLE: 0.25}
_ROWS_SHARES: Final = {_TITLE: 0.6, _SECOND: 0.1, _WHOLE: 0.3}
_TITLE_WEIGHT: Final = 2.5
_STEP_WEIGHTS: Final = (0.25, 0.5, 1.0)


def schedule() -> list[float]:
    """The noise levels between which diffusers' Euler goes in `STEPS` steps, from 1 to 0."""
    scheduler = FlowMatchEulerDiscreteScheduler(shift=SHIFT)
    scheduler.set_timesteps(STEPS)
    levels: list[float] = scheduler.sigmas.tolist()
    return levels


def walk(
    transformer: SD3Transformer2DModel, noise: Tensor, encoded: Encoded, levels: Sequence[float]
) -> list[Tensor]:
    """What the transformer takes for the finished latents at each of `levels` but the last, in Euler's steps.

    `noise` is (count, 16, height, width) at levels[0].
    """
    found, latents = [], noise
    for level, following in itertools.pairwise(levels):
        velocity = transformer(
            hidden_states=latents,
            timestep=torch.full((len(latents),), level * TIMESTEPS),
            encoder_hidden_states=encoded.joint,
            pooled_projections=encoded.pooled,
            return_dict=False,
        )[0].float()
        found.append(latents - level * velocity)
        latents = latents + (following - level) * velocity
    return found


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of the latents of some posters, and the noise (count, 16, rows, 32) to draw them from."""

    rows: tuple[int, int]
    posters: Sequence[Poster]
    noise: Tensor


class StudentTask:
    """A LoRA on the `changed_layers` of a run's transformer, whose own weights are frozen.

    Step k's posters and noise come from (seed, k) alone.
    """

    name = "student"

    def __init__(self, base: Run, seed: int, sizes: Sizes = SIZES, rank: int = RANK) -> None:
        self.seen = 0
        self._base, self._seed, self._sizes = base, seed, sizes
        base.encoders.requires_grad_(False)
        transformer = base.flow.transformer
        generator = torch.Generator().manual_seed(seed)
        self.lora = attach(transformer, changed_layers(transformer), rank, generator)
        self.learner = Learner([Group(self.lora.weights, _RATE)], warmup=_WARMUP)

    def advance(self) -> float:
        """One step; its loss."""
        batch = self.batch(self.learner.step)
        loss = self.loss(batch)
        self.learner.descend(loss)
        self.seen += len(batch.posters)
        return float(loss.detach())

    def batch(self, step: int) -> Batch:
        """What that step learns from: bands of posters, or a few whole ones."""
        rng = np.random.default_rng([self._seed, 4, step])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        rows = _rows_of(rng)
        count = self._sizes.wholes if rows == _WHOLE else self._sizes.bands
        posters = draw_posters(rng, count, second_share=_SECOND_SHARES[rows])
        noise = torch.randn((count, CHANNELS, rows[1] - rows[0], SIDE), generator=generator)
        return Batch(rows, posters, noise)

    def loss(self, batch: Batch) -> Tensor:
        """How far the walk's pictures are from the posters, the last one's error counting most."""
        wanted = self._base.latents.encode(as_signal(draw_batch(batch.posters, pixel_rows(batch.rows))))
        transformer, encoders = self._base.flow.transformer, self._base.encoders
        with torch.autocast("cpu", torch.bfloat16), at_rows(transformer, batch.rows):
            with torch.no_grad():
                encoded = encoders.encode([poster.prompt for poster in batch.posters])
            # The last of the four levels is 0.009: what is said there hardly shows.
            said = walk(transformer, batch.noise, encoded, schedule()[:STEPS])
        errors = [_error(each, wanted, batch.rows) for each in said]
        weighted = [weight * error for weight, error in zip(_STEP_WEIGHTS, errors, strict=True)]
        return torch.stack(weighted).sum() / sum(_STEP_WEIGHTS)


def changed_layers(transformer: SD3Transformer2DModel) -> list[str]:
    """All linear layers but the text stream's own: what a prompt says is the same in four steps."""
    return [
        name
        for name in linear_names(transformer)
        if not any(part in name for part in (".add_", ".to_add_out", "context"))
    ]


def _error(said: Tensor, wanted: Tensor, rows: tuple[int, int]) -> Tensor:
    weights = torch.ones(rows[1] - rows[0])
    if rows == _WHOLE:
        weights[_TITLE[0] : _TITLE[1]] = _TITLE_WEIGHT
    return ((said - wanted).square().mean(dim=(1, 3)) * weights).mean()


def _rows_of(rng: np.random.Generator) -> tuple[int, int]:
    lot = rng.random()
    for rows, share in _ROWS_SHARES.items():
        if lot < share:
            return rows
        lot -= share
    return _WHOLE
