"""What the renderer draws is what diffusers' own pipeline draws, the same bytes every time, or a clear no."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
    StableDiffusion3Pipeline,
)
from torch import Tensor

from inference.sd3.base import CannotDraw, Drawing
from inference.sd3.checkpoint import Checkpoint, Source
from inference.sd3.defaults import Defaults
from inference.sd3.device import Choice
from inference.sd3.loading import Loaded
from inference.sd3.rendering import Renderer
from tests.inference.sd3.small import small_pipeline

torch.set_num_threads(1)
T5_TOKENS = 36
POSTER = Drawing(
    prompt='a red circle on deep blue, bold title "ORBIT 9"',
    width=64,
    height=64,
    steps=3,
    guidance=3.0,
    seed=7,
)
DRAWINGS = {
    "guided": POSTER,
    "one-step": replace(POSTER, steps=1),
    "many-steps": replace(POSTER, steps=12),
    "unguided": replace(POSTER, guidance=1.0),
    "guidance-0": replace(POSTER, guidance=0.0),
    "negative": replace(POSTER, negative_prompt="a pale square"),
    "unguided-negative": replace(POSTER, guidance=1.0, negative_prompt="a pale square"),
    "wide": replace(POSTER, width=160, height=48),
    "tall": replace(POSTER, width=16, height=112),
    "largest": replace(POSTER, width=512, height=512, steps=1),
    "longer-than-the-encoders": replace(POSTER, prompt="a red circle " * 20),
    "empty-prompt": replace(POSTER, prompt=""),
    "heun": replace(POSTER, sampler="heun", steps=4),
    "heun-one-step": replace(POSTER, sampler="heun", steps=1, guidance=1.0),
}


@pytest.fixture(scope="module", params=[True, False], ids=["t5", "no-t5"])
def either(request: pytest.FixtureRequest) -> StableDiffusion3Pipeline:
    return small_pipeline(t5=request.param)


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusion3Pipeline:
    return small_pipeline()


@pytest.fixture
def renderer(pipeline: StableDiffusion3Pipeline) -> Renderer:
    return Renderer(pipeline, t5_tokens=T5_TOKENS)


def _theirs(pipeline: StableDiffusion3Pipeline, drawing: Drawing, output: str) -> Any:
    """diffusers' own loop; its Heun is a scheduler."""
    scheduler = pipeline.scheduler
    if drawing.sampler == "heun":
        scheduler = FlowMatchHeunDiscreteScheduler(shift=pipeline.scheduler.config.shift)
    own = StableDiffusion3Pipeline(**{**pipeline.components, "scheduler": scheduler})
    own.set_progress_bar_config(disable=True)
    return own(
        prompt=drawing.prompt,
        negative_prompt=drawing.negative_prompt,
        width=drawing.width,
        height=drawing.height,
        num_inference_steps=drawing.steps,
        guidance_scale=drawing.guidance,
        generator=torch.Generator().manual_seed(drawing.seed),
        max_sequence_length=T5_TOKENS,
        output_type=output,
    ).images


def _relative_rms(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).square().mean().sqrt() / wanted.square().mean().sqrt())


@pytest.mark.parametrize("drawing", DRAWINGS.values(), ids=DRAWINGS.keys())
def test_latents_and_pixels_are_those_of_diffusers_pipeline(
    either: StableDiffusion3Pipeline, drawing: Drawing
) -> None:
    renderer = Renderer(either, t5_tokens=T5_TOKENS)
    assert _relative_rms(renderer.latents(drawing), _theirs(either, drawing, "latent")) < 1e-4
    picture = renderer.draw(drawing).astype(int)
    wanted = np.asarray(_theirs(either, drawing, "pil")[0], dtype=int)
    assert picture.shape == (drawing.height, drawing.width, 3)
    # diffusers' Heun divides what it multiplied by sigma, so a number between two levels may fall elsewhere.
    assert np.abs(picture - wanted).max() <= (1 if drawing.sampler == "heun" else 0)
    assert wanted.std() > 5


def test_a_dynamic_shift_is_that_of_diffusers_pipeline(pipeline: StableDiffusion3Pipeline) -> None:
    shifting = StableDiffusion3Pipeline(
        **{**pipeline.components, "scheduler": FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)}
    )
    ours = Renderer(shifting, t5_tokens=T5_TOKENS).latents(POSTER)
    assert _relative_rms(ours, _theirs(shifting, POSTER, "latent")) < 1e-4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bfloat16", "float16"])
def test_a_narrow_dtype_draws_nearly_the_same_picture(
    pipeline: StableDiffusion3Pipeline, dtype: torch.dtype
) -> None:
    drawing = replace(POSTER, steps=8)
    narrow = Renderer(small_pipeline(dtype), t5_tokens=T5_TOKENS)
    exact = Renderer(pipeline, t5_tokens=T5_TOKENS)
    assert narrow.latents(drawing).dtype is torch.float32
    assert _relative_rms(narrow.latents(drawing), exact.latents(drawing)) < 0.03
    assert np.abs(narrow.draw(drawing).astype(int) - exact.draw(drawing)).mean() < 2


