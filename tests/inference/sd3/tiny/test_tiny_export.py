"""The exported folder is an SD3 checkpoint: diffusers loads it and draws what training's sampler does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusion3Pipeline
from safetensors import safe_open
from torch import Tensor

from inference.sd3.tiny import latents, store
from inference.sd3.tiny.attention import PlainJointAttention
from inference.sd3.tiny.export import export, pipeline, start_from
from inference.sd3.tiny.flow import sample
from inference.sd3.tiny.grammar import LANGUAGE
from inference.sd3.tiny.spelling import T5_TOKENS
from inference.sd3.tiny.store import Run
from inference.sd3.tiny.tasks import Sizes
from inference.sd3.tiny.transformer import tiny_transformer

torch.set_num_threads(1)
PROMPT = 'a red circle on deep blue, bold title "ORBIT 9"'


@pytest.fixture(scope="module")
def run() -> Run:
    """Every weight of the transformer drawn by lot, so that nothing is hidden by the zeros it starts with."""
    run = store.begin(5, Sizes(), latents.fit(0, posters=8))
    with torch.no_grad():
        for weight in run.flow.transformer.parameters():
            weight.normal_(std=0.05) if weight.ndim > 1 else weight.normal_(1.0, 0.1)
    for task in run.tasks:
        task.learner.restart_at(3)
    return run


@pytest.fixture(scope="module")
def folder(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("tiny") / "checkpoint"
    export(run, target)
    return target


@torch.no_grad()
def test_plain_attention_is_diffusers_attention() -> None:
    torch.manual_seed(0)
    transformer = tiny_transformer()
    for weight in transformer.parameters():
        weight.normal_(std=0.05) if weight.ndim > 1 else weight.normal_(1.0, 0.1)
    given = {
        "hidden_states": torch.randn(2, 16, 8, 8),
        "encoder_hidden_states": torch.randn(2, 20, 128),
        "pooled_projections": torch.randn(2, 128),
        "timestep": torch.tensor([100.0, 900.0]),
    }
    theirs = transformer(**given).sample
    transformer.set_attn_processor(PlainJointAttention())
    assert torch.allclose(transformer(**given).sample, theirs, atol=1e-4 * float(theirs.std()))


def test_the_folder_says_how_the_model_is_asked(folder: Path) -> None:
    about = json.loads((folder / "glyphstream.json").read_text())
    assert about == {
        "format": 1,
        "name": "glyphstream/tiny-sd3.5",
        "language": LANGUAGE,
        "sizes": ["256x256"],
        "t5_tokens": 36,
        "steps": 28,
        "guidance": 3.0,
    }


def test_the_same_state_gives_the_same_bytes(run: Run, tmp_path: Path) -> None:
    store.save(run, tmp_path / "state")
    for name in ("once", "again"):
        resumed = store.resume(tmp_path / "state")
        if name == "again":
            # A tokenizer remembers how it was last called; what it writes of itself must not.
            resumed.encoders.tokens([PROMPT])
        export(resumed, tmp_path / name)
    once, again = (_bytes_by_file(tmp_path / name) for name in ("once", "again"))
    assert once.keys() == again.keys()
    assert [name for name in once if once[name] != again[name]] == []


def _bytes_by_file(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def test_nothing_in_the_folder_tells_where_it_was_made(folder: Path) -> None:
    made_at = str(folder.parent).encode()
    assert [name for name, content in _bytes_by_file(folder).items() if made_at in content] == []
    for file in folder.rglob("*.safetensors"):
        with safe_open(file, "pt") as opened:
            assert opened.metadata() in (None, {"format": "pt"})


def test_the_folder_has_sd3s_layout_and_fits_the_budget(folder: Path) -> None:
    parts = {"transformer", "vae", "scheduler", "text_encoder", "text_encoder_2", "text_encoder_3"}
    parts |= {"tokenizer", "tokenizer_2", "tokenizer_3"}
    assert {each.name for each in folder.iterdir() if each.is_dir()} == parts
    assert (folder / "model_index.json").is_file()
    assert sum(each.stat().st_size for each in folder.rglob("*") if each.is_file()) < 24_000_000


@torch.no_grad()
def test_diffusers_pipeline_draws_what_training_looks_at(run: Run, folder: Path) -> None:
    theirs = _drawn_by(pipeline(run, torch.float32))
    ours = sample(
        run.flow.transformer, run.encoders, [PROMPT], steps=2, guidance=3.0, seed=4, side=8, exact=True
    )
    assert _relative_rms(ours, theirs) < 1e-4
    assert _relative_rms(ours[:, :, :, :4], theirs[:, :, :, 4:]) > 0.5
    loaded = StableDiffusion3Pipeline.from_pretrained(folder, dtype=torch.float32)
    assert _relative_rms(_drawn_by(loaded), theirs) < 0.01


def _drawn_by(pipe: StableDiffusion3Pipeline) -> Tensor:
    pipe.set_progress_bar_config(disable=True)
    latents: Tensor = pipe(
        PROMPT,
        num_inference_steps=2,
        guidance_scale=3.0,
        height=64,
        width=64,
        max_sequence_length=T5_TOKENS,
        generator=torch.Generator().manual_seed(4),
        output_type="latent",
    ).images
    return latents


def _relative_rms(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).square().mean().sqrt() / wanted.std())


def test_training_goes_on_from_an_exported_folder(run: Run, folder: Path) -> None:
    again = start_from(folder, Sizes(primer=2, bands=2, wholes=1, crops=1))
    assert [task.learner.step for task in again.tasks] == [3, 3, 3]
    for ours, theirs in zip(again.encoders.parameters(), run.encoders.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=2e-3)
    before = [weight.detach().clone() for weight in again.flow.transformer.parameters()]
    again.flow.advance()
    changed = [
        float((now.detach() - then).abs().max())
        for now, then in zip(again.flow.transformer.parameters(), before, strict=True)
    ]
    # A first step after a restart is a small one: a hundredth of the peak rate.
    assert 0 < max(changed) < 1e-3


def test_a_folder_that_was_not_exported_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="recipe"):
        start_from(tmp_path)
