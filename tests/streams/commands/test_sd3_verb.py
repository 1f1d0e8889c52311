"""`glyphstream sd3`: the tiny checkpoint made, trained, resumed and exported from the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from streams.cli import main
from streams.commands import sd3


def run_main(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["sd3", *arguments])
    assert isinstance(left.value.code, int)
    return left.value.code


def test_the_help_shows_the_trainers_own_defaults() -> None:
    from inference.sd3.tiny import training

    assert (sd3.SEED, sd3.FLOW_STEPS) == (training.SEED, training.FLOW_STEPS)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("make-tiny",), "Missing argument 'DIR'"),
        (("make-tiny", "DIR", "--seed", "-1"), "Invalid value for '--seed': -1 is not in the range x>=0"),
        (("train-tiny", "DIR", "--flow-steps", "0"), "'--flow-steps': 0 is not in the range x>=1"),
        (("train-tiny", "DIR", "--flow-steps", "many"), "'--flow-steps': 'many' is not a valid integer"),
        (("train-tiny", "DIR", "--threads", "0"), "'--threads': 0 is not in the range x>=1"),
        (("train-tiny", "DIR", "--start-from", "DIR/no"), "/no' does not exist"),
        (("train-huge", "DIR"), "No such command 'train-huge'"),
    ],
    ids=["no folder", "seed", "no steps", "steps", "threads", "start", "verb"],
)
def test_a_wrong_value_leaves_with_2_and_makes_nothing(
    arguments: Sequence[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(*(each.replace("DIR", str(tmp_path)) for each in arguments)) == 2
    assert told in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    assert run_main("make-tiny", str(tmp_path)) == 1
    assert f"{tmp_path}: is not empty; name a new folder" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_export_of_nothing_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main("train-tiny", str(tmp_path), "--export", str(tmp_path / "out")) == 1
    assert f"{tmp_path}: has no state.pt; train there first" in capsys.readouterr().err


@pytest.mark.slow
def test_a_checkpoint_is_made_trained_resumed_and_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, trained, exported = (str(tmp_path / name) for name in ("made", "trained", "exported"))
    assert run_main("make-tiny", made, "--seed", "3") == 0
    assert f"{made} written, 22." in capsys.readouterr().out
    sitting = ("train-tiny", trained, "--threads", "1", "--stop-after")
    assert run_main(*sitting, "2", "--start-from", made) == 0
    told = capsys.readouterr()
    assert "stopped and saved (primer 2, flow 0, decoder 0)" in told.out
    assert f"started from {made} at flow step 0" in told.err
    assert run_main(*sitting, "1") == 0
    told = capsys.readouterr()
    assert "stopped and saved (primer 3, flow 0, decoder 0)" in told.out
    assert "resumed at flow step 0" in told.err
    assert run_main("train-tiny", trained, "--export", exported) == 0
    recipe = json.loads((tmp_path / "exported" / "recipe.json").read_text())
    assert (recipe["seed"], recipe["tasks"]["primer"]["step"]) == (3, 3)
    assert (tmp_path / "exported" / "glyphstream.json").read_bytes() == (
        tmp_path / "made" / "glyphstream.json"
    ).read_bytes()
