"""Every variant of the folder layout, found without loading a tensor."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from inference.sd3.base import CheckpointError, NotHere
from inference.sd3.checkpoint import Source, find
from inference.sd3.defaults import GENERAL, Defaults
from tests.inference.sd3.small import Folder, find_here

_WEIGHTS = "transformer/diffusion_pytorch_model.safetensors"


@pytest.mark.parametrize(
    ("kind", "has_t5", "variant"),
    [
        ("plain", True, ""),
        ("sharded", True, ""),
        ("fp16", True, "fp16"),
        ("fp16-sharded", True, "fp16"),
        ("without-t5", False, ""),
    ],
)
def test_every_kind_of_layout_is_found(
    saved: Folder, tmp_path: Path, kind: str, has_t5: bool, variant: str
) -> None:
    checkpoint = find_here(saved(kind), tmp_path)
    assert (checkpoint.has_t5, checkpoint.variant) == (has_t5, variant)
    assert checkpoint.defaults == GENERAL
    assert checkpoint.model == f"{kind}@{checkpoint.revision[:12]}"


def test_a_t5_that_was_left_out_of_the_download_is_done_without(copied: Folder, tmp_path: Path) -> None:
    folder = copied("plain")
    shutil.rmtree(folder / "text_encoder_3")
    assert not find_here(folder, tmp_path).has_t5


def test_only_the_parts_without_plain_files_take_the_variant(
    copied: Folder, saved: Folder, tmp_path: Path
) -> None:
    folder = copied("plain")
    (folder / "text_encoder_3" / "model.safetensors").unlink()
    for path in (saved("fp16") / "text_encoder_3").glob("*.safetensors"):
        shutil.copy(path, folder / "text_encoder_3")
    assert find_here(folder, tmp_path).variant == "fp16"


def test_one_part_of_a_checkpoint_is_no_checkpoint(saved: Folder, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is one part of a checkpoint.*give the folder that holds all"):
        find_here(saved("plain") / "transformer", tmp_path)


def test_a_file_is_refused_with_the_way_to_a_folder(saved: Folder, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"single file.*from_single_file\("):
        find_here(saved("plain") / _WEIGHTS, tmp_path)


def test_what_does_not_exist_is_not_here(tmp_path: Path) -> None:
    with pytest.raises(
        NotHere, match="does not exist; give a folder, or an id on the hub such as stabilityai/"
    ):
        find_here(tmp_path / "absent", tmp_path)


def test_a_folder_has_no_revision(saved: Folder, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="leave @v2 out"):
        find(Source(str(saved("plain")), "v2"), {"XDG_CACHE_HOME": str(tmp_path)})


def test_its_card_says_how_it_is_asked(copied: Folder, tmp_path: Path) -> None:
    folder = copied("plain")
    (folder / "glyphstream.json").write_text(
        '{"format": 1, "name": "tiny", "language": "tiny-posters-1", "sizes": ["256x256"], "t5_tokens": 36,'
        ' "steps": 28, "guidance": 3.0}'
    )
    checkpoint = find_here(folder, tmp_path)
    assert checkpoint.defaults == Defaults(28, 3.0, ("256x256",), 36, "tiny-posters-1")
    assert checkpoint.model == f"tiny@{checkpoint.revision[:12]}"


def test_the_revision_follows_the_content_and_nothing_else(copied: Folder, tmp_path: Path) -> None:
    folder = copied("plain")
    first = find_here(folder, tmp_path).revision
    (folder / "README.md").write_text("Read me.")
    moved = folder.rename(tmp_path / "moved")
    assert find_here(moved, tmp_path).revision == first
    weights = moved / _WEIGHTS
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert find_here(moved, tmp_path).revision != first


def test_weights_are_hashed_once(copied: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copied("plain")
    first = find_here(folder, tmp_path)

    def never(path: Path) -> str:
        raise AssertionError(f"{path} is hashed again")

    monkeypatch.setattr("inference.sd3.digest._sha256", never)
    assert find_here(folder, tmp_path) == first


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"a": 1}'])
def test_a_damaged_memory_of_hashes_is_made_anew(copied: Folder, tmp_path: Path, content: bytes) -> None:
    folder = copied("plain")
    first = find_here(folder, tmp_path).revision
    memory = tmp_path / "glyphstream" / "digests.json"
    memory.write_bytes(content)
    assert find_here(folder, tmp_path).revision == first
    assert len(json.loads(memory.read_bytes())) >= 10


def test_without_a_place_for_hashes_it_still_works(
    copied: Folder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = copied("plain")
    (tmp_path / "file").write_text("no folder can be made here")
    assert find_here(folder, tmp_path / "file").revision == find_here(folder, tmp_path).revision
    assert "hashed again at every start" in caplog.text


def test_finding_imports_no_torch(saved: Folder, tmp_path: Path) -> None:
    code = (
        "import sys; from inference.sd3 import device; from inference.sd3.checkpoint import Source, find\n"
        f"find(Source.parse({str(saved('plain'))!r}), {{'XDG_CACHE_HOME': {str(tmp_path)!r}}})\n"
        "device.detect()\n"
        "print(sorted({'torch', 'diffusers', 'transformers', 'huggingface_hub'} & sys.modules.keys()))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
