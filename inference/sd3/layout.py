"""diffusers' folder layout of a Stable Diffusion 3 checkpoint: what must lie where, checked without torch.

A folder that passes is one whose parts are of SD3's classes and whose weights are all there, whole, and in
safetensors. Headers are read, tensors are not: 16 GB take milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from inference.sd3.base import CheckpointError
from inference.sd3.headers import Shape, read_header

INDEX: Final = "model_index.json"
PIPELINE: Final = "StableDiffusion3Pipeline"
# Plain files first; the others stand in where a part has no plain ones.
VARIANTS: Final = ("", "fp16", "bf16")

_MODELS: Final = {
    "transformer": ("SD3Transformer2DModel",),
    "vae": ("AutoencoderKL",),
    "text_encoder": ("CLIPTextModelWithProjection",),
    "text_encoder_2": ("CLIPTextModelWithProjection",),
    "text_encoder_3": ("T5EncoderModel",),
}
_TOKENIZERS: Final = {
    "tokenizer": ("CLIPTokenizer", "CLIPTokenizerFast"),
    "tokenizer_2": ("CLIPTokenizer", "CLIPTokenizerFast"),
    "tokenizer_3": ("T5Tokenizer", "T5TokenizerFast"),
}
_SCHEDULERS: Final = {"scheduler": ("FlowMatchEulerDiscreteScheduler",)}
_T5: Final = ("text_encoder_3", "tokenizer_3")
_OF_DIFFUSERS: Final = ("transformer", "vae", "scheduler")
_VOCABULARIES: Final = {
    "CLIP": (("tokenizer.json",), ("vocab.json", "merges.txt")),
    "T5": (("tokenizer.json",), ("spiece.model",)),
}
_PICKLES: Final = ("*.bin", "*.ckpt", "*.pt", "*.pth")
_OTHERS: Final = {
    "StableDiffusionPipeline": "Stable Diffusion 1 or 2",
    "StableDiffusionXLPipeline": "Stable Diffusion XL",
    "FluxPipeline": "FLUX.1",
    "PixArtSigmaPipeline": "PixArt-Sigma",
    "SanaPipeline": "Sana",
}


@dataclass(frozen=True, slots=True)
class Part:
    """A network of the checkpoint: which files its weights are in, and their shapes by name."""

    name: str
    variant: str
    weights: tuple[Path, ...]
    shapes: Mapping[str, Shape]


@dataclass(frozen=True, slots=True)
class Layout:
    """What a folder holds. `files` are all that loading reads, weights included, in a fixed order."""

    folder: Path
    parts: Mapping[str, Part]
    files: tuple[Path, ...]

    @property
    def has_t5(self) -> bool:
        return "text_encoder_3" in self.parts

    @property
    def variant(self) -> str:
        """The first part's variant that is not the plain files, or ""."""
        return next((part.variant for part in self.parts.values() if part.variant), "")


def examine(folder: Path, again: str) -> Layout:
    """Checks that `folder` is a Stable Diffusion 3 checkpoint that diffusers will load whole.

    Without T5 is when `model_index.json` has none, or its folder is not there. `again` says how to get the
    checkpoint again, as the end of an error's text.

    Raises:
        CheckpointError: the file, what is wrong with it, and what to do.
    """
    index = _index(folder, again)
    without = set(_T5) if not _wants_t5(folder, index) else set()
    files = [folder / INDEX]
    parts = {}
    for name, classes in {**_SCHEDULERS, **_TOKENIZERS, **_MODELS}.items():
        if name in without:
            continue
        _check_class(folder, name, index.get(name), classes)
        if not (folder / name).is_dir():
            raise CheckpointError(f"{folder / name} is missing; {again}")
        if name in _MODELS:
            parts[name] = _part(folder / name, classes[0], again)
            files += [folder / name / "config.json", *parts[name].weights]
        elif name in _TOKENIZERS:
            files += _tokenizer(folder / name, classes[0][: -len("Tokenizer")], again)
        else:
            files.append(folder / name / "scheduler_config.json")
            read_json(files[-1], again)
    return Layout(folder, parts, tuple(sorted(files)))


def read_json(path: Path, again: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        CheckpointError: the file is missing, damaged, or holds something else.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing; {again}") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}; {again}") from None
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON: {error}; {again}") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} must hold a JSON object, and holds {type(content).__name__}; {again}")
    return content


def _index(folder: Path, again: str) -> dict[str, Any]:
    if not (folder / INDEX).is_file():
        raise CheckpointError(_no_index(folder, again))
    index = read_json(folder / INDEX, again)
    name = index.get("_class_name")
    if name != PIPELINE:
        # A pipeline of the repository's own code has a list there.
        known = f" ({_OTHERS[name]})" if isinstance(name, str) and name in _OTHERS else ""
        raise CheckpointError(
            f"{folder / INDEX}: _class_name is {name!r}{known}, and only {PIPELINE!r} can be loaded; "
            "give a checkpoint of Stable Diffusion 3 or 3.5"
        )
    return index


def _no_index(folder: Path, again: str) -> str:
    if not any(folder.iterdir()):
        return f"{folder} is empty; {again}"
    if (folder / "adapter_config.json").exists() or (folder / "pytorch_lora_weights.safetensors").exists():
        return f"{folder} is a LoRA, which needs a checkpoint under it; write BASE+{folder}"
    if (folder / "config.json").exists():
        return f"{folder} is one part of a checkpoint, without {INDEX}; give the folder that holds all parts"
    if singles := sorted(folder.glob("*.safetensors")):
        return f"{folder} has no {INDEX}: {single_file(singles[0])}"
    return f"{folder / INDEX} is missing, so this is no checkpoint in diffusers' layout; {again}"


