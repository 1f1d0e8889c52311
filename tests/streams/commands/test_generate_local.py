"""`generate` with a model of this machine: the brief's own loop, in small."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from inference.sd3.process import Progress
from streams.cli import main
from streams.commands.drawing_bar import DrawingBar
from tests.inference.sd3.small import save_small


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small(tmp_path_factory.mktemp("small"))


def generate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, list[Any], str]:
    """Exit code, JSON lines, standard error."""
    where = ("--out", str(tmp_path / "out"), "--assets", str(tmp_path / "assets"), "--no-ocr", "--json")
    with pytest.raises(SystemExit) as left:
        main(["generate", "--model", "local-sd3.5", *arguments, *where])
    said = capsys.readouterr()
    assert isinstance(left.value.code, int)
    return left.value.code, [json.loads(line) for line in said.out.splitlines()], said.err


def test_a_file_of_prompts_is_drawn_by_the_local_model_and_found_the_second_time(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLYPHSTREAM_SD3_LOCAL", str(small))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    prompts = tmp_path / "prompts.txt"
    prompts.write_text('neon sign "OPEN"\nposter "ORBIT 9"\n\nsign "SALE"\n')
    asked = ["--prompt-file", str(prompts), "--batch", "50", "--width", "64", "--height", "96"]
    asked += ["--steps", "2", "--guidance", "1.5", "--sampler", "heun", "--negative-prompt", "blur"]
    first, second = generate(tmp_path, capsys, *asked), generate(tmp_path, capsys, *asked)
    assert (first[0], second[0]) == (0, 0)
    assert {(each["engine"], each["emulated"], each["reason"]) for each in first[1]} == {
        ("sd3.5_local", False, "")
    }
    assert len({each["sha256"] for each in first[1]}) == 3
    assert all(each["usd"] > 0 and each["seconds"] > 0 for each in first[1])
    assert [each["cached"] for each in first[1] + second[1]] == [False] * 3 + [True] * 3
    pictures = [Path(each["path"]).name for each in first[1]]
    assert all("-sd3.5_local-64x96-" in name for name in pictures)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--sampler", "ddim"), "--sampler: must be one of euler, heun; got 'ddim'; use euler or heun"),
        (("--sampler", "k_lms"), "--sampler: must be one of euler, heun; got 'k_lms'; use euler or heun"),
        (("--steps", "0"), "--steps: must be an integer from 1 to 150"),
        (("--guidance", "31"), "--guidance: must be a number from 0 to 30"),
        (("--guidance", "nan"), "--guidance: must be a number; got nan"),
        (("--negative-prompt", "x" * 10_001), "--negative-prompt: must be"),
    ],
    ids=["ddim", "k_lms", "steps", "guidance", "no guidance", "negative prompt"],
)
def test_what_cannot_be_asked_names_the_option_and_what_can(
    arguments: tuple[str, ...], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, drawn, error = generate(tmp_path, capsys, "--prompt", "p", *arguments)
    assert (code, drawn) == (2, [])
    assert told in error


def test_a_setting_that_names_no_checkpoint_is_refused_before_anything_is_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLYPHSTREAM_SD3_LOCAL", str(tmp_path / "nowhere"))
    code, drawn, error = generate(tmp_path, capsys, "--prompt", "p")
    assert (code, drawn) == (2, [])
    assert "sd3_local (GLYPHSTREAM_SD3_LOCAL): " in error
    assert "leave it empty to let sd3.5_local choose for itself" in error
    assert not (tmp_path / "assets").exists()


def test_the_bar_shows_pictures_the_loading_and_the_steps_of_the_one_under_way() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100)
    told = [
        (Progress("small@1", "loading"), "loading small@1"),
        (Progress("small@1", "loaded", seconds=7.0), "1/3"),
        (Progress("small@1", "drawing", 1, 28), "small@1, step"),
        (Progress("small@1", "drawing", 5, 28), "5/28"),
        (Progress("small@1", "drawing", 28, 28), "1/3"),
    ]
    with DrawingBar(console, 3) as bar:
        bar.advance()
        for progress, shown in told:
            out.truncate(0)
            bar.watch(progress)
            bar._bars.refresh()
            assert shown in out.getvalue()
    assert "28/28" not in out.getvalue()
