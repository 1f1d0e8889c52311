"""Small checkpoints on disk, each kind saved once in a session."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.inference.sd3.small import Folder, save_small, small_pipeline

_KINDS: dict[str, Callable[[Path], object]] = {
    "plain": save_small,
    "sharded": lambda folder: save_small(folder, max_shard_size="60KB"),
    "fp16": lambda folder: save_small(folder, variant="fp16"),
    "fp16-sharded": lambda folder: save_small(folder, variant="fp16", max_shard_size="60KB"),
    "without-t5": lambda folder: save_small(folder, small_pipeline(t5=False)),
}


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """The folder of a kind; not to be changed."""
    root = tmp_path_factory.mktemp("checkpoints")

    def folder(kind: str) -> Path:
        if not (root / kind).exists():
            _KINDS[kind](root / kind)
        return root / kind

    return folder


@pytest.fixture
def copied(saved: Folder, tmp_path: Path) -> Folder:
    """A copy of a kind, named `model`, for the test to break."""
    return lambda kind: Path(shutil.copytree(saved(kind), tmp_path / "model"))
