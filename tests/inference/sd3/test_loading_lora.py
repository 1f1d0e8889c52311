"""A LoRA's effect on the weights in memory, against the formula, peft and diffusers."""

from __future__ import annotations

import json
from pathlib import Path

import peft
import pytest
import torch
from diffusers.loaders.single_file_utils import convert_sd3_transformer_checkpoint_to_diffusers
from safetensors.torch import save_file
from torch import Tensor, nn

from inference.sd3.base import CheckpointError
from inference.sd3.checkpoint import Source
from inference.sd3.device import Choice
from inference.sd3.loading import Loaded, load
from tests.inference.sd3.small import Folder, find_here, save_small, small_pipeline

FLOAT32 = Choice("cpu", "float32", "")


@pytest.fixture
def base(saved: Folder) -> Path:
    return saved("plain")


def weights(loaded: Loaded, part: str = "transformer") -> dict[str, Tensor]:
    module: nn.Module = getattr(loaded.pipeline, part)
    return dict(module.state_dict())


def random(*shape: int, seed: int = 5) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


LAYERS = {
    "transformer": ("transformer_blocks.0.attn.to_q", "transformer_blocks.1.ff.net.2", "pos_embed.proj"),
    "text_encoder": ("text_model.encoder.layers.0.mlp.fc1",),
}


def lora_of(pipeline_weights: dict[str, dict[str, Tensor]], rank: int = 3) -> dict[str, Tensor]:
    """diffusers' names, for some layers of two parts, a convolution among them."""
    tensors = {}
    for part, names in LAYERS.items():
        for name in names:
            rows, *columns = pipeline_weights[part][f"{name}.weight"].shape
            tensors[f"{part}.{name}.lora_A.weight"] = random(rank, *columns)
            tensors[f"{part}.{name}.lora_B.weight"] = random(rows, rank, *(1 for _ in columns[1:]))
    return tensors


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("scale", [1.0, 0.5, -2.0])
def test_a_lora_adds_scale_times_up_times_down(base: Path, tmp_path: Path, dtype: str, scale: float) -> None:
    choice = Choice("cpu", dtype, "")  # type: ignore[arg-type]  # one of three
    plain = load(find_here(base, tmp_path), choice)
    before = {part: weights(plain, part) for part in LAYERS}
    lora = lora_of(before)
    alpha = {f"{part}.{key}": value for part in LAYERS for key, value in {"lora_alpha": 6, "r": 3}.items()}
    file = tmp_path / "lora.safetensors"
    save_file(lora, file, metadata={"lora_adapter_metadata": json.dumps(alpha)})
    loaded = load(find_here(Source(str(base), "", str(file), scale), tmp_path), choice)
    for part, names in LAYERS.items():
        expected = dict(before[part])
        for name in names:
            up, down = (lora[f"{part}.{name}.lora_{each}.weight"].flatten(1) for each in "BA")
            weight = expected[f"{name}.weight"]
            delta = scale * 6 / 3 * (up @ down)
            expected[f"{name}.weight"] = (weight.float() + delta.reshape(weight.shape)).to(weight.dtype)
        after = weights(loaded, part)
        changed = {name for name in after if not torch.equal(after[name], before[part][name])}
        assert changed == {f"{name}.weight" for name in names}
        for name in changed:
            torch.testing.assert_close(after[name], expected[name], rtol=1e-5, atol=1e-5)


