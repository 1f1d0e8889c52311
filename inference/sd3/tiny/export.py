"""The trained averages as a checkpoint in diffusers' SD3 layout, and training again from such a folder."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, StableDiffusion3Pipeline
from safetensors.torch import load_file, save_file
from torch import nn

from inference.sd3.tiny import store
from inference.sd3.tiny.flow import SHIFT
from inference.sd3.tiny.latents import LinearLatents
from inference.sd3.tiny.store import Run
from inference.sd3.tiny.tasks import Sizes
from inference.sd3.tiny.transformer import tiny_transformer

_RECIPE: Final = "recipe.json"
_LATENTS: Final = "latents.safetensors"


def export(run: Run, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Writes what `StableDiffusion3Pipeline.from_pretrained(folder)` loads, weights in `dtype`.

    Beside it lie `recipe.json` (seed, steps, CPU seconds) and the latents' map, which only training needs.
    """
    pipeline(run, dtype).save_pretrained(folder, safe_serialization=True)
    steps = {task.name: {"step": task.learner.step, "seen": task.seen} for task in run.tasks}
    recipe = {"seed": run.seed, "tasks": steps, "cpu_seconds": {k: round(v) for k, v in run.spent.items()}}
    (folder / _RECIPE).write_text(json.dumps(recipe, indent=1) + "\n")
    save_file(run.latents.state(), folder / _LATENTS)


def pipeline(run: Run, dtype: torch.dtype) -> StableDiffusion3Pipeline:
    """The averaged weights as diffusers' own pipeline. Ask it for `max_sequence_length=T5_TOKENS`."""
    with run.flow.learner.averaged(), run.decoder.learner.averaged():
        transformer = tiny_transformer()
        transformer.load_state_dict(run.flow.transformer.state_dict())
        return StableDiffusion3Pipeline(
            transformer=transformer.to(dtype).eval(),
            scheduler=FlowMatchEulerDiscreteScheduler(shift=SHIFT),
            vae=_copy(run.decoder.vae, dtype),
            text_encoder=_copy(run.encoders.clip_1, dtype),
            tokenizer=run.encoders.clip_tokenizer,
            text_encoder_2=_copy(run.encoders.clip_2, dtype),
            tokenizer_2=run.encoders.clip_tokenizer,
            text_encoder_3=_copy(run.encoders.t5, dtype),
            tokenizer_3=run.encoders.t5_tokenizer,
        )


def start_from(folder: Path, sizes: Sizes | None = None) -> Run:
    """A run that goes on from exported weights: optimizers are cold, steps and what was seen are counted on.

    Raises:
        FileNotFoundError: `folder` was not written by `export`.
    """
    recipe: dict[str, Any] = json.loads((folder / _RECIPE).read_text())
    run = store.begin(recipe["seed"], sizes, LinearLatents(**load_file(folder / _LATENTS)))
    loaded = StableDiffusion3Pipeline.from_pretrained(folder, dtype=torch.float32)
    run.flow.transformer.load_state_dict(loaded.transformer.state_dict())
    run.encoders.clip_1.load_state_dict(loaded.text_encoder.state_dict())
    run.encoders.clip_2.load_state_dict(loaded.text_encoder_2.state_dict())
    run.encoders.t5.load_state_dict(loaded.text_encoder_3.state_dict())
    run.decoder.vae.decoder.load_state_dict(loaded.vae.decoder.state_dict())
    for task in run.tasks:
        task.learner.restart_at(recipe["tasks"][task.name]["step"])
        task.seen = recipe["tasks"][task.name]["seen"]
    run.spent = {name: float(seconds) for name, seconds in recipe["cpu_seconds"].items()}
    return run


def _copy(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    return copy.deepcopy(module).to(dtype).eval()
