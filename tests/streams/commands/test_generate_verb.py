from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streams.cli import main

SIZE = ("--width", "256", "--height", "256", "--no-ocr", "--json")


def generate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, list[Any], str]:
    """Exit code, JSON lines, standard error."""
    where = ("--out", str(tmp_path / "out"), "--assets", str(tmp_path / "assets"))
    with pytest.raises(SystemExit) as left:
        main(["generate", *arguments, *SIZE, *where])
    said = capsys.readouterr()
    assert isinstance(left.value.code, int)
    return left.value.code, [json.loads(line) for line in said.out.splitlines()], said.err


def test_a_picture_is_drawn_once_and_found_the_second_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = generate(tmp_path, capsys, "--prompt", 'a poster: "OPEN LATE"')
    second = generate(tmp_path, capsys, "--prompt", 'a poster: "OPEN LATE"')
    assert (first[0], second[0]) == (0, 0)
    (drawn,), (found,) = first[1], second[1]
    assert (drawn["cached"], found["cached"]) == (False, True)
    assert drawn["sha256"] == found["sha256"]
    path = Path(drawn["path"])
    assert path.name.startswith("open-late-layout-256x256-")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_samples_of_one_prompt_differ_in_seed_and_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, drawn, _ = generate(
        tmp_path, capsys, "--prompt", 'the word "SALE"', "--samples", "2", "--seed", "5"
    )
    assert code == 0
    assert drawn[0]["seed"] == 5 or drawn[1]["seed"] == 5
    assert len({each["seed"] for each in drawn}) == 2
    assert len({each["path"] for each in drawn}) == 2


def test_a_file_may_mix_plain_lines_and_prompt_events(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "prompts.txt"
    event = {"source": "s", "id": "1", "prompt": "p", "texts": [{"text": "JAZZ"}], "width": 320}
    file.write_text(f'a sign: "SALE"\n\n{json.dumps(event)}\n')
    code, drawn, _ = generate(tmp_path, capsys, "--prompt-file", str(file), "--batch", "2")
    assert code == 0
    assert sorted(Path(each["path"]).name.split("-")[0] for each in drawn) == ["jazz", "sale"]
    assert sorted(Path(each["path"]).name.split("-")[2] for each in drawn) == ["256x256", "320x256"]


def test_an_engine_that_cannot_be_called_fails_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("GLYPHSTREAM_RENDER_URL", "GLYPHSTREAM_EMULATOR_URL"):
        monkeypatch.delenv(variable, raising=False)
    code, drawn, error = generate(tmp_path, capsys, "--prompt", '"SALE"', "--model", "http_render")
    assert code == 1
    assert drawn[0]["path"] is None
    assert "GLYPHSTREAM_RENDER_URL" in drawn[0]["reason"]
    assert "1 of 1 pictures could not be made" in error


def test_an_unknown_model_lists_the_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, drawn, error = generate(tmp_path, capsys, "--prompt", '"SALE"', "--model", "layuot")
    assert (code, drawn) == (2, [])
    assert "--model: engine: unknown 'layuot'; did you mean 'layout'? Known: layout, " in error


def test_a_model_like_no_other_lists_the_known_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = generate(tmp_path, capsys, "--prompt", '"SALE"', "--model", "nope")
    assert code == 2
    assert "--model: engine: unknown 'nope'; known: layout, " in error


@pytest.mark.parametrize("arguments", [(), ("--prompt", "a", "--prompt-file", "b")], ids=["neither", "both"])
def test_exactly_one_kind_of_prompt_is_asked_for(
    arguments: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = generate(tmp_path, capsys, *arguments)
    assert code == 2
    assert "give one of --prompt and --prompt-file" in error


@pytest.mark.parametrize("width", ["7", "70"])
def test_a_size_that_cannot_be_names_the_option(
    width: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as left:
        main(["generate", "--prompt", "a", "--width", width, "--no-ocr", "--out", str(out)])
    assert left.value.code == 2
    told = f"--width: must be an integer from 64 to 3840, a multiple of 16; got {width}; use 64"
    assert told in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [("--assets", "ftp://x", "unknown scheme in 'ftp://x'"), ("--prompt", "{", "not-json")],
    ids=["assets", "prompt"],
)
def test_what_is_wrong_on_the_command_line_leaves_with_2(
    option: str, value: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["generate", "--prompt", "a", "--no-ocr", "--out", str(tmp_path), option, value])
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert told in error
    assert "unexpected" not in error


def test_an_unknown_reader_is_refused_before_anything_is_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLYPHSTREAM_READERS", "nope")
    out, assets = tmp_path / "out", tmp_path / "assets"
    with pytest.raises(SystemExit) as left:
        main(["generate", "--prompt", "a", "--out", str(out), "--assets", str(assets)])
    assert left.value.code == 2
    assert "reader: 'nope' is not known" in capsys.readouterr().err
    assert not assets.exists()