def test_a_lora_changes_what_diffusers_and_peft_change(base: Path, tmp_path: Path) -> None:
    plain = load(find_here(base, tmp_path), FLOAT32)
    lora = {
        # diffusers' own names in text encoders; of convolutions it makes nothing.
        name.replace("lora_A", "lora_linear_layer.down").replace("lora_B", "lora_linear_layer.up")
        if name.startswith("text")
        else name: tensor
        for name, tensor in lora_of({part: weights(plain, part) for part in LAYERS}).items()
        if tensor.ndim == 2
    }
    file = tmp_path / "lora.safetensors"
    save_file(lora, file)
    theirs = plain.pipeline
    theirs.load_lora_weights(tmp_path, weight_name=file.name, local_files_only=True)
    theirs.fuse_lora(lora_scale=0.7)
    theirs.unload_lora_weights()
    ours = load(find_here(Source(str(base), "", str(file), 0.7), tmp_path), FLOAT32)
    for part in LAYERS:
        expected = dict(getattr(theirs, part).state_dict())
        after = weights(ours, part)
        assert after.keys() == expected.keys()
        for name in after:
            torch.testing.assert_close(after[name], expected[name], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rooted", [False, True])
def test_a_folder_that_peft_saved_changes_what_peft_merges(base: Path, tmp_path: Path, rooted: bool) -> None:
    """As published ones for SD3.5 Medium are saved; diffusers' pipeline would not see what is in them."""
    transformer = load(find_here(base, tmp_path), FLOAT32).pipeline.transformer
    config = peft.LoraConfig(
        r=4,
        lora_alpha=8,
        use_rslora=rooted,
        alpha_pattern={"attn.to_k": 3},
        target_modules=["attn.to_q", "attn.to_k", "attn.add_v_proj", "proj_out"],
    )
    adapted = peft.get_peft_model(transformer, config)
    with torch.no_grad():
        for index, (name, weight) in enumerate(adapted.named_parameters()):
            if "lora_" in name:
                weight.copy_(random(*weight.shape, seed=index))
    adapted.save_pretrained(str(tmp_path / "text"))
    ours = weights(load(find_here(Source.parse(f"{base}+{tmp_path / 'text'}"), tmp_path), FLOAT32))
    expected = adapted.merge_and_unload().state_dict()
    assert ours.keys() == expected.keys()
    for name in ours:
        torch.testing.assert_close(ours[name], expected[name], rtol=1e-5, atol=1e-5)


def single_file_weights(layers: int, width: int, dual: int) -> dict[str, Tensor]:
    """A transformer in the published single file's names, with random numbers."""
    shapes: dict[str, tuple[int, ...]] = {
        "x_embedder.proj": (width, 16, 2, 2),
        "t_embedder.mlp.0": (width, 256),
        "t_embedder.mlp.2": (width, width),
        "y_embedder.mlp.0": (width, 32),
        "y_embedder.mlp.2": (width, width),
        "context_embedder": (width, 32),
        "final_layer.linear": (64, width),
        "final_layer.adaLN_modulation.1": (2 * width, width),
    }
    for layer in range(layers):
        block = f"joint_blocks.{layer}"
        last = layer == layers - 1
        for side, modulations in (("x_block", 9 if layer < dual else 6), ("context_block", 2 if last else 6)):
            shapes[f"{block}.{side}.adaLN_modulation.1"] = (modulations * width, width)
            shapes[f"{block}.{side}.attn.qkv"] = (3 * width, width)
            if side == "x_block" or not last:
                shapes[f"{block}.{side}.attn.proj"] = (width, width)
                shapes[f"{block}.{side}.mlp.fc1"] = (4 * width, width)
                shapes[f"{block}.{side}.mlp.fc2"] = (width, 4 * width)
        if layer < dual:
            shapes[f"{block}.x_block.attn2.qkv"] = (3 * width, width)
            shapes[f"{block}.x_block.attn2.proj"] = (width, width)
    tensors = {
        f"{name}.weight": random(*shape, seed=index) for index, (name, shape) in enumerate(shapes.items())
    }
    tensors |= {f"{name}.bias": random(shape[0]) for name, shape in shapes.items()}
    return {**tensors, "pos_embed": small_pipeline().transformer.state_dict()["pos_embed.pos_embed"]}


@pytest.mark.parametrize("kohya", [True, False], ids=["kohya", "dotted"])
def test_a_lora_in_the_single_files_names_changes_what_their_conversion_would(
    tmp_path: Path, kohya: bool
) -> None:
    """The oracle is diffusers' conversion of the whole single file, with the change already in it."""
    single = single_file_weights(layers=2, width=32, dual=1)
    pipeline = small_pipeline(qk_norm=None)
    pipeline.transformer.load_state_dict(convert_sd3_transformer_checkpoint_to_diffusers(dict(single)))
    folder = save_small(tmp_path / "base", pipeline)
    lora: dict[str, Tensor] = {}
    changed = dict(single)
    for name, weight in single.items():
        if not name.endswith(".weight"):
            continue
        rows, *columns = weight.shape
        down, up = random(2, *columns), random(rows, 2, *(1 for _ in columns[1:]))
        module = name.removesuffix(".weight")
        key = f"lora_unet_{module.replace('.', '_')}" if kohya else f"diffusion_model.{module}"
        lora |= {
            f"{key}.lora_down.weight": down,
            f"{key}.lora_up.weight": up,
            f"{key}.alpha": torch.tensor(1.0),
        }
        changed[name] = weight + 0.5 * (up.flatten(1) @ down.flatten(1)).reshape(weight.shape)
    save_file(lora, tmp_path / "lora.safetensors")
    loaded = load(find_here(Source.parse(f"{folder}+{tmp_path / 'lora.safetensors'}"), tmp_path), FLOAT32)
    after, expected = weights(loaded), convert_sd3_transformer_checkpoint_to_diffusers(changed)
    assert after.keys() == expected.keys()
    for name in after:
        torch.testing.assert_close(after[name], expected[name], rtol=1e-5, atol=1e-5)


def test_a_lora_with_damaged_numbers_is_refused(base: Path, tmp_path: Path) -> None:
    name = "transformer.transformer_blocks.0.attn.to_q"
    lora = {f"{name}.lora_A.weight": torch.ones(1, 32), f"{name}.lora_B.weight": torch.ones(32, 1)}
    lora[f"{name}.lora_B.weight"][3] = torch.nan
    save_file(lora, tmp_path / "lora.safetensors")
    checkpoint = find_here(Source.parse(f"{base}+{tmp_path / 'lora.safetensors'}"), tmp_path)
    with pytest.raises(CheckpointError, match=r"to_q.lora_B.weight makes .*to_q.weight infinite"):
        load(checkpoint, FLOAT32)
