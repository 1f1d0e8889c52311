"""What a module's name in a LoRA file can mean.

diffusers and peft name modules as they are; kohya's trainer and others name them as the published single-file
checkpoint does, where query, key and value are one matrix.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from inference.sd3.layout import Part

_PREFIX_PEFT: Final = "base_model.model."
_PARTS: Final = ("transformer", "text_encoder", "text_encoder_2")
_KOHYA_ENCODERS: Final = {"lora_te1_": "text_encoder", "lora_te2_": "text_encoder_2"}
_SINGLE_FILE: Final = re.compile(r"^(?:lora_unet_|diffusion_model_)?(?:joint_blocks_(\d+)_)?(\w+)$")
_IN_BLOCK: Final = {
    "x_block_attn_qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "x_block_attn_proj": ("attn.to_out.0",),
    "x_block_attn2_qkv": ("attn2.to_q", "attn2.to_k", "attn2.to_v"),
    "x_block_attn2_proj": ("attn2.to_out.0",),
    "x_block_mlp_fc1": ("ff.net.0.proj",),
    "x_block_mlp_fc2": ("ff.net.2",),
    "x_block_adaLN_modulation_1": ("norm1.linear",),
    "context_block_attn_qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "context_block_attn_proj": ("attn.to_add_out",),
    "context_block_mlp_fc1": ("ff_context.net.0.proj",),
    "context_block_mlp_fc2": ("ff_context.net.2",),
    "context_block_adaLN_modulation_1": ("norm1_context.linear",),
}
_OUTSIDE: Final = {
    "x_embedder_proj": ("pos_embed.proj",),
    "context_embedder": ("context_embedder",),
    "t_embedder_mlp_0": ("time_text_embed.timestep_embedder.linear_1",),
    "t_embedder_mlp_2": ("time_text_embed.timestep_embedder.linear_2",),
    "y_embedder_mlp_0": ("time_text_embed.text_embedder.linear_1",),
    "y_embedder_mlp_2": ("time_text_embed.text_embedder.linear_2",),
    "final_layer_linear": ("proj_out",),
    "final_layer_adaLN_modulation_1": ("norm_out.linear",),
}


@dataclass(frozen=True, slots=True)
class Meaning:
    """The modules that a name stands for, by equal shares of rows.

    `rolled`: of its rows the second half comes first in diffusers, which keeps scale before shift there.
    """

    part: str
    modules: tuple[str, ...]
    rolled: bool = False


def meaning(name: str, parts: Mapping[str, Part]) -> Meaning | None:
    """The first reading of the name under which the checkpoint has all its weights, or None."""
    return next((each for each in _readings(name, parts) if _present(each, parts)), None)


def _present(each: Meaning, parts: Mapping[str, Part]) -> bool:
    return each.part in parts and all(f"{name}.weight" in parts[each.part].shapes for name in each.modules)


def _readings(name: str, parts: Mapping[str, Part]) -> Iterator[Meaning]:
    bare = name.removeprefix(_PREFIX_PEFT)
    for part in _PARTS:
        if bare.startswith(f"{part}."):
            yield Meaning(part, (bare.removeprefix(f"{part}."),))
    yield Meaning("transformer", (bare,))
    for prefix, part in _KOHYA_ENCODERS.items():
        if bare.startswith(prefix) and part in parts:
            # An underscore there is a dot or an underscore: only the checkpoint's own names can tell.
            wanted = f"{bare.removeprefix(prefix)}_weight"
            same = (weight for weight in parts[part].shapes if weight.replace(".", "_") == wanted)
            yield from (Meaning(part, (weight.removesuffix(".weight"),)) for weight in same)
    yield from _single_file(bare, parts)


def _single_file(name: str, parts: Mapping[str, Part]) -> Iterator[Meaning]:
    found = _SINGLE_FILE.match(name.replace(".", "_"))
    if found is None:
        return
    block, rest = found.groups()
    modules: tuple[str, ...]
    if block is None:
        modules = _OUTSIDE.get(rest, ())
        rolled = modules == ("norm_out.linear",)
    else:
        modules = tuple(f"transformer_blocks.{block}.{each}" for each in _IN_BLOCK.get(rest, ()))
        rolled = rest == "context_block_adaLN_modulation_1" and _has_two_rows(f"{modules[0]}.weight", parts)
    if modules:
        yield Meaning("transformer", modules, rolled)


def _has_two_rows(weight: str, parts: Mapping[str, Part]) -> bool:
    """Whether it makes scale and shift only, as in the last block, and not six."""
    shape = parts["transformer"].shapes.get(weight, ())
    return len(shape) == 2 and shape[0] == 2 * shape[1]
