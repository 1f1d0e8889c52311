"""The schedule is diffusers' own, the solvers have the order they promise, and other samplers are refused."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Any, get_args

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FlowMatchHeunDiscreteScheduler
from torch import Tensor

from inference.sd3.base import CannotDraw, CheckpointError
from inference.sd3.samplers import SAMPLERS, Schedule, Solve, euler, heun, model_calls, sampler_named
from schemas.events import PromptEvent, Sampler
from schemas.faults import BadEvent
from schemas.wire import decode


@pytest.mark.parametrize("shift", [1.0, 1.7, 3.0, 6.0])
@pytest.mark.parametrize("steps", [1, 2, 4, 8, 28, 37, 150])
def test_sigmas_are_those_of_diffusers_to_the_bit(shift: float, steps: int) -> None:
    theirs = FlowMatchEulerDiscreteScheduler(shift=shift)
    theirs.set_timesteps(steps)
    ours = Schedule.read(type(theirs).__name__, theirs.config).sigmas(steps, tokens=256)
    assert torch.equal(ours, theirs.sigmas)
    assert torch.equal(ours[:-1] * 1000, theirs.timesteps)


@pytest.mark.parametrize("kind", ["exponential", "linear"])
@pytest.mark.parametrize(("tokens", "mu"), [(256, 0.5), (4096, 1.15), (1024, 0.63)])
def test_dynamic_shifting_is_diffusers_own(kind: str, tokens: int, mu: float) -> None:
    """Their `mu` is linear in the tokens: at both ends it is base and most."""
    theirs = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, time_shift_type=kind)
    theirs.set_timesteps(9, mu=mu)
    ours = Schedule.read(type(theirs).__name__, theirs.config).sigmas(9, tokens)
    assert torch.allclose(ours, theirs.sigmas, rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    "setting",
    [
        {"use_karras_sigmas": True},
        {"shift_terminal": 0.1},
        {"stochastic_sampling": True},
        {"invert_sigmas": True},
    ],
    ids=lambda setting: next(iter(setting)),
)
def test_a_schedule_of_another_kind_is_refused_by_the_setting_s_name(setting: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=rf"{next(iter(setting))} is .*remove it"):
        Schedule.read("FlowMatchEulerDiscreteScheduler", setting)


def test_a_scheduler_that_is_not_for_flow_matching_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"DDIMScheduler is not for flow matching.*FlowMatchEuler"):
        Schedule.read("DDIMScheduler", {})


def _swirl(sample: Tensor, sigma: Tensor) -> Tensor:
    """A velocity that bends and depends on sigma; `_solved` is its solution."""
    return (torch.flip(sample, [0]) * torch.tensor([-3.0, 3.0]) + sample) * (0.5 + sigma)


def _solved(start: Tensor) -> Tensor:
    """From sigma 1 to 0: a turn and a shrinking by the integral of 0.5 + sigma, which is 1."""
    turn = torch.tensor([[math.cos(-3), -math.sin(-3)], [math.sin(-3), math.cos(-3)]])
    return math.exp(-1) * (turn @ start)


@pytest.mark.parametrize(("solve", "order"), [(euler, 1), (heun, 2)], ids=["euler", "heun"])
def test_halving_the_steps_width_halves_the_error_as_often_as_the_order_says(
    solve: Solve, order: int
) -> None:
    start = torch.tensor([1.0, 0.5])
    error = [
        float((solve(_swirl, start, torch.linspace(1, 0, steps + 1), None) - _solved(start)).norm())
        for steps in (64, 128, 256)
    ]
    assert [math.log2(a / b) for a, b in pairwise(error)] == pytest.approx([order, order], abs=0.15)


@pytest.mark.parametrize("steps", [1, 2, 5, 20])
def test_heun_steps_as_diffusers_heun_does(steps: int) -> None:
    theirs = FlowMatchHeunDiscreteScheduler(shift=3.0)
    theirs.set_timesteps(steps)
    sample = torch.tensor([1.0, 0.5])
    sigmas = Schedule(shift=3.0).sigmas(steps, tokens=256)
    ours = heun(_swirl, sample, sigmas)
    for timestep in theirs.timesteps:
        sample = theirs.step(_swirl(sample, timestep / 1000), timestep, sample, return_dict=False)[0]
    assert torch.allclose(ours, sample, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", get_args(Sampler))
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_the_model_runs_as_often_as_is_said_and_progress_counts_steps(name: Sampler, steps: int) -> None:
    asked: list[float] = []
    told: list[tuple[int, int]] = []

    def velocity(sample: Tensor, sigma: Tensor) -> Tensor:
        asked.append(float(sigma))
        return sample

    sampler_named(name)(
        velocity, torch.ones(2), torch.linspace(1, 0, steps + 1), lambda *step: told.append(step)
    )
    assert len(asked) == model_calls(name, steps)
    assert min(asked) > 0
    assert told == [(done, steps) for done in range(1, steps + 1)]


def test_every_sampler_of_the_events_has_a_solver() -> None:
    assert get_args(Sampler) == SAMPLERS
    assert [sampler_named(name) for name in SAMPLERS] == [euler, heun]


@pytest.mark.parametrize("name", ["ddim", "k_lms", "Euler", ""])
def test_other_samplers_are_refused_with_those_there_are_and_why(name: str) -> None:
    with pytest.raises(CannotDraw) as refused:
        sampler_named(name)
    text = str(refused.value)
    assert repr(name) in text
    assert "euler, heun" in text
    assert "flow-matching" in text


@pytest.mark.parametrize("name", ["ddim", "k_lms"])
def test_a_prompt_event_with_another_sampler_is_told_what_there_is(name: str) -> None:
    body = {"id": "1", "source": "shop", "prompt": "a poster", "sampler": name}
    with pytest.raises(BadEvent) as refused:
        decode(PromptEvent, json.dumps(body).encode())
    text = str(refused.value)
    assert "sampler" in text
    assert name in text
    assert "euler" in text
    assert "heun" in text