def single_file(path: Path) -> str:
    """Why a checkpoint in one file is refused, and how it becomes a folder."""
    return (
        f"{path} is a checkpoint in a single file, which carries neither tokenizers nor configurations; give "
        f"the folder in diffusers' layout, or make one where the hub can be reached: "
        f"StableDiffusion3Pipeline.from_single_file({str(path)!r}).save_pretrained(FOLDER)"
    )


def _wants_t5(folder: Path, index: Mapping[str, Any]) -> bool:
    absent = index.get("text_encoder_3") in (None, [], [None, None])
    return not absent and (folder / "text_encoder_3").is_dir()


def _check_class(folder: Path, name: str, entry: object, classes: tuple[str, ...]) -> None:
    wanted = " or ".join(repr(each) for each in classes)
    if not isinstance(entry, list) or len(entry) != 2 or entry[1] is None:
        raise CheckpointError(
            f"{folder / INDEX}: {name} is {json.dumps(entry)}; Stable Diffusion 3 needs it, of class {wanted}"
        )
    if entry[1] not in classes:
        raise CheckpointError(
            f"{folder / INDEX}: {name} is of class {entry[1]!r}; Stable Diffusion 3 has {wanted} there: "
            "give a checkpoint whose parts are the published ones"
        )
    library = "diffusers" if name in _OF_DIFFUSERS else "transformers"
    # Some versions of diffusers run a file of the checkpoint's that bears the library's name.
    if entry[0] != library:
        raise CheckpointError(
            f"{folder / INDEX}: {name} is of {entry[0]!r}, and only classes of {library!r} are loaded there; "
            "give a checkpoint whose parts are the published ones"
        )


def _part(folder: Path, class_name: str, again: str) -> Part:
    config = read_json(folder / "config.json", again)
    given = config.get("_class_name", class_name)
    if given != class_name:
        raise CheckpointError(
            f"{folder / 'config.json'}: _class_name is {given!r}, not {class_name!r}; {again}"
        )
    if "quantization_config" in config:
        raise CheckpointError(
            f"{folder / 'config.json'}: the weights are quantized, which is not supported; "
            "give the checkpoint with its weights in float32, float16 or bfloat16"
        )
    if (folder / "adapter_config.json").exists():
        # transformers would load the weights of the model that it names, wherever that is.
        raise CheckpointError(
            f"{folder / 'adapter_config.json'}: an adapter lies within the checkpoint, and is not loaded; "
            "merge it, or move it out and give it after a +"
        )
    of_diffusers = folder.name in _OF_DIFFUSERS
    stem = "diffusion_pytorch_model" if of_diffusers else "model"
    for variant in VARIANTS:
        dotted = f".{variant}" if variant else ""
        whole = folder / f"{stem}{dotted}.safetensors"
        shards = folder / f"{stem}.safetensors.index{dotted}.json"
        # Where both are there, diffusers' networks take the shards and transformers' the whole.
        if shards.exists() and (of_diffusers or not whole.exists()):
            return Part(folder.name, variant, *_sharded(shards, again))
        if whole.exists() or whole.is_symlink():
            return Part(folder.name, variant, (whole,), read_header(whole, again).shapes)
    raise CheckpointError(_no_weights(folder, stem, again))


def _sharded(index: Path, again: str) -> tuple[tuple[Path, ...], dict[str, Shape]]:
    where = read_json(index, again).get("weight_map")
    if not isinstance(where, dict) or not where or not all(isinstance(each, str) for each in where.values()):
        raise CheckpointError(f"{index}: weight_map must name a file for every tensor; {again}")
    names = sorted(set(where.values()))
    if strange := [name for name in names if Path(name).name != name]:
        raise CheckpointError(
            f"{index}: weight_map names {strange[0]!r}, which is not in its folder; {again}"
        )
    shards = {name: read_header(index.parent / name, again).shapes for name in names}
    for tensor, name in where.items():
        if tensor not in shards[name]:
            raise CheckpointError(f"{index} says that {tensor} is in {name}, where it is not; {again}")
    shapes = {tensor: shards[name][tensor] for tensor, name in where.items()}
    return (index, *(index.parent / name for name in names)), shapes


def _no_weights(folder: Path, stem: str, again: str) -> str:
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        return (
            f"{folder} has its weights only as {pickles[0]}: a pickle runs code when read, so it is not; "
            "give the safetensors files, or write them on a machine you trust with "
            "save_pretrained(FOLDER, safe_serialization=True)"
        )
    if folder.name in _T5:
        again += f"; or delete {folder} to do without T5"
    if others := sorted(path.name for path in folder.glob("*.safetensors*")):
        return f"{folder} has no {stem}.safetensors, but {', '.join(others[:3])}; {again}"
    return f"{folder / stem}.safetensors is missing; {again}"


def _tokenizer(folder: Path, kind: str, again: str) -> list[Path]:
    if not any(all((folder / name).is_file() for name in names) for names in _VOCABULARIES[kind]):
        wanted = " or ".join(" with ".join(names) for names in _VOCABULARIES[kind])
        raise CheckpointError(f"{folder} has no vocabulary ({wanted}); {again}")
    for path in folder.glob("*.json"):
        read_json(path, again)
    return [
        path for path in folder.iterdir() if path.is_file() and path.suffix in (".json", ".txt", ".model")
    ]
