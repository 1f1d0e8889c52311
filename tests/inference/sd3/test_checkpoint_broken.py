"""Every way in which a folder can be broken that we know of, each with what it says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from inference.sd3.base import CheckpointError
from tests.inference.sd3.small import Folder, find_here


def cut(path: Path, to: int) -> None:
    path.write_bytes(path.read_bytes()[:to])


def edit(path: Path, **changes: object) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **changes}))


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def as_pickle(folder: Path) -> None:
    (folder / "vae" / "diffusion_pytorch_model.safetensors").rename(
        folder / "vae" / "diffusion_pytorch_model.bin"
    )


def as_git_lfs_pointer(folder: Path) -> None:
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 493136\n"
    (folder / "transformer" / "diffusion_pytorch_model.safetensors").write_text(text)


def as_single_file(folder: Path) -> None:
    empty(folder)
    (folder / "sd3.5_medium.safetensors").write_bytes(b"")


def as_lora(folder: Path) -> None:
    empty(folder)
    (folder / "adapter_config.json").write_text("{}")


def first_shard(folder: Path) -> Path:
    return sorted((folder / "transformer").glob("*-00001-of-*.safetensors"))[0]


def with_index_of_an_absent_tensor(folder: Path) -> None:
    index = folder / "transformer" / "diffusion_pytorch_model.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"]["transformer_blocks.9.ff.weight"] = first_shard(folder).name
    index.write_text(json.dumps(content))


def with_index_that_climbs(folder: Path) -> None:
    index = folder / "transformer" / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../vae/a.safetensors"}}))


WEIGHTS = "transformer/diffusion_pytorch_model.safetensors"
BREAKAGES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "empty folder": ("plain", empty, "model is empty; copy it again"),
    "no index": (
        "plain",
        lambda at: (at / "model_index.json").unlink(),
        "model_index.json is missing, so this is no checkpoint in diffusers' layout; copy it again",
    ),
    "index cut": ("plain", lambda at: cut(at / "model_index.json", 40), "model_index.json is not JSON"),
    "index a list": (
        "plain",
        lambda at: (at / "model_index.json").write_text("[]"),
        "must hold a JSON object, and holds list",
    ),
    "another model": (
        "plain",
        lambda at: edit(at / "model_index.json", _class_name="StableDiffusionXLPipeline"),
        r"_class_name is 'StableDiffusionXLPipeline' \(Stable Diffusion XL\).* Stable Diffusion 3 or 3.5",
    ),
    "an unknown model": (
        "plain",
        lambda at: edit(at / "model_index.json", _class_name="MyPipeline"),
        "_class_name is 'MyPipeline', and only 'StableDiffusion3Pipeline'",
    ),
    "a pipeline of its own code": (
        "plain",
        lambda at: edit(at / "model_index.json", _class_name=["pipeline", "MyPipeline"]),
        r"_class_name is \['pipeline', 'MyPipeline'\], and only 'StableDiffusion3Pipeline'",
    ),
    "a scheduler of its own code": (
        "plain",
        lambda at: edit(at / "model_index.json", scheduler=["mine", "FlowMatchEulerDiscreteScheduler"]),
        "scheduler is of 'mine', and only classes of 'diffusers' are loaded there",
    ),
    "an adapter within": (
        "plain",
        lambda at: (at / "text_encoder" / "adapter_config.json").write_text("{}"),
        "text_encoder/adapter_config.json: an adapter lies within the checkpoint, and is not loaded",
    ),
    "T5 of no kind": (
        "plain",
        lambda at: edit(at / "model_index.json", text_encoder_3=5),
        "text_encoder_3 is 5; Stable Diffusion 3 needs it",
    ),
    "another transformer": (
        "plain",
        lambda at: edit(at / "model_index.json", transformer=["diffusers", "FluxTransformer2DModel"]),
        "transformer is of class 'FluxTransformer2DModel'; .*'SD3Transformer2DModel'",
    ),
    "no CLIP": (
        "plain",
        lambda at: edit(at / "model_index.json", text_encoder_2=[None, None]),
        r"text_encoder_2 is \[null, null\]; Stable Diffusion 3 needs it",
    ),
    "no VAE folder": ("plain", lambda at: shutil.rmtree(at / "vae"), "model/vae is missing; copy it again"),
    "no tokenizer for T5": (
        "plain",
        lambda at: shutil.rmtree(at / "tokenizer_3"),
        "model/tokenizer_3 is missing",
    ),
    "no vocabulary": (
        "plain",
        lambda at: (at / "tokenizer" / "tokenizer.json").unlink(),
        r"model/tokenizer has no vocabulary \(tokenizer.json or vocab.json with merges.txt\)",
    ),
    "no configuration": (
        "plain",
        lambda at: (at / "text_encoder" / "config.json").unlink(),
        "text_encoder/config.json is missing",
    ),
    "a part of another class": (
        "plain",
        lambda at: edit(at / "vae" / "config.json", _class_name="AutoencoderTiny"),
        "vae/config.json: _class_name is 'AutoencoderTiny', not 'AutoencoderKL'",
    ),
    "quantized": (
        "plain",
        lambda at: edit(at / "transformer" / "config.json", quantization_config={"quant_method": "bnb"}),
        "transformer/config.json: the weights are quantized",
    ),
    "no weights": ("plain", lambda at: (at / WEIGHTS).unlink(), f"{WEIGHTS} is missing; copy it again"),
    "T5 half there": (
        "plain",
        lambda at: (at / "text_encoder_3" / "model.safetensors").unlink(),
        "text_encoder_3/model.safetensors is missing; .*or delete .*text_encoder_3 to do without T5",
    ),
    "weights cut": (
        "plain",
        lambda at: cut(at / WEIGHTS, 300_000),
        f"{WEIGHTS} is truncated: 300,000 bytes, where its header announces 493,136; copy it again",
    ),
    "weights cut in the header": (
        "plain",
        lambda at: cut(at / WEIGHTS, 500),
        f"{WEIGHTS} is truncated: its 500 bytes end within the header",
    ),
    "weights empty": ("plain", lambda at: cut(at / WEIGHTS, 0), f"{WEIGHTS} is truncated: 0 bytes"),
    "weights too long": (
        "plain",
        lambda at: (at / WEIGHTS).write_bytes((at / WEIGHTS).read_bytes() + b"x"),
        f"{WEIGHTS} is too long: 493,137 bytes",
    ),
    "not safetensors": (
        "plain",
        lambda at: (at / WEIGHTS).write_text("<!DOCTYPE html><html>Please sign in</html>"),
        f"{WEIGHTS} is no safetensors file: it begins with b'<!DOCTYPE",
    ),
    "header damaged": (
        "plain",
        lambda at: (at / WEIGHTS).write_bytes(b"\x04\0\0\0\0\0\0\0{]]}"),
        f"{WEIGHTS}: its safetensors header is damaged",
    ),
    "Git LFS pointer": ("plain", as_git_lfs_pointer, "is a Git LFS pointer, .*run `git lfs pull`"),
    "pickle": (
        "plain",
        as_pickle,
        "only as diffusion_pytorch_model.bin: a pickle runs code when read.*safe_serialization=True",
    ),
    "shard missing": (
        "sharded",
        lambda at: first_shard(at).unlink(),
        r"diffusion_pytorch_model-00001-of-\d+.safetensors is missing; copy it again",
    ),
    "shard cut": (
        "sharded",
        lambda at: cut(first_shard(at), 5_000),
        r"-00001-of-\d+.safetensors is truncated: 5,000 bytes",
    ),
    "tensor not in its shard": (
        "sharded",
        with_index_of_an_absent_tensor,
        r"index.json says that transformer_blocks.9.ff.weight is in .*-00001-of-.*, where it is not",
    ),
    "index without map": (
        "sharded",
        lambda at: edit(at / f"{WEIGHTS}.index.json", weight_map={}),
        "index.json: weight_map must name a file for every tensor",
    ),
    "index that climbs": (
        "sharded",
        with_index_that_climbs,
        "names '../vae/a.safetensors', which is not in its folder",
    ),
    "single file": (
        "plain",
        as_single_file,
        r"sd3.5_medium.safetensors is a checkpoint in a single file.*from_single_file\(",
    ),
    "a LoRA": ("plain", as_lora, r"model is a LoRA, .*write BASE\+"),
    "card damaged": (
        "plain",
        lambda at: (at / "glyphstream.json").write_text('{"format": 1, "stpes": 4}'),
        "glyphstream.json: .*`stpes`",
    ),
    "card of tomorrow": (
        "plain",
        lambda at: (at / "glyphstream.json").write_text('{"format": 2}'),
        r"glyphstream.json: .*\$.format",
    ),
    "card with an odd size": (
        "plain",
        lambda at: (at / "glyphstream.json").write_text('{"format": 1, "sizes": ["250x256"]}'),
        r"glyphstream.json: sizes is \('250x256',\); give width and height in multiples of 16",
    ),
    "card in a language of tomorrow": (
        "plain",
        lambda at: (at / "glyphstream.json").write_text('{"format": 1, "language": "tiny-posters-2"}'),
        "glyphstream.json: language is 'tiny-posters-2'; this version speaks tiny-posters-1",
    ),
    "card with no steps": (
        "plain",
        lambda at: (at / "glyphstream.json").write_text('{"format": 1, "steps": 0}'),
        "glyphstream.json: steps is 0; give 1 to 1000",
    ),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_what_is_broken_is_named_with_its_fix(copied: Folder, tmp_path: Path, name: str) -> None:
    kind, breakage, fault = BREAKAGES[name]
    folder = copied(kind)
    breakage(folder)
    with pytest.raises(CheckpointError, match=fault):
        find_here(folder, tmp_path)
