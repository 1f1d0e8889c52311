"""Flow matching's noise levels and its solvers, as functions over tensors.

A flow-matching model says at every noise level sigma the velocity noise minus picture (Esser et al. 2024,
section 2). Drawing is solving dx/dsigma = velocity(x, sigma) from noise at sigma 1 to a picture at 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

import numpy as np
import torch
from torch import Tensor

from inference.sd3.base import CannotDraw, CheckpointError
from schemas.events import Sampler

Velocity = Callable[[Tensor, Tensor], Tensor]
"""(sample in float32, sigma without dimensions) -> velocity in float32, of the sample's shape."""

Progress = Callable[[int, int], None]
"""(steps done, steps in all), after each step. What it raises ends the drawing."""

Solve = Callable[[Velocity, Tensor, Tensor, Progress | None], Tensor]

_SCHEDULERS: Final = ("FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler")
_NOT_SUPPORTED: Final = (
    "invert_sigmas",
    "shift_terminal",
    "use_karras_sigmas",
    "use_exponential_sigmas",
    "use_beta_sigmas",
    "stochastic_sampling",
)


@dataclass(frozen=True, slots=True)
class DynamicShift:
    """A shift that grows with the picture: linear in its tokens between two lengths."""

    base_tokens: int
    most_tokens: int
    base: float
    most: float
    exponential: bool

    def strength(self, tokens: int) -> float:
        """What stands in the place of a fixed shift (diffusers' `calculate_shift`)."""
        slope = (self.most - self.base) / (self.most_tokens - self.base_tokens)
        mu = tokens * slope + self.base - slope * self.base_tokens
        return math.exp(mu) if self.exponential else mu


@dataclass(frozen=True, slots=True)
class Schedule:
    """Noise levels for any number of steps: those of diffusers' `FlowMatchEulerDiscreteScheduler`."""

    shift: float = 3.0
    timesteps: int = 1000
    dynamic: DynamicShift | None = None

    @classmethod
    def read(cls, scheduler: str, config: Mapping[str, Any]) -> Schedule:
        """From a scheduler's class name and its configuration.

        Raises:
            CheckpointError: another class, or a setting that this schedule does not have.
        """
        if scheduler not in _SCHEDULERS:
            raise CheckpointError(
                f"scheduler: {scheduler} is not for flow matching; SD3 has {' or '.join(_SCHEDULERS)}: "
                "take scheduler/ from the published model"
            )
        for name in _NOT_SUPPORTED:
            if config.get(name):
                raise CheckpointError(
                    f"scheduler/scheduler_config.json: {name} is {config[name]!r}; "
                    "SD3's schedules do not use it and it is not supported: remove it"
                )
        dynamic = None
        if config.get("use_dynamic_shifting"):
            dynamic = DynamicShift(
                config.get("base_image_seq_len", 256),
                config.get("max_image_seq_len", 4096),
                config.get("base_shift", 0.5),
                config.get("max_shift", 1.15),
                config.get("time_shift_type", "exponential") == "exponential",
            )
        return cls(float(config.get("shift", 1.0)), int(config.get("num_train_timesteps", 1000)), dynamic)

    def sigmas(self, steps: int, tokens: int) -> Tensor:
        """(steps + 1,) levels in float32, falling from 1 to 0; `tokens` is the number of its patches."""
        ends = torch.tensor([self.timesteps, 1], dtype=torch.float32) / self.timesteps
        strength = self.shift
        if self.dynamic is None:
            # diffusers' ends are shifted already and are shifted again with the others.
            ends = self.shift * ends / (1 + (self.shift - 1) * ends)
        else:
            strength = self.dynamic.strength(tokens)
        first, last = (end * self.timesteps for end in ends.tolist())
        levels = np.linspace(first, last, steps) / self.timesteps
        if self.dynamic is None:
            levels = strength * levels / (1 + (strength - 1) * levels)
        else:
            levels = strength / (strength + (1 / levels - 1))
        return torch.cat([torch.from_numpy(levels).to(torch.float32), torch.zeros(1)])


def euler(velocity: Velocity, sample: Tensor, sigmas: Tensor, progress: Progress | None = None) -> Tensor:
    """One call of the model a step; the error falls with the number of steps."""
    steps = len(sigmas) - 1
    for step in range(steps):
        sample = sample + (sigmas[step + 1] - sigmas[step]) * velocity(sample, sigmas[step])
        if progress is not None:
            progress(step + 1, steps)
    return sample


def heun(velocity: Velocity, sample: Tensor, sigmas: Tensor, progress: Progress | None = None) -> Tensor:
    """Two calls a step, but one for the last: 2 steps - 1; the error falls with the square of the steps.

    Karras et al. 2022, algorithm 1, on velocities: an Euler step, then again with the mean of the velocities
    at both of its ends. Nothing was trained at sigma 0, so the last step stays Euler's.
    """
    steps = len(sigmas) - 1
    for step in range(steps):
        width = sigmas[step + 1] - sigmas[step]
        here = velocity(sample, sigmas[step])
        ahead = sample + width * here
        if step + 1 < steps:
            ahead = sample + width * (0.5 * (here + velocity(ahead, sigmas[step + 1])))
        sample = ahead
        if progress is not None:
            progress(step + 1, steps)
    return sample


_SOLVERS: Final[Mapping[str, Solve]] = {"euler": euler, "heun": heun}
SAMPLERS: Final[tuple[str, ...]] = get_args(Sampler)


def sampler_named(name: str) -> Solve:
    """The solver of that name.

    Raises:
        CannotDraw: there is none; the text lists those there are and says why others cannot be.
    """
    if name not in _SOLVERS:
        raise CannotDraw(
            f"sampler: {name!r} is not one of {', '.join(SAMPLERS)}. Stable Diffusion 3 is a flow-matching "
            "model and has samplers of its own; those of the models before it (ddim, k_lms, dpm and others) "
            "solve another equation. Use euler (one model call a step) or heun (two, one for the last)"
        )
    return _SOLVERS[name]


def model_calls(sampler: Sampler, steps: int) -> int:
    """How often the model runs for so many steps: what the drawing costs."""
    return steps if sampler == "euler" else 2 * steps - 1
