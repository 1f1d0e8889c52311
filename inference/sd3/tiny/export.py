"""The trained averages as a checkpoint in diffusers' SD3 layout, and training again from such a folder."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, StableDiffusion3Pipeline
from diffusers.utils import logging as diffusers_logging
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from inference.sd3.tiny import store
from inference.sd3.tiny.drawing import SIDE
from inference.sd3.tiny.flow import SHIFT
from inference.sd3.tiny.grammar import LANGUAGE
from inference.sd3.tiny.latents import LinearLatents
from inference.sd3.tiny.spelling import T5_TOKENS
from inference.sd3.tiny.store import Run
from inference.sd3.tiny.tasks import Sizes
from inference.sd3.tiny.transformer import tiny_transformer

RECIPE: Final = "recipe.json"
_ABOUT: Final = "glyphstream.json"
_LATENTS: Final = "latents.safetensors"


def export(run: Run, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Writes what `StableDiffusion3Pipeline.from_pretrained(folder)` loads, weights in `dtype`.

    Beside it lie `glyphstream.json` (how to ask it), `recipe.json` (seed, steps, CPU seconds) and the map of
    the latents, which only training needs. The same state gives the same bytes.
    """
    with _no_bars():
        pipeline(run, dtype).save_pretrained(folder, safe_serialization=True)
    (folder / _ABOUT).write_text(json.dumps(_about(), indent=1) + "\n")
    steps = {task.name: {"step": task.learner.step, "seen": task.seen} for task in run.tasks}
    recipe = {"seed": run.seed, "tasks": steps, "cpu_seconds": {k: round(v) for k, v in run.spent.items()}}
    (folder / RECIPE).write_text(json.dumps(recipe, indent=1) + "\n")
    save_file(run.latents.state(), folder / _LATENTS)


def pipeline(run: Run, dtype: torch.dtype) -> StableDiffusion3Pipeline:
    """The averaged weights as diffusers' own pipeline. Ask it for `max_sequence_length=T5_TOKENS`."""
    with run.flow.learner.averaged(), run.decoder.learner.averaged():
        transformer = tiny_transformer()
        transformer.load_state_dict(run.flow.transformer.state_dict())
        return StableDiffusion3Pipeline(
            transformer=_copy(transformer, dtype),
            scheduler=FlowMatchEulerDiscreteScheduler(shift=SHIFT),
            vae=_copy(run.decoder.vae, dtype),
            text_encoder=_copy(run.encoders.clip_1, dtype),
            tokenizer=_unused(run.encoders.clip_tokenizer),
            text_encoder_2=_copy(run.encoders.clip_2, dtype),
            tokenizer_2=_unused(run.encoders.clip_tokenizer),
            text_encoder_3=_copy(run.encoders.t5, dtype),
            tokenizer_3=_unused(run.encoders.t5_tokenizer),
        )


def start_from(folder: Path, sizes: Sizes | None = None) -> Run:
    """A run that goes on from exported weights: optimizers are cold, steps and what was seen are counted on.

    Raises:
        FileNotFoundError: `folder` was not written by `export`.
    """
    recipe: dict[str, Any] = json.loads((folder / RECIPE).read_text())
    run = store.begin(recipe["seed"], sizes, LinearLatents(**load_file(folder / _LATENTS)))
    with _no_bars():
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


def _about() -> dict[str, Any]:
    """What the engine must know of this checkpoint before it loads it."""
    return {
        "format": 1,
        "name": "glyphstream/tiny-sd3.5",
        "language": LANGUAGE,
        "sizes": [f"{SIDE}x{SIDE}"],
        "t5_tokens": T5_TOKENS,
        "steps": 28,
        "guidance": 3.0,
    }


def _copy(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    # Not by its own `to`: diffusers' warns of layers to keep in fp32, of which there are none.
    return nn.Module.to(copy.deepcopy(module), dtype).eval()


def _unused(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """A copy without the padding and cutting of its last call, which would be written down with it."""
    fresh: PreTrainedTokenizerFast = copy.deepcopy(tokenizer)
    fresh.backend_tokenizer.no_padding()
    fresh.backend_tokenizer.no_truncation()
    return fresh


@contextlib.contextmanager
def _no_bars() -> Iterator[None]:
    """Within, the libraries draw no bar for every little file they read or write."""
    # Their functions carry no types.
    bars: list[Any] = [each for each in (diffusers_logging, transformers_logging) if _draws(each)]
    for each in bars:
        each.disable_progress_bar()
    try:
        yield
    finally:
        for each in bars:
            each.enable_progress_bar()


def _draws(logging: Any) -> bool:
    return bool(logging.is_progress_bar_enabled())
