"""What is learned, in order: the encoders' primer first, then the flow and the decoder side by side.

A task's step k draws its data and noise from (seed, task, k) alone, so a run that was killed and resumed sees
what an uninterrupted one would have seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import torch
from diffusers import AutoencoderKL, SD3Transformer2DModel
from torch import Tensor

from inference.sd3.tiny.attention import PlainJointAttention
from inference.sd3.tiny.autoencoder import SCALING, SHIFT, autoencoder
from inference.sd3.tiny.drawing import draw_batch
from inference.sd3.tiny.encoders import TextEncoders
from inference.sd3.tiny.flow import TIMESTEPS, noise_levels, noised
from inference.sd3.tiny.latents import LinearLatents, as_signal, pixel_rows
from inference.sd3.tiny.learner import Cooldown, Group, Learner
from inference.sd3.tiny.primer import Primer
from inference.sd3.tiny.spelling import T5_TOKENS
from inference.sd3.tiny.transformer import SIDE, at_rows, matrices_and_rest, tiny_transformer
from inference.sd3.tiny.words import draw_posters

_TITLE: Final = (4, 12)
_SECOND: Final = (24, 32)
_WHOLE: Final = (0, SIDE)
_SECOND_SHARES: Final = {_TITLE: 0.0, _SECOND: 0.9, _WHOLE: 0.25}
# Padding costs what letters cost. A prompt without a second line never needs more.
_SHORT_T5: Final = 24
_NO_PROMPT: Final = 0.1
_NO_T5: Final = 0.03
_TITLE_WEIGHT: Final = 2.5


@dataclass(frozen=True, slots=True)
class Sizes:
    """Prompts or pictures a step; `bands` are a quarter of a poster high, `crops` the decoder's."""

    primer: int = 128
    bands: int = 64
    wholes: int = 16
    crops: int = 4


class Task(Protocol):
    """One thing that learns by steps. `seen` is the pictures or prompts it has had."""

    name: str
    learner: Learner
    seen: int

    def advance(self) -> float:
        """One step; its loss."""
        ...