def test_the_autoencoder_may_be_wider_than_the_transformer() -> None:
    narrow, mixed = small_pipeline(torch.bfloat16), small_pipeline(torch.bfloat16)
    mixed.vae.to(torch.float32)
    drawn = [Renderer(each, t5_tokens=T5_TOKENS).draw(POSTER).astype(int) for each in (narrow, mixed)]
    assert 0 < np.abs(drawn[0] - drawn[1]).mean() < 2


def test_float32_steps_come_nearer_to_the_exact_latents_than_diffusers_bfloat16_steps(
    pipeline: StableDiffusion3Pipeline,
) -> None:
    """diffusers rounds the sample to the model's dtype after every step; with many steps that adds up."""
    drawing = replace(POSTER, steps=50)
    narrow = small_pipeline(torch.bfloat16)
    exact = Renderer(pipeline, t5_tokens=T5_TOKENS).latents(drawing)
    ours = _relative_rms(Renderer(narrow, t5_tokens=T5_TOKENS).latents(drawing), exact)
    theirs = _relative_rms(_theirs(narrow, drawing, "latent").float(), exact)
    assert ours < theirs / 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_the_same_drawing_gives_the_same_bytes(dtype: torch.dtype) -> None:
    pipeline = small_pipeline(dtype)
    renderer = Renderer(pipeline, t5_tokens=T5_TOKENS)
    first = renderer.draw(POSTER).tobytes()
    assert renderer.draw(POSTER).tobytes() == first
    for index in range(20):
        # More texts than the encoder remembers.
        renderer.draw(replace(POSTER, prompt=f"poster {index}", seed=index, steps=1, width=32))
    torch.manual_seed(99)
    assert renderer.draw(POSTER).tobytes() == first
    assert Renderer(pipeline, t5_tokens=T5_TOKENS).draw(POSTER).tobytes() == first
    assert Renderer(small_pipeline(dtype), t5_tokens=T5_TOKENS).draw(POSTER).tobytes() == first


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 8},
        {"prompt": 'a red circle on deep blue, bold title "ORBIT 8"'},
        {"negative_prompt": "a pale square"},
        {"guidance": 4.0},
        {"steps": 4},
        {"sampler": "heun"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_choice_reaches_the_picture(renderer: Renderer, change: dict[str, Any]) -> None:
    assert not np.array_equal(renderer.draw(replace(POSTER, **change)), renderer.draw(POSTER))


def test_the_negative_prompt_is_not_looked_at_without_guidance(renderer: Renderer) -> None:
    free = replace(POSTER, guidance=1.0)
    assert np.array_equal(renderer.draw(replace(free, negative_prompt="dull")), renderer.draw(free))


@pytest.mark.parametrize(("guidance", "rows"), [(3.0, 2), (1.0, 1), (0.5, 1)])
def test_guidance_costs_one_call_of_two_rows_a_step(
    pipeline: StableDiffusion3Pipeline, guidance: float, rows: int
) -> None:
    seen: list[int] = []
    hook = pipeline.transformer.register_forward_pre_hook(
        lambda *given: seen.append(len(given[2]["hidden_states"])), with_kwargs=True
    )
    try:
        Renderer(pipeline, t5_tokens=T5_TOKENS).latents(replace(POSTER, guidance=guidance))
    finally:
        hook.remove()
    assert seen == [rows] * POSTER.steps


def test_progress_counts_the_steps_and_what_it_raises_ends_the_drawing(renderer: Renderer) -> None:
    told: list[tuple[int, int]] = []
    renderer.draw(POSTER, progress=lambda done, steps: told.append((done, steps)))
    assert told == [(1, 3), (2, 3), (3, 3)]

    def stop(done: int, steps: int) -> None:
        raise TimeoutError(f"after {done} of {steps}")

    with pytest.raises(TimeoutError, match="after 1 of 3"):
        renderer.draw(POSTER, progress=stop)


def test_a_loaded_checkpoint_brings_its_own_sizes_and_tokens(
    pipeline: StableDiffusion3Pipeline, tmp_path: Path
) -> None:
    defaults = Defaults(steps=4, guidance=1.0, sizes=("64x64",), t5_tokens=T5_TOKENS)
    checkpoint = Checkpoint(
        source=Source("small"),
        folder=tmp_path,
        lora_file=None,
        revision="0" * 40,
        defaults=defaults,
        has_t5=True,
        variant="",
        name="small",
    )
    renderer = Renderer(Loaded(checkpoint, Choice("cpu", "float32", "for a test"), pipeline))
    assert torch.equal(renderer.latents(POSTER), Renderer(pipeline, t5_tokens=T5_TOKENS).latents(POSTER))
    with pytest.raises(CannotDraw, match="64x64"):
        renderer.latents(replace(POSTER, width=96))
