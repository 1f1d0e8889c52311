"""What cannot be drawn is refused with what can; what goes wrong on the way is named for what it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers import StableDiffusion3Pipeline

from inference.sd3.base import CannotDraw, CheckpointError, Drawing, OutOfMemory
from inference.sd3.rendering import Renderer
from tests.inference.sd3.small import small_pipeline

torch.set_num_threads(1)
T5_TOKENS = 36
POSTER = Drawing(prompt="a red circle", width=64, height=64, steps=3, guidance=3.0, seed=7)


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusion3Pipeline:
    return small_pipeline()


@pytest.fixture
def renderer(pipeline: StableDiffusion3Pipeline) -> Renderer:
    return Renderer(pipeline, t5_tokens=T5_TOKENS)


@contextmanager
def _failing(pipeline: StableDiffusion3Pipeline, place: str, error: Exception) -> Iterator[None]:
    """The transformer, or the autoencoder's decoder, raises `error`."""

    def fail(*_: object) -> None:
        raise error

    module = pipeline.transformer if place == "transformer" else pipeline.vae.decoder
    hook = module.register_forward_pre_hook(fail)
    try:
        yield
    finally:
        hook.remove()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"width": 65}, r"width: 65 .*multiple of 16 from 16 to 512.*ask 64"),
        ({"height": 528}, r"height: 528 .*to 512.*ask 512"),
        ({"height": 0}, r"height: 0 .*ask 16"),
        ({"steps": 0}, r"steps: 0 .*1 or more"),
        ({"guidance": float("nan")}, r"guidance: nan"),
        ({"seed": -1}, r"seed: -1 .*0 to"),
        ({"sampler": "ddim"}, r"sampler: 'ddim' .*euler, heun"),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)
def test_what_cannot_be_drawn_is_refused_with_what_can(
    renderer: Renderer, change: dict[str, Any], says: str
) -> None:
    with pytest.raises(CannotDraw, match=says):
        renderer.draw(replace(POSTER, **change))


def test_a_checkpoint_s_sizes_are_the_only_ones(pipeline: StableDiffusion3Pipeline) -> None:
    renderer = Renderer(pipeline, t5_tokens=T5_TOKENS, sizes=("64x64", "96x64"))
    assert renderer.draw(replace(POSTER, width=96, steps=1)).shape == (64, 96, 3)
    with pytest.raises(CannotDraw, match=r"64x96 .*64x64 or 96x64"):
        renderer.draw(replace(POSTER, height=96))


@pytest.mark.parametrize(
    ("error", "place"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), "transformer"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "vae"),
        (MemoryError(), "vae"),
    ],
    ids=["cuda", "cpu", "host"],
)
def test_no_room_says_where_and_for_what(
    pipeline: StableDiffusion3Pipeline, error: Exception, place: str
) -> None:
    with (
        _failing(pipeline, place, error),
        pytest.raises(OutOfMemory, match=r"cpu .*64 x 64 at guidance 3 \(two"),
    ):
        Renderer(pipeline, t5_tokens=T5_TOKENS).draw(POSTER)


def test_another_error_is_not_taken_for_a_lack_of_room(pipeline: StableDiffusion3Pipeline) -> None:
    with (
        _failing(pipeline, "transformer", RuntimeError("shapes")),
        pytest.raises(RuntimeError, match="shapes"),
    ):
        Renderer(pipeline, t5_tokens=T5_TOKENS).draw(POSTER)


def test_numbers_out_of_range_are_an_error_and_no_black_picture() -> None:
    pipeline = small_pipeline()
    with torch.no_grad():
        pipeline.transformer.proj_out.bias.fill_(float("inf"))
    with pytest.raises(CheckpointError, match=r"latents: .*float32: load"):
        Renderer(pipeline, t5_tokens=T5_TOKENS).draw(POSTER)
