"""The hub's cache on this disk, built here in the client's own layout; nothing reaches a network."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import huggingface_hub.cli.download
import pytest
from huggingface_hub.cli.hf import app

from inference.sd3.base import CheckpointError, NotHere
from inference.sd3.checkpoint import Source, find
from inference.sd3.defaults import Defaults
from inference.sd3.hub import HubId, cache_folder
from tests.inference.sd3.small import COMMIT, put_in_hub_cache, save_small

MEDIUM = "stabilityai/stable-diffusion-3.5-medium"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small(tmp_path_factory.mktemp("hub") / "model")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HF_HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "xdg")}


@pytest.mark.parametrize(
    ("revision", "ref"), [("", "main"), ("refs/pr/4", "refs/pr/4"), (COMMIT, "main"), (COMMIT[:8], "main")]
)
def test_a_hub_id_is_found_in_the_cache_at_its_revision(
    tmp_path: Path, model: Path, environ: dict[str, str], revision: str, ref: str
) -> None:
    put_in_hub_cache(tmp_path / "hub", MEDIUM, model, ref=ref)
    checkpoint = find(Source(MEDIUM, revision), environ)
    assert checkpoint.revision == COMMIT
    assert checkpoint.model == f"{MEDIUM}@b940f670f0ed"
    assert checkpoint.defaults == Defaults(steps=40, guidance=4.5)


@pytest.mark.parametrize(
    ("name", "steps", "guidance"),
    [("3.5-large", 28, 3.5), ("3.5-large-turbo", 4, 0.0), ("3-medium-diffusers", 28, 7.0)],
)
def test_the_published_ones_are_asked_as_their_cards_say(
    tmp_path: Path, model: Path, environ: dict[str, str], name: str, steps: int, guidance: float
) -> None:
    repo = f"stabilityai/stable-diffusion-{name}"
    put_in_hub_cache(tmp_path / "hub", repo, model)
    assert find(Source(repo), environ).defaults == Defaults(steps=steps, guidance=guidance)


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({}, "/home/me/.cache/huggingface/hub"),
        ({"XDG_CACHE_HOME": "/caches"}, "/caches/huggingface/hub"),
        ({"XDG_CACHE_HOME": "/caches", "HF_HOME": "/hf"}, "/hf/hub"),
        ({"HF_HOME": "/hf", "HF_HUB_CACHE": "/models"}, "/models"),
        ({"HF_HOME": "/hf", "HUGGINGFACE_HUB_CACHE": "/old"}, "/old"),
    ],
)
def test_the_cache_is_where_the_hubs_client_keeps_it(environ: dict[str, str], folder: str) -> None:
    assert cache_folder({"HOME": "/home/me", **environ}) == Path(folder)


def test_what_is_not_in_the_cache_says_how_to_fetch_it(environ: dict[str, str]) -> None:
    with pytest.raises(NotHere) as caught:
        find(Source("someone/else", "v2"), environ)
    assert "neither a folder nor in the hub's cache" in str(caught.value)
    assert "fetch it with `hf download someone/else --revision v2`" in str(caught.value)
    assert "licence" not in str(caught.value)


def test_a_gated_one_says_so(environ: dict[str, str]) -> None:
    with pytest.raises(
        NotHere, match=f"accept the licence at https://huggingface.co/{MEDIUM} .*hf auth login"
    ):
        find(Source(MEDIUM), environ)


@pytest.mark.parametrize("revision", ["v9", "abcdef0", "../../evil"])
def test_a_revision_that_is_not_cached_names_those_that_are(
    tmp_path: Path, model: Path, environ: dict[str, str], revision: str
) -> None:
    put_in_hub_cache(tmp_path / "hub", MEDIUM, model)
    with pytest.raises(
        NotHere, match=rf"revision '{revision}' is not .*commits there: b940f670f0ed\).*--revision"
    ):
        find(Source(MEDIUM, revision), environ)


def test_an_interrupted_download_names_the_file_and_the_command(
    tmp_path: Path, model: Path, environ: dict[str, str]
) -> None:
    at = put_in_hub_cache(tmp_path / "hub", MEDIUM, model)
    weights = at / "snapshots" / COMMIT / "vae" / "diffusion_pytorch_model.safetensors"
    weights.resolve().unlink()
    with pytest.raises(
        CheckpointError, match=f"vae/.*safetensors is missing; fetch it with `hf download {MEDIUM}"
    ):
        find(Source(MEDIUM), environ)


def test_a_ref_without_its_snapshot_is_damage(tmp_path: Path, model: Path, environ: dict[str, str]) -> None:
    at = put_in_hub_cache(tmp_path / "hub", MEDIUM, model)
    (at / "refs" / "main").write_text("0" * 40)
    with pytest.raises(CheckpointError, match="is missing, though refs/main names it; fetch it"):
        find(Source(MEDIUM), environ)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("someone/model", {"repo_id": "someone/model", "revision": None, "ignore_patterns": None}),
        (
            f"{MEDIUM}@v2",
            {"repo_id": MEDIUM, "revision": "v2", "ignore_patterns": ["sd3*.safetensors", "text_encoders/*"]},
        ),
    ],
)
def test_the_command_is_one_that_the_hubs_client_takes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, asked: dict[str, Any]
) -> None:
    calls: list[dict[str, Any]] = []

    def snapshot_download(**given: Any) -> str:
        calls.append(given)
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub.cli.download, "snapshot_download", snapshot_download)
    wanted = HubId.parse(text)
    assert wanted is not None
    command = re.search("`(hf .*?)`", wanted.download)
    assert command is not None
    app.main(shlex.split(command[1])[1:], standalone_mode=False)
    assert [{key: call[key] for key in asked} for call in calls] == [asked]
