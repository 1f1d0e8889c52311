"""Flow matching as SD3 does it: noise levels, the training pair, and Euler steps to see what was learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel
from torch import Tensor

from inference.sd3.tiny.encoders import TextEncoders

SHIFT: Final = 3.0
TIMESTEPS: Final = 1000
_LEVEL_MEAN: Final = 0.6
_LEVEL_DEVIATION: Final = 1.0


def noise_levels(count: int, generator: torch.Generator) -> Tensor:
    """Sigmas in (0, 1), logit-normal (Esser et al. 2024, section 3.1): most near where words are decided."""
    return torch.sigmoid(_LEVEL_MEAN + _LEVEL_DEVIATION * torch.randn(count, generator=generator))


def noised(latents: Tensor, noise: Tensor, sigmas: Tensor) -> tuple[Tensor, Tensor]:
    """What the transformer sees at `sigmas`, and the velocity it must say: noise minus latents."""
    level = sigmas[:, None, None, None]
    return (1 - level) * latents + level * noise, noise - latents


@torch.no_grad()
def sample(
    transformer: SD3Transformer2DModel,
    encoders: TextEncoders,
    prompts: Sequence[str],
    *,
    steps: int,
    guidance: float,
    seed: int,
    side: int = 32,
    exact: bool = False,
) -> Tensor:
    """Latents (count, 16, side, side) by Euler steps with classifier-free guidance.

    Guidance 1 costs no second pass. Picture k's noise is that of seed + k. `exact` is in fp32, else bf16.
    """
    scheduler = FlowMatchEulerDiscreteScheduler(shift=SHIFT)
    scheduler.set_timesteps(steps)
    guided = guidance != 1.0
    latents = torch.cat(
        [
            torch.randn(1, 16, side, side, generator=torch.Generator().manual_seed(seed + index))
            for index in range(len(prompts))
        ]
    )
    with torch.autocast("cpu", torch.bfloat16, enabled=not exact):
        joint, pooled = encoders.encode([*([""] * len(prompts) if guided else []), *prompts])
        for timestep in scheduler.timesteps:
            batch = torch.cat([latents, latents]) if guided else latents
            said = transformer(
                hidden_states=batch,
                timestep=timestep.expand(len(batch)),
                encoder_hidden_states=joint,
                pooled_projections=pooled,
                return_dict=False,
            )[0].float()
            if guided:
                free, asked = said.chunk(2)
                said = free + guidance * (asked - free)
            latents = scheduler.step(said, timestep, latents, return_dict=False)[0]
    return latents
