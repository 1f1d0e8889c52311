"""What comes into memory is what lies on disk, in the asked dtype, with the LoRA in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from inference.sd3.base import CheckpointError, OutOfMemory
from inference.sd3.checkpoint import Source
from inference.sd3.device import Choice
from inference.sd3.loading import Loaded, load, vae_dtype
from tests.inference.sd3.small import Folder, find_here, put_in_hub_cache, save_small, small_pipeline

FLOAT32 = Choice("cpu", "float32", "")
NETWORKS = ("transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3")


@pytest.fixture
def base(saved: Folder) -> Path:
    return saved("plain")


def weights(loaded: Loaded, part: str = "transformer") -> dict[str, Tensor]:
    module: nn.Module = getattr(loaded.pipeline, part)
    return dict(module.state_dict())


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    "options", [{}, {"max_shard_size": "60KB"}, {"variant": "fp16"}], ids=["plain", "sharded", "fp16"]
)
def test_every_layout_loads_to_the_same_weights(tmp_path: Path, options: dict[str, str]) -> None:
    original = small_pipeline()
    loaded = load(find_here(save_small(tmp_path / "model", original, **options), tmp_path), FLOAT32)
    for part in NETWORKS:
        assert same(weights(loaded, part), getattr(original, part).state_dict()), part
    assert loaded.pipeline.scheduler.config.shift == 3.0
    assert loaded.pipeline.tokenizer_3("a").input_ids == original.tokenizer_3("a").input_ids


def test_nothing_loaded_learns_or_drops_out(base: Path, tmp_path: Path) -> None:
    loaded = load(find_here(base, tmp_path), FLOAT32)
    for part in NETWORKS:
        module = getattr(loaded.pipeline, part)
        assert not module.training
        assert not any(weight.requires_grad for weight in module.parameters())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("stored", [torch.float16, torch.float32])
def test_weights_are_converted_as_they_are_loaded(
    tmp_path: Path, dtype: torch.dtype, stored: torch.dtype
) -> None:
    folder = save_small(tmp_path / "model", small_pipeline(stored))
    name = str(dtype).removeprefix("torch.")
    loaded = load(find_here(folder, tmp_path), Choice("cpu", name, ""))  # type: ignore[arg-type]  # one of three
    on_disk = load_file(folder / "transformer" / "diffusion_pytorch_model.safetensors")
    assert same(weights(loaded), {key: tensor.to(dtype) for key, tensor in on_disk.items()})
    assert {getattr(loaded.pipeline, part).dtype for part in NETWORKS if part != "vae"} == {dtype}


@pytest.mark.parametrize(
    ("config", "dtype", "expected"),
    [
        ({"force_upcast": True}, "bfloat16", torch.float32),
        ({"force_upcast": False}, "bfloat16", torch.bfloat16),
        ({"force_upcast": False}, "float16", torch.float16),
        ({}, "float16", torch.float32),
    ],
)
def test_the_vae_is_upcast_where_its_configuration_asks(
    config: dict[str, bool], dtype: str, expected: torch.dtype
) -> None:
    assert vae_dtype(config, Choice("cuda", dtype, "")) == expected  # type: ignore[arg-type]  # one of three


@pytest.mark.parametrize("kept", [None, "model_index.json"])
def test_without_t5_the_pipeline_draws_without_it(tmp_path: Path, kept: str | None) -> None:
    folder = save_small(tmp_path / "model", small_pipeline(t5=kept is not None))
    if kept is not None:
        shutil.rmtree(folder / "text_encoder_3")
    loaded = load(find_here(folder, tmp_path), FLOAT32)
    assert loaded.pipeline.text_encoder_3 is None
    assert loaded.pipeline.tokenizer_3 is None
    loaded.pipeline.set_progress_bar_config(disable=True)
    with torch.no_grad():
        picture = loaded.pipeline(
            "a red circle", num_inference_steps=1, max_sequence_length=36, output_type="np"
        )
    assert picture.images.shape == (1, 64, 64, 3)


def test_the_hubs_cache_is_loaded_without_a_network(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.socket.connect", connect)
    put_in_hub_cache(tmp_path / "hub", "someone/model", base)
    loaded = load(find_here(Source("someone/model"), tmp_path), FLOAT32)
    assert same(weights(loaded), weights(load(find_here(base, tmp_path), FLOAT32)))


def rewritten(path: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("file", "change", "fault"),
    [
        (
            "transformer/diffusion_pytorch_model",
            lambda tensors: tensors.pop("proj_out.weight"),
            "transformer: config.json announces 1 tensors that the weights do not hold, as proj_out.weight",
        ),
        (
            "text_encoder_2/model",
            lambda tensors: tensors.pop("text_projection.weight"),
            "text_encoder_2: config.json announces 1 tensors that the weights do not hold",
        ),
        (
            "transformer/diffusion_pytorch_model",
            lambda tensors: tensors.update({"proj_out.weight": torch.zeros(3, 3)}),
            "transformer cannot be loaded: .*; copy it again",
        ),
        (
            "text_encoder_3/model",
            lambda tensors: tensors.update({"shared.weight": torch.zeros(3, 3)}),
            "text_encoder_3 cannot be loaded: .*; copy it again",
        ),
    ],
    ids=["tensor missing", "tensor of an encoder missing", "other shape", "other shape in T5"],
)
def test_weights_that_are_not_the_configurations_are_refused(
    base: Path, tmp_path: Path, file: str, change: Callable[[dict[str, Tensor]], object], fault: str
) -> None:
    folder = Path(shutil.copytree(base, tmp_path / "model"))
    rewritten(folder / f"{file}.safetensors", change)
    with pytest.raises(CheckpointError, match=fault):
        load(find_here(folder, tmp_path), FLOAT32)


@pytest.mark.parametrize("name", ["tokenizer_3/tokenizer.json", "scheduler/scheduler_config.json"])
def test_a_damaged_tokenizer_or_scheduler_is_named(base: Path, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(base, tmp_path / "model"))
    (folder / name).write_text('{"model": {"type": "unheard of"}, "shift": "three"}')
    with pytest.raises(CheckpointError, match=r"tokenizers or scheduler cannot be loaded: .*; copy it again"):
        load(find_here(folder, tmp_path), FLOAT32)


def test_weights_that_were_replaced_since_they_were_found_are_not_drawn_with_under_the_old_name(
    base: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(base, tmp_path / "model"))
    checkpoint = find_here(folder, tmp_path)
    rewritten(folder / "vae" / "diffusion_pytorch_model.safetensors", dict.copy)
    with pytest.raises(
        CheckpointError, match=r"not those that were found as model@.*; start this program again"
    ):
        load(checkpoint, FLOAT32)


def test_what_the_index_names_beside_sd3s_parts_is_not_loaded(base: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(base, tmp_path / "model"))
    index = json.loads((folder / "model_index.json").read_text())
    more = {"image_encoder": ["transformers", "SiglipVisionModel"], "feature_extractor": ["os", "path"]}
    (folder / "model_index.json").write_text(json.dumps({**index, **more}))
    loaded = load(find_here(folder, tmp_path), FLOAT32)
    assert (loaded.pipeline.image_encoder, loaded.pipeline.feature_extractor) == (None, None)


def test_what_vanished_since_it_was_found_is_named(base: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(base, tmp_path / "model"))
    checkpoint = find_here(folder, tmp_path)
    shutil.rmtree(folder / "vae")
    with pytest.raises(CheckpointError, match="model/vae is missing"):
        load(checkpoint, FLOAT32)


def test_a_device_without_room_is_told_apart(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")

    monkeypatch.setattr(nn.Module, "requires_grad_", full)
    with pytest.raises(
        OutOfMemory, match=r"does not fit on cpu in float32: CUDA out of memory.*2.00 GiB\.; leave"
    ):
        load(find_here(base, tmp_path), FLOAT32)
