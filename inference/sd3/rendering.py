"""Drawing with Stable Diffusion 3: prompt to noise to latents to pixels.

The sampling loop is ours, so that kernels of ours can come into it; in float32 its latents are those of
diffusers' own pipeline.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from diffusers import StableDiffusion3Pipeline
from torch import Tensor

from inference.sd3.base import CannotDraw, CheckpointError, Drawing, OutOfMemory
from inference.sd3.encoding import Conditioning, PromptEncoder
from inference.sd3.memory import is_full
from inference.sd3.samplers import Progress, Schedule, Velocity, sampler_named

if TYPE_CHECKING:
    from inference.sd3.loading import Loaded
    from inference.typography.canvas import Pixels

_T5_TOKENS: Final = 256
_SEEDS: Final = 2**64


class Renderer:
    """Draws with one loaded model, one picture at a time; not to be used by two threads at once.

    The same drawing gives the same bytes, whatever was drawn before, on the same kind of device with the same
    dtype, number of threads and versions of torch and diffusers. The noise depends on seed and size alone, so
    another device or dtype gives nearly the same picture.
    """

    def __init__(
        self,
        model: Loaded | StableDiffusion3Pipeline,
        *,
        t5_tokens: int | None = None,
        sizes: tuple[str, ...] | None = None,
    ) -> None:
        """`t5_tokens` and `sizes` ("256x256") are the checkpoint's unless given; a bare pipeline: 256, any.

        Raises:
            CheckpointError: its scheduler is none for flow matching, or has a setting that is not supported.
        """
        if isinstance(model, StableDiffusion3Pipeline):
            pipeline = model
        else:
            pipeline, defaults = model.pipeline, model.checkpoint.defaults
            t5_tokens = defaults.t5_tokens if t5_tokens is None else t5_tokens
            sizes = defaults.sizes if sizes is None else sizes
        self._transformer = pipeline.transformer
        self._vae = pipeline.vae
        self._images = pipeline.image_processor
        self._sizes = sizes or ()
        self._encoder = PromptEncoder(pipeline, _T5_TOKENS if t5_tokens is None else t5_tokens)
        self._schedule = Schedule.read(type(pipeline.scheduler).__name__, pipeline.scheduler.config)
        self._latent = pipeline.vae_scale_factor
        self._unit = self._latent * self._transformer.config.patch_size
        self._longest = self._unit * self._transformer.config.pos_embed_max_size

    @property
    def device(self) -> torch.device:
        """Where the transformer is."""
        return torch.device(self._transformer.device)

    def check(self, drawing: Drawing) -> None:
        """Says no before anything is computed.

        Raises:
            CannotDraw: size, steps, guidance, seed or sampler; the text says what can be drawn.
        """
        sampler_named(drawing.sampler)
        size = f"{drawing.width}x{drawing.height}"
        if self._sizes and size not in self._sizes:
            raise CannotDraw(
                f"size: {size} is not one that this model was trained for: ask {' or '.join(self._sizes)}"
            )
        for name, side in (("width", drawing.width), ("height", drawing.height)):
            if side % self._unit or not self._unit <= side <= self._longest:
                near = min(max(round(side / self._unit), 1) * self._unit, self._longest)
                raise CannotDraw(
                    f"{name}: {side} is not a multiple of {self._unit} from {self._unit} to {self._longest}, "
                    f"which is what this model has positions for: ask {near}"
                )
        if drawing.steps < 1:
            raise CannotDraw(f"steps: {drawing.steps} draws nothing: ask 1 or more")
        if not math.isfinite(drawing.guidance):
            raise CannotDraw(f"guidance: {drawing.guidance} is no scale: ask 1 (none) to about 10")
        if not 0 <= drawing.seed < _SEEDS:
            raise CannotDraw(f"seed: {drawing.seed} is outside 0 to 2**64 - 1")

    def draw(self, drawing: Drawing, progress: Progress | None = None) -> Pixels:
        """The picture, (height, width, 3).

        Raises:
            CannotDraw: see `check`.
            OutOfMemory: the device has no room for it.
            CheckpointError: the numbers left the range of the dtype.
        """
        latents = self.latents(drawing, progress)
        with _room(drawing, self.device), torch.inference_mode():
            return self._decoded(latents)

    def latents(self, drawing: Drawing, progress: Progress | None = None) -> Tensor:
        """(1, channels, height / 8, width / 8), float32, scaled as the transformer has them; see `draw`.

        An inference tensor: clone it to train with it.
        """
        self.check(drawing)
        with _room(drawing, self.device), torch.inference_mode():
            guided = drawing.guidance > 1
            given = self._encoder.encode(drawing.prompt, drawing.negative_prompt if guided else None)
            tokens = (drawing.height // self._unit) * (drawing.width // self._unit)
            solve = sampler_named(drawing.sampler)
            latents = solve(
                self._velocity(given, drawing.guidance if guided else None),
                self._noise(drawing),
                self._schedule.sigmas(drawing.steps, tokens).to(self.device),
                progress,
            )
            return self._finite(latents, "latents", self._transformer.dtype)

    def _noise(self, drawing: Drawing) -> Tensor:
        """Always drawn on the CPU and in float32, which diffusers only rounds: one noise for every device."""
        shape = (1, self._transformer.config.in_channels, *self._latent_size(drawing))
        generator = torch.Generator().manual_seed(drawing.seed)
        return torch.randn(shape, generator=generator, dtype=torch.float32).to(self.device)

    def _latent_size(self, drawing: Drawing) -> tuple[int, int]:
        return drawing.height // self._latent, drawing.width // self._latent

    def _velocity(self, given: Conditioning, guidance: float | None) -> Velocity:
        """The model as the solvers see it; with guidance both prompts go through it in one call."""
        dtype = self._transformer.dtype
        joint, pooled = given.joint.to(dtype), given.pooled.to(dtype)

        def velocity(sample: Tensor, sigma: Tensor) -> Tensor:
            rows = len(joint)
            said: Tensor = self._transformer(
                hidden_states=sample.to(dtype).expand(rows, -1, -1, -1),
                timestep=(sigma * self._schedule.timesteps).expand(rows),
                encoder_hidden_states=joint,
                pooled_projections=pooled,
                return_dict=False,
            )[0].float()
            if guidance is None:
                return said
            free, asked = said.chunk(2)
            return free + guidance * (asked - free)

        return velocity

    def _decoded(self, latents: Tensor) -> Pixels:
        config = self._vae.config
        scaled = latents / config.scaling_factor + config.shift_factor
        decoded: Tensor = self._vae.decode(scaled.to(self._vae.dtype), return_dict=False)[0]
        self._finite(decoded, "picture", self._vae.dtype)
        picture = self._images.postprocess(decoded, output_type="np")[0]
        pixels: Pixels = (picture * 255).round().astype(np.uint8)
        return pixels

    @staticmethod
    def _finite(values: Tensor, what: str, dtype: torch.dtype) -> Tensor:
        if not torch.isfinite(values).all():
            raise CheckpointError(
                f"{what}: not every number is finite, so the weights are broken or their range is wider than "
                f"{str(dtype).removeprefix('torch.')}: load the model in bfloat16 or float32"
            )
        return values


@contextmanager
def _room(drawing: Drawing, device: torch.device) -> Iterator[None]:
    """Says `OutOfMemory` for whatever torch says."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_full(error):
            raise
        passes = "two passes at once" if drawing.guidance > 1 else "one pass"
        raise OutOfMemory(
            f"{device} has no room for {drawing.width} x {drawing.height} at guidance "
            f"{drawing.guidance:g} ({passes}): ask for a smaller picture, or free some ({str(error)[:200]})"
        ) from error
