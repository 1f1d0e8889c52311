"""A checkpoint as diffusers' pipeline, on its device and in its dtype; for the model's own process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import diffusers
import torch
import transformers
from diffusers import AutoencoderKL, SD3Transformer2DModel, StableDiffusion3Pipeline
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers import CLIPTextModelWithProjection, T5EncoderModel

from inference.sd3.base import CheckpointError, OutOfMemory
from inference.sd3.checkpoint import Checkpoint, files_of
from inference.sd3.device import Choice
from inference.sd3.digest import stamp
from inference.sd3.layout import Part, examine, read_json
from inference.sd3.lora import Change, changes
from inference.sd3.memory import is_full

_CLASSES: Final[dict[str, Any]] = {
    "transformer": SD3Transformer2DModel,
    "vae": AutoencoderKL,
    "text_encoder": CLIPTextModelWithProjection,
    "text_encoder_2": CLIPTextModelWithProjection,
    "text_encoder_3": T5EncoderModel,
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model ready to draw: LoRA in its weights, no gradients, everything on `choice.device`.

    All parts are in `choice.dtype` but perhaps the VAE: see `vae_dtype`.
    """

    checkpoint: Checkpoint
    choice: Choice
    pipeline: StableDiffusion3Pipeline


def load(checkpoint: Checkpoint, choice: Choice) -> Loaded:
    """Loads all parts with diffusers and transformers, and adds the LoRA to the weights.

    Raises:
        CheckpointError: the files do not hold what their configurations announce, or changed since `find`.
        OutOfMemory: the device has no room for it.
    """
    layout = examine(checkpoint.folder, checkpoint.again)
    planned: tuple[Change, ...] = ()
    if checkpoint.lora_file is not None:
        planned = changes(checkpoint.lora_file, layout, checkpoint.again)
    if checkpoint.stamp and stamp(files_of(layout, checkpoint.lora_file)) != checkpoint.stamp:
        raise CheckpointError(
            f"{checkpoint.folder}: its files are not those that were found as {checkpoint.model}, and its "
            "pictures would be kept under that name; start this program again"
        )
    try:
        with _quiet():
            parts = {name: _load_part(part, checkpoint, choice) for name, part in layout.parts.items()}
            pipeline = _assembled(checkpoint, parts)
            _add_lora(checkpoint, planned, parts)
    except (MemoryError, RuntimeError) as error:
        if not is_full(error):
            raise
        raise OutOfMemory(
            f"{checkpoint.model} does not fit on {choice.device} in {choice.dtype}: {_first_line(error)}; "
            "leave T5 out (delete text_encoder_3), or use a smaller checkpoint"
        ) from error
    return Loaded(checkpoint, choice, pipeline)


def vae_dtype(vae_config: Mapping[str, Any], choice: Choice) -> torch.dtype:
    """float32 where the VAE's `force_upcast` says so, or is silent; else the choice's.

    Pixels come out of this pass, one of some thirty, and bfloat16 there changes them: on posters by the tiny
    checkpoint 0.2 of 255 on average and 2 at most. diffusers' own pipeline does not look at the flag.
    """
    return torch.float32 if vae_config.get("force_upcast", True) else _torch_dtype(choice)


def _torch_dtype(choice: Choice) -> torch.dtype:
    dtype: torch.dtype = getattr(torch, choice.dtype)
    return dtype


def _load_part(part: Part, checkpoint: Checkpoint, choice: Choice) -> nn.Module:
    kind = _CLASSES[part.name]
    folder = checkpoint.folder / part.name
    dtype = _torch_dtype(choice)
    if part.name == "vae":
        dtype = vae_dtype(read_json(folder / "config.json", checkpoint.again), choice)
    try:
        module, info = kind.from_pretrained(
            folder,
            dtype=dtype,
            variant=part.variant or None,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        if is_full(error):
            raise
        raise CheckpointError(
            f"{folder} cannot be loaded: {_first_line(error)}; {checkpoint.again}"
        ) from error
    # diffusers and transformers would go on with random numbers for what is missing.
    if missing := sorted(info["missing_keys"]):
        raise CheckpointError(
            f"{folder}: config.json announces {len(missing)} tensors that the weights do not hold, as "
            f"{missing[0]}; {checkpoint.again}"
        )
    ready: nn.Module = module.requires_grad_(False).train(False).to(choice.device)
    return ready


def _assembled(checkpoint: Checkpoint, parts: dict[str, nn.Module]) -> StableDiffusion3Pipeline:
    # Without these it would load whatever the index names for them, which nobody has examined.
    absent = dict.fromkeys(("image_encoder", "feature_extractor"))
    if not checkpoint.has_t5:
        absent |= dict.fromkeys(("text_encoder_3", "tokenizer_3"))
    try:
        return StableDiffusion3Pipeline.from_pretrained(
            checkpoint.folder, local_files_only=True, **parts, **absent
        )
    except (OSError, ValueError, RuntimeError, TypeError, KeyError) as error:
        text = f"{checkpoint.folder}: tokenizers or scheduler cannot be loaded: {_first_line(error)}"
        raise CheckpointError(f"{text}; {checkpoint.again}") from error


def _add_lora(checkpoint: Checkpoint, planned: Sequence[Change], parts: dict[str, nn.Module]) -> None:
    """weight += scale * up @ down, computed in float32 and rounded once."""
    if checkpoint.lora_file is None:
        return
    with safe_open(checkpoint.lora_file, framework="pt") as file, torch.no_grad():
        for change in planned:
            weight = parts[change.part].get_parameter(change.weight)
            down, up = (
                file.get_tensor(name).to(weight.device, torch.float32) for name in (change.down, change.up)
            )
            delta = _delta(change, down, up) * (change.scale * checkpoint.source.lora_scale)
            changed = weight.float() + delta.reshape(weight.shape)
            if not changed.isfinite().all():
                raise CheckpointError(
                    f"{checkpoint.lora_file}: {change.up} makes {change.weight} infinite; give a smaller "
                    "scale, or the LoRA without its damage"
                )
            weight.copy_(changed)


def _delta(change: Change, down: Tensor, up: Tensor) -> Tensor:
    """(rows, columns) of one share of up @ down; a convolution's axes are columns."""
    rows = up.flatten(1).chunk(change.shares)[change.share]
    if change.rolled:
        rows = rows.roll(rows.shape[0] // 2, 0)
    return rows @ down.flatten(1)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without progress bars, and without warnings of what is checked here."""
    # Neither library's logging is typed.
    sides: tuple[Any, Any] = (diffusers.utils.logging, transformers.utils.logging)
    before = [each.get_verbosity() for each in sides]
    for each in sides:
        each.set_verbosity_error()
        each.disable_progress_bar()
    try:
        yield
    finally:
        for each, level in zip(sides, before, strict=True):
            each.set_verbosity(level)
            each.enable_progress_bar()


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
