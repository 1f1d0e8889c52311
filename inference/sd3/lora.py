"""What a LoRA file changes, found from names and shapes alone: weight += scale * up @ down (Hu et al. 2021).

diffusers drops what it does not know of a LoRA with at most a warning: a file with kohya's names, or one that
peft saved, changes nothing, and nobody is told. Here every tensor of the file is used or the file is refused,
and every change fits the weight it is meant for.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from inference.sd3.base import CheckpointError
from inference.sd3.headers import Header, read_header
from inference.sd3.layout import Layout, Part, read_json
from inference.sd3.lora_names import meaning

CONFIG: Final = "adapter_config.json"
_FILES: Final = ("pytorch_lora_weights.safetensors", "adapter_model.safetensors")
_METADATA: Final = "lora_adapter_metadata"
_PARTS: Final = ("transformer", "text_encoder", "text_encoder_2")
_OTHER_MODEL: Final = "it was made for another model; give the LoRA that belongs to this checkpoint"

_SUFFIX: Final = re.compile(
    r"\.(?:(?P<down>lora_A(?:\.\w+)?\.weight|lora[._]down\.weight|lora_linear_layer\.down\.weight)"
    r"|(?P<up>lora_B(?:\.\w+)?\.weight|lora[._]up\.weight|lora_linear_layer\.up\.weight)|(?P<alpha>(?:lora_)?alpha))$"
)


@dataclass(frozen=True, slots=True)
class Change:
    """To `weight` of `part` comes `scale` * (one of `shares` equal shares of `up`'s rows) @ `down`.

    `rolled`: the second half of the rows comes first.
    """

    part: str
    weight: str
    down: str
    up: str
    scale: float
    share: int = 0
    shares: int = 1
    rolled: bool = False


@dataclass(frozen=True, slots=True)
class _Scaling:
    """What a config says of alpha: the factor is alpha over rank.

    `rooted`: over the rank's root, rank-stabilised LoRA (Kalajdzievski 2023).
    """

    alpha: float | None = None
    rooted: bool = False
    alphas: Mapping[str, float] | None = None

    def factor(self, module: str, rank: int, own_alpha: float | None) -> float:
        alpha = own_alpha
        if alpha is None:
            alpha = next((a for name, a in (self.alphas or {}).items() if _meant(name, module)), self.alpha)
        if alpha is None:
            return 1.0
        return alpha / (math.sqrt(rank) if self.rooted else rank)


def weights_file(path: Path, again: str) -> Path:
    """The one file of LoRA weights: `path` itself, or the one that a folder holds.

    Raises:
        CheckpointError: there is none, there are several, or it is a pickle.
    """
    if path.is_file():
        if path.suffix != ".safetensors":
            raise CheckpointError(f"{path} is no .safetensors file; give the LoRA in that format")
        return path
    if (path / "model_index.json").exists():
        raise CheckpointError(f"{path} is a whole checkpoint, not a LoRA; give it before the +, or alone")
    for name in _FILES:
        if (path / name).exists():
            return path / name
    found = sorted(path.glob("*.safetensors"))
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(each.name for each in found)
        raise CheckpointError(f"{path} holds several LoRA files ({names}); name one, as in {found[0]}")
    pickles = sorted(each.name for pattern in ("*.bin", "*.pt") for each in path.glob(pattern))
    if pickles:
        raise CheckpointError(
            f"{path} has its weights only as {pickles[0]}: a pickle runs code when read, so it is not; "
            "give the LoRA as safetensors"
        )
    raise CheckpointError(f"{path} holds no LoRA ({_FILES[0]}); {again}")


def changes(file: Path, layout: Layout, again: str) -> tuple[Change, ...]:
    """All changes of a LoRA file to a checkpoint's weights, in the order of the weights' names.

    Raises:
        CheckpointError: the file is damaged, is of another kind (DoRA, LoHa, LoKr), names what the checkpoint
            does not have, or has other shapes: made for another model.
    """
    header = read_header(file, again)
    modules = _modules(header)
    if not modules:
        raise CheckpointError(f"{file} holds no LoRA weights; {again}")
    scalings = _scalings(header, file, again)
    found = [
        change
        for module, tensors in modules.items()
        for change in _of_module(module, tensors, header, layout, scalings, again)
    ]
    return tuple(sorted(found, key=lambda change: (change.part, change.weight)))


def _of_module(
    module: str,
    tensors: Mapping[str, str],
    header: Header,
    layout: Layout,
    scalings: Mapping[str, _Scaling],
    again: str,
) -> Iterator[Change]:
    if not {"down", "up"} <= tensors.keys():
        lacking = "up (lora_B)" if "down" in tensors else "down (lora_A)"
        raise CheckpointError(f"{header.path}: {module} has no {lacking} matrix; {again}")
    meant = meaning(module, layout.parts)
    if meant is None:
        raise CheckpointError(
            f"{header.path} changes {module}, which {layout.folder} does not have: {_OTHER_MODEL}"
        )
    down, up = tensors["down"], tensors["up"]
    weights = [f"{name}.weight" for name in meant.modules]
    for weight in weights:
        _check_shapes(header, down, up, layout.parts[meant.part], weight, len(weights))
    alpha = header.scalar(tensors["alpha"]) if "alpha" in tensors else None
    scale = scalings[meant.part].factor(module, header.shapes[down][0], alpha)
    for share, weight in enumerate(weights):
        yield Change(meant.part, weight, down, up, scale, share, len(weights), meant.rolled)


def _modules(header: Header) -> dict[str, dict[str, str]]:
    """Per changed module the names of its tensors: down, up, alpha."""
    modules: dict[str, dict[str, str]] = {}
    for tensor in header.shapes:
        found = _SUFFIX.search(tensor)
        if found is None or found.lastgroup is None:
            raise CheckpointError(
                f"{header.path}: {tensor} is not of a plain LoRA{_kind(tensor)}; "
                "give a LoRA of down and up matrices (lora_A, lora_B), or merge it into a checkpoint"
            )
        modules.setdefault(tensor[: found.start()], {})[found.lastgroup] = tensor
    return modules


def _kind(tensor: str) -> str:
    signs = {"dora": "DoRA", "magnitude": "DoRA", "hada_": "LoHa", "lokr_": "LoKr", "bias": "one with biases"}
    return next((f" but of {kind}" for sign, kind in signs.items() if sign in tensor), "")


def _check_shapes(header: Header, down: str, up: str, part: Part, weight: str, shares: int) -> None:
    low, high, whole = header.shapes[down], header.shapes[up], part.shapes[weight]
    # A convolution's have more axes: its down matrix reads patches, its up matrix single points.
    fits = len(low) >= 2 and low[0] > 0 and math.prod(low[1:]) == math.prod(whole[1:])
    if fits and high == (whole[0] * shares, low[0], *high[2:]) and math.prod(high[2:]) == 1:
        return
    raise CheckpointError(
        f"{header.path}: {up} {list(high)} and {down} {list(low)} do not make a change for {part.name}'s "
        f"{weight} {list(whole)}: {_OTHER_MODEL}"
    )


def _scalings(header: Header, file: Path, again: str) -> dict[str, _Scaling]:
    """By part: from peft's file beside the weights, or from what diffusers writes into their header."""
    config = file.parent / CONFIG
    if config.exists():
        scaling = _scaling(read_json(config, again), config)
        return dict.fromkeys(_PARTS, scaling)
    noted_inside = _METADATA in header.metadata or any(name.endswith("alpha") for name in header.shapes)
    if file.name == _FILES[1] and not noted_inside:
        raise CheckpointError(
            f"{config} is missing, which says how much {file.name} changes; put it there too"
        )
    try:
        noted = json.loads(header.metadata.get(_METADATA, "{}"))
        own = {part: _under(part, noted) for part in _PARTS}
    except (ValueError, AttributeError):
        raise CheckpointError(f"{file}: its {_METADATA} is damaged; {again}") from None
    return {part: _scaling(config, file) for part, config in own.items()}


def _under(part: str, noted: Mapping[str, Any]) -> dict[str, Any]:
    prefix = f"{part}."
    return {key.removeprefix(prefix): value for key, value in noted.items() if key.startswith(prefix)}


def _scaling(config: Mapping[str, Any], file: Path) -> _Scaling:
    kind = "DORA" if config.get("use_dora") else config.get("peft_type", "LORA")
    if kind != "LORA":
        raise CheckpointError(f"{file}: it is of {kind}, and only plain LORA is known; merge it first")
    if config.get("modules_to_save"):
        raise CheckpointError(f"{file}: modules_to_save is set, but modules are not replaced; merge it first")
    alpha, alphas = config.get("lora_alpha"), config.get("alpha_pattern") or {}
    if not isinstance(alphas, dict):
        raise CheckpointError(f"{file}: alpha_pattern must be an object of numbers, and is {alphas!r}")
    given = [*alphas.values(), *([] if alpha is None else [alpha])]
    if not all(isinstance(each, int | float) for each in given):
        raise CheckpointError(f"{file}: lora_alpha and alpha_pattern must be numbers, and are {given}")
    return _Scaling(alpha, bool(config.get("use_rslora")), alphas)


def _meant(pattern: str, module: str) -> bool:
    """Whether peft takes an alpha's pattern for this module: it is the name's end, or matches it."""
    return re.match(rf"(.*\.)?({pattern})$", module) is not None
