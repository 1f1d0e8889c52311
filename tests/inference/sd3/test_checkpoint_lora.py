"""Which LoRA fits which checkpoint, decided from names and shapes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from inference.sd3.base import CheckpointError, NotHere
from inference.sd3.checkpoint import Source, find
from inference.sd3.layout import Layout, examine
from inference.sd3.lora import Change, changes
from tests.inference.sd3.small import put_in_hub_cache, save_small

QUERY = "transformer_blocks.0.attn.to_q"
PROJECTION = "text_model.encoder.layers.1.self_attn.q_proj"
WIDTH = 32


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return examine(save_small(tmp_path_factory.mktemp("lora") / "base"), "copy it again")


def pair(name: str, down: str, up: str, *, rank: int = 2, rows: int = WIDTH) -> dict[str, Tensor]:
    return {f"{name}.{down}": torch.ones(rank, WIDTH), f"{name}.{up}": torch.ones(rows, rank)}


def peft_pair(name: str, **options: Any) -> dict[str, Tensor]:
    return pair(name, "lora_A.weight", "lora_B.weight", **options)


def write(folder: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> Path:
    path = folder / "pytorch_lora_weights.safetensors"
    save_file(tensors, path, metadata=metadata)
    return path


@pytest.mark.parametrize(
    "tensors",
    [
        peft_pair(f"transformer.{QUERY}"),
        peft_pair(QUERY),
        peft_pair(f"base_model.model.{QUERY}"),
        pair(f"base_model.model.{QUERY}", "lora_A.default.weight", "lora_B.default.weight"),
        pair(f"transformer.{QUERY}", "lora.down.weight", "lora.up.weight"),
        pair(f"transformer.{QUERY}", "lora_down.weight", "lora_up.weight"),
    ],
    ids=lambda tensors: next(iter(tensors)),
)
def test_a_weight_is_known_by_all_its_names(
    tmp_path: Path, layout: Layout, tensors: dict[str, Tensor]
) -> None:
    down, up = sorted(tensors, key=lambda name: tensors[name].shape[0])
    planned = changes(write(tmp_path, tensors), layout, "copy it again")
    assert planned == (Change("transformer", f"{QUERY}.weight", down, up, 1.0),)


@pytest.mark.parametrize("prefix", ["lora_unet_joint_blocks_0_", "diffusion_model.joint_blocks.0."])
def test_one_matrix_of_query_key_and_value_changes_three(tmp_path: Path, layout: Layout, prefix: str) -> None:
    dot = prefix[-1]
    name = f"{prefix}context_block{dot}attn{dot}qkv"
    file = write(tmp_path, pair(name, "lora_down.weight", "lora_up.weight", rows=3 * WIDTH))
    planned = {change.weight: (change.share, change.shares) for change in changes(file, layout, "")}
    names = ("add_q_proj", "add_k_proj", "add_v_proj")
    assert planned == {f"transformer_blocks.0.attn.{n}.weight": (i, 3) for i, n in enumerate(names)}


@pytest.mark.parametrize(
    ("name", "part"),
    [
        (f"text_encoder.{PROJECTION}", "text_encoder"),
        (f"text_encoder_2.{PROJECTION}", "text_encoder_2"),
        (f"lora_te2_{PROJECTION.replace('.', '_')}", "text_encoder_2"),
    ],
)
def test_text_encoders_can_be_changed(tmp_path: Path, layout: Layout, name: str, part: str) -> None:
    tensors = {f"{name}.lora_down.weight": torch.ones(4, 16), f"{name}.lora_up.weight": torch.ones(16, 4)}
    (change,) = changes(write(tmp_path, tensors), layout, "")
    assert (change.part, change.weight) == (part, f"{PROJECTION}.weight")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_alpha_in_the_file_is_divided_by_the_rank(tmp_path: Path, layout: Layout, dtype: torch.dtype) -> None:
    tensors = peft_pair(f"transformer.{QUERY}", rank=8)
    tensors[f"transformer.{QUERY}.alpha"] = torch.tensor(2.0, dtype=dtype)
    (change,) = changes(write(tmp_path, tensors), layout, "")
    assert change.scale == 0.25


@pytest.mark.parametrize(
    ("config", "scale"),
    [
        ({"lora_alpha": 64, "r": 32}, 16.0),
        ({"lora_alpha": 64, "r": 32, "use_rslora": True}, 32.0),
        ({"lora_alpha": 64, "r": 32, "alpha_pattern": {"attn.to_q": 2}}, 0.5),
        ({"lora_alpha": 64, "r": 32, "alpha_pattern": {"attn.to_k": 2}}, 16.0),
        ({}, 1.0),
    ],
)
@pytest.mark.parametrize("place", ["peft", "diffusers"])
def test_alpha_in_the_configuration_is_divided_by_the_rank(
    tmp_path: Path, layout: Layout, config: dict[str, Any], scale: float, place: str
) -> None:
    metadata = None
    if place == "peft":
        (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", **config}))
    else:
        noted = {f"transformer.{key}": value for key, value in config.items()}
        metadata = {"lora_adapter_metadata": json.dumps(noted)}
    file = write(tmp_path, peft_pair(f"transformer.{QUERY}", rank=4), metadata)
    (change,) = changes(file, layout, "")
    assert change.scale == scale


REFUSED: dict[str, tuple[dict[str, Tensor], str]] = {
    "nothing": ({}, "holds no LoRA weights"),
    "another model's block": (
        peft_pair("transformer.transformer_blocks.30.attn.to_q"),
        "changes transformer.transformer_blocks.30.attn.to_q, which .* does not have: it was made for",
    ),
    "another model's name": (peft_pair("unet.down_blocks.0.attn1.to_q"), "made for another model"),
    "another width": (
        {
            f"transformer.{QUERY}.lora_A.weight": torch.ones(2, 64),
            f"transformer.{QUERY}.lora_B.weight": torch.ones(64, 2),
        },
        r"\[64, 2\] and .*\[2, 64\] do not make a change for transformer's .*to_q.weight \[32, 32\]",
    ),
    "two ranks": (
        {
            f"transformer.{QUERY}.lora_A.weight": torch.ones(2, 32),
            f"transformer.{QUERY}.lora_B.weight": torch.ones(32, 3),
        },
        r"\[32, 3\] and .*\[2, 32\] do not make a change",
    ),
    "no rank": (peft_pair(f"transformer.{QUERY}", rank=0), "do not make a change"),
    "half a pair": (
        {f"transformer.{QUERY}.lora_A.weight": torch.ones(2, 32)},
        r"to_q has no up \(lora_B\) matrix",
    ),
    "other half": (
        {f"transformer.{QUERY}.lora_B.weight": torch.ones(32, 2)},
        r"to_q has no down \(lora_A\) matrix",
    ),
    "DoRA": (
        {**peft_pair(f"transformer.{QUERY}"), f"transformer.{QUERY}.lora_magnitude_vector": torch.ones(32)},
        "lora_magnitude_vector is not of a plain LoRA but of DoRA",
    ),
    "LoKr": ({f"transformer.{QUERY}.lokr_w1": torch.ones(2, 2)}, "is not of a plain LoRA but of LoKr"),
    "a whole weight": (
        {f"transformer.{QUERY}.weight": torch.ones(32, 32)},
        "to_q.weight is not of a plain LoRA; give",
    ),
    "alpha of many": (
        {**peft_pair(f"transformer.{QUERY}"), f"transformer.{QUERY}.alpha": torch.ones(3)},
        r"to_q.alpha must be one number, and is F32 of shape \[3\]",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_lora_that_would_not_be_applied_whole_is_refused(tmp_path: Path, layout: Layout, name: str) -> None:
    tensors, fault = REFUSED[name]
    with pytest.raises(CheckpointError, match=fault):
        changes(write(tmp_path, tensors), layout, "copy it again")


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ({"peft_type": "LOHA"}, "adapter_config.json: it is of LOHA, and only plain LORA"),
        ({"use_dora": True}, "adapter_config.json: it is of DORA"),
        ({"modules_to_save": ["proj_out"]}, "modules_to_save is set"),
        ({"alpha_pattern": ["to_q"]}, r"alpha_pattern must be an object of numbers, and is \['to_q'\]"),
        ({"lora_alpha": "16"}, "lora_alpha and alpha_pattern must be numbers, and are \\['16'\\]"),
    ],
)
def test_a_configuration_that_means_more_is_refused(
    tmp_path: Path, layout: Layout, config: dict[str, Any], fault: str
) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=fault):
        changes(write(tmp_path, peft_pair(QUERY)), layout, "copy it again")


def find_with(layout: Layout, lora: object, cache: Path, scale: float = 1.0) -> Any:
    environ = {"XDG_CACHE_HOME": str(cache), "HF_HUB_CACHE": str(cache / "hub")}
    return find(Source(str(layout.folder), "", str(lora), scale), environ)


def test_a_render_records_the_lora_with_its_revision_and_scale(tmp_path: Path, layout: Layout) -> None:
    lora = tmp_path / "text"
    lora.mkdir()
    file = write(lora, peft_pair(QUERY))
    for given in (lora, file):
        checkpoint = find_with(layout, given, tmp_path, 0.5)
        name = "text" if given == lora else "pytorch_lora_weights"
        assert checkpoint.lora_file == file
        assert checkpoint.model.endswith(f"+{name}@{checkpoint.lora_revision[:12]}*0.5")
    before = checkpoint.lora_revision
    write(lora, {name: 2 * tensor for name, tensor in peft_pair(QUERY).items()})
    assert find_with(layout, lora, tmp_path).lora_revision != before


def test_its_card_stands_over_the_checkpoints(tmp_path: Path, layout: Layout) -> None:
    write(tmp_path, peft_pair(QUERY))
    (tmp_path / "glyphstream.json").write_text('{"format": 1, "name": "fast", "steps": 4, "guidance": 1.0}')
    checkpoint = find_with(layout, tmp_path, tmp_path)
    assert (checkpoint.defaults.steps, checkpoint.defaults.guidance) == (4, 1.0)
    assert checkpoint.lora_name == "fast"


def test_a_lora_in_the_hubs_cache_is_known_by_its_file_as_one_commit_may_hold_several(
    tmp_path: Path, layout: Layout
) -> None:
    names = ("adapter_model.safetensors", "loras/text.safetensors", "loras/other.safetensors")
    files = tmp_path / "files"
    (files / "loras").mkdir(parents=True)
    for name in names:
        save_file(peft_pair(f"base_model.model.{QUERY}"), files / name)
    (files / "adapter_config.json").write_text("{}")
    put_in_hub_cache(tmp_path / "hub", "someone/text-lora", files, ref="v2")
    for name in names:
        inside = "" if name == names[0] else f"/{name}"
        checkpoint = find_with(layout, f"someone/text-lora{inside}@v2", tmp_path)
        assert checkpoint.model.endswith(f"+someone/text-lora/{name}@b940f670f0ed")


def test_what_peft_saved_without_its_configuration_is_refused_as_nobody_knows_its_scale(
    tmp_path: Path, layout: Layout
) -> None:
    file = write(tmp_path, peft_pair(f"base_model.model.{QUERY}")).rename(
        tmp_path / "adapter_model.safetensors"
    )
    with pytest.raises(CheckpointError, match=r"adapter_config\.json is missing, which says how much"):
        changes(file, layout, "copy it again")


def test_a_lora_that_is_not_here_says_how_to_fetch_it(tmp_path: Path, layout: Layout) -> None:
    with pytest.raises(NotHere, match="`hf download someone/text-lora`"):
        find_with(layout, "someone/text-lora", tmp_path)


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        ([], "holds no LoRA"),
        (
            ["a.safetensors", "b.safetensors"],
            r"several LoRA files \(a.safetensors, b.safetensors\); name one",
        ),
        (["pytorch_lora_weights.bin"], "only as pytorch_lora_weights.bin: a pickle runs code"),
        (["model_index.json"], "is a whole checkpoint, not a LoRA"),
    ],
)
def test_a_folder_must_hold_one_lora(tmp_path: Path, layout: Layout, names: list[str], fault: str) -> None:
    lora = tmp_path / "lora"
    lora.mkdir()
    for name in names:
        (lora / name).write_bytes(b"")
    with pytest.raises(CheckpointError, match=fault):
        find_with(layout, lora, tmp_path)


def test_a_truncated_lora_is_found_before_it_is_loaded(tmp_path: Path, layout: Layout) -> None:
    file = write(tmp_path, peft_pair(QUERY))
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"pytorch_lora_weights\.safetensors is truncated"):
        find_with(layout, file, tmp_path)