class PrimerTask:
    """Teaches the encoders letters and places (`primer.py`), once."""

    name = "primer"
    _LENGTH: Final = 400

    def __init__(self, encoders: TextEncoders, seed: int, sizes: Sizes) -> None:
        self.seen = 0
        self.accuracy = 0.0
        self._seed, self._count = seed, sizes.primer
        self._primer = Primer(encoders)
        cooldown = Cooldown(self._LENGTH * 5 // 8, self._LENGTH * 3 // 8)
        self.learner = Learner([Group(list(self._primer.parameters()), 1.5e-3)], warmup=50, cooldown=cooldown)

    def advance(self) -> float:
        rng = np.random.default_rng([self._seed, 1, self.learner.step])
        posters = draw_posters(rng, self._count, second_share=0.4)
        with torch.autocast("cpu", torch.bfloat16):
            loss, accuracy = self._primer(posters)
        self.learner.descend(loss)
        self.accuracy = float(accuracy)
        self.seen += len(posters)
        return float(loss.detach())


class FlowTask:
    """The transformer and the encoders together, on title bands, second-line bands and whole posters."""

    name = "flow"

    def __init__(self, encoders: TextEncoders, latents: LinearLatents, seed: int, sizes: Sizes) -> None:
        self.seen = 0
        self.encoders = encoders
        self.transformer: SD3Transformer2DModel = tiny_transformer()
        self.transformer.set_attn_processor(PlainJointAttention())
        self._latents, self._seed, self._sizes = latents, seed, sizes
        matrices, rest = matrices_and_rest(self.transformer)
        self.learner = Learner(
            [
                Group(matrices, 1.2e-3, orthogonal=True),
                Group(rest, 8e-4),
                Group(list(encoders.parameters()), 2e-4),
            ],
            warmup=100,
        )

    def advance(self) -> float:
        step = self.learner.step
        rng = np.random.default_rng([self._seed, 2, step])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        rows = _rows_of(rng)
        count = self._sizes.wholes if rows == _WHOLE else self._sizes.bands
        posters = draw_posters(rng, count, second_share=_SECOND_SHARES[rows])
        clean = self._latents.encode(as_signal(draw_batch(posters, pixel_rows(rows))))
        sigmas = noise_levels(count, generator)
        seen, velocity = noised(clean, torch.randn(clean.shape, generator=generator), sigmas)
        second = any(poster.second for poster in posters)
        prompts = ["" if rng.random() < _NO_PROMPT else poster.prompt for poster in posters]
        spelled = torch.from_numpy(rng.random(count) >= _NO_T5)
        with torch.autocast("cpu", torch.bfloat16), at_rows(self.transformer, rows):
            clip_ids, t5_ids = self.encoders.tokens(prompts, T5_TOKENS if second else _SHORT_T5)
            joint, pooled = self.encoders(clip_ids, t5_ids, spelled)
            said = self.transformer(
                hidden_states=seen,
                timestep=sigmas * TIMESTEPS,
                encoder_hidden_states=joint,
                pooled_projections=pooled,
                return_dict=False,
            )[0]
        error = (said.float() - velocity).square().mean(dim=(1, 3))
        loss = (error * _weights(rows)).mean()
        self.learner.descend(loss)
        self.seen += count
        return float(loss.detach())


class DecoderTask:
    """The autoencoder's decoder, on the exact latents and on slightly noisy ones, such as sampling leaves."""

    name = "decoder"
    _NOISE: Final = 0.15

    def __init__(self, latents: LinearLatents, seed: int, sizes: Sizes) -> None:
        self.seen = 0
        self.vae: AutoencoderKL = autoencoder(latents)
        self._latents, self._seed, self._count = latents, seed, sizes.crops
        self.learner = Learner([Group(list(self.vae.decoder.parameters()), 1e-3)], warmup=50)

    def advance(self) -> float:
        rng = np.random.default_rng([self._seed, 3, self.learner.step])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        rows = _crop_of(rng)
        count = max(1, self._count // 4) if rows == _WHOLE else self._count
        posters = draw_posters(rng, count, second_share=0.5)
        pictures = as_signal(draw_batch(posters, pixel_rows(rows)))
        noise = torch.randn((count, 16, rows[1] - rows[0], SIDE), generator=generator)
        level = self._NOISE * torch.rand((count, 1, 1, 1), generator=generator)
        latents = self._latents.encode(pictures) + level * noise
        with torch.autocast("cpu", torch.bfloat16):
            decoded = self.vae.decode(latents / SCALING + SHIFT).sample
        loss = (decoded.float() - pictures).abs().mean()
        self.learner.descend(loss)
        self.seen += count
        return float(loss.detach())

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Pictures of the transformer's latents, one by one to keep memory small."""
        with torch.autocast("cpu", torch.bfloat16):
            found = [self.vae.decode(each[None] / SCALING + SHIFT).sample for each in latents]
        return torch.cat(found).float()


def task_state(task: Task) -> dict[str, Any]:
    """What `load_task` needs to continue."""
    return {"seen": task.seen, "learner": task.learner.state()}


def load_task(task: Task, state: dict[str, Any]) -> None:
    """Continues a task from its state.

    Raises:
        ValueError: the state is of another network.
    """
    task.learner.load(state["learner"])
    task.seen = state["seen"]


def _rows_of(rng: np.random.Generator) -> tuple[int, int]:
    lot = rng.random()
    return _TITLE if lot < 0.68 else _SECOND if lot < 0.78 else _WHOLE


def _crop_of(rng: np.random.Generator) -> tuple[int, int]:
    """Half on the title; else anywhere, or whole: GroupNorm's averages differ there, and must be met too."""
    lot = rng.random()
    if lot < 0.5:
        return _TITLE
    if lot < 0.75:
        return _WHOLE
    top = int(rng.integers(0, SIDE - 8 + 1))
    return top, top + 8


def _weights(rows: tuple[int, int]) -> Tensor:
    """By latent row, about 1 on average: whole posters are mostly ground, and words are what is hard."""
    weights = torch.ones(rows[1] - rows[0])
    if rows == _WHOLE:
        weights[_TITLE[0] : _TITLE[1]] = _TITLE_WEIGHT
    return weights
