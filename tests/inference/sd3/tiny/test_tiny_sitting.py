"""A sitting of training: begun or resumed, one a folder, stopped by a signal with everything saved."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from inference.sd3.tiny import latents, store, training
from inference.sd3.tiny.export import export
from inference.sd3.tiny.store import Run
from inference.sd3.tiny.tasks import Sizes
from inference.sd3.tiny.training import CannotTrain, Training, make, train, write

torch.set_num_threads(1)
SMALL = Sizes(primer=4, bands=2, wholes=1, crops=1)


@pytest.fixture(scope="module")
def linear() -> latents.LinearLatents:
    return latents.fit(0, posters=8)


@pytest.fixture
def small(linear: latents.LinearLatents, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Run]:
    """Runs of a few posters a step, in place of the real ones."""
    begin = store.begin

    def begin_small(
        seed: int, _sizes: Sizes | None = None, given: latents.LinearLatents | None = None
    ) -> Run:
        return begin(seed, SMALL, given or linear)

    monkeypatch.setattr(store, "begin", begin_small)
    return begin_small


def asked(folder: Path, *, stop_after: int | None = None, start_from: Path | None = None) -> Training:
    return Training(folder=folder, threads=1, seed=5, stop_after=stop_after, start_from=start_from)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda each: each.name)
def test_a_signal_saves_what_was_learned_and_the_next_sitting_goes_on(
    number: signal.Signals, tmp_path: Path
) -> None:
    before = signal.getsignal(number)

    def stop_at_two(run: Run) -> None:
        assert (tmp_path / training.PID).exists()
        if run.primer.learner.step == 2:
            signal.raise_signal(number)

    train(asked(tmp_path), logging.NullHandler(), stop_at_two)
    assert signal.getsignal(number) is before
    assert not (tmp_path / training.PID).exists()
    run = train(asked(tmp_path, stop_after=1), logging.NullHandler())
    assert (run.primer.learner.step, run.seed) == (3, 5)
    log = (tmp_path / training.LOG).read_text()
    assert "begun at flow step 0" in log and "resumed at flow step 0" in log


@pytest.mark.usefixtures("small")
def test_a_second_trainer_in_the_same_folder_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    refused: list[str] = []

    def try_another(_run: Run) -> None:
        with pytest.raises(CannotTrain) as error:
            train(asked(tmp_path, stop_after=1), logging.NullHandler())
        refused.append(str(error.value))

    train(asked(tmp_path, stop_after=1), logging.NullHandler(), try_another)
    assert "makes it save and stop" in refused[0]
    assert store.resume(tmp_path, SMALL).primer.learner.step == 1


@pytest.mark.usefixtures("small")
def test_what_the_trainer_says_goes_to_the_screen_and_no_further(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    class Screen(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    train(asked(tmp_path, stop_after=1), Screen())
    assert told[0] == "begun at flow step 0"
    assert told[-1].startswith("primer step 1, 4 seen, loss ")
    assert caplog.messages == []


def test_a_folder_is_trained_in_from_an_exported_one(small: Callable[[int], Run], tmp_path: Path) -> None:
    export(small(9), tmp_path / "exported")
    folder = tmp_path / "training"
    run = train(asked(folder, stop_after=1, start_from=tmp_path / "exported"), logging.NullHandler())
    assert (run.seed, run.primer.learner.step) == (9, 1)


@pytest.mark.usefixtures("small")
def test_folders_that_hold_other_things_are_left_alone(tmp_path: Path) -> None:
    state, other = tmp_path / "state", tmp_path / "other"
    store.save(store.begin(1), state)
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(CannotTrain, match=r"other: holds something that is no exported checkpoint"):
        write(state, other)
    with pytest.raises(CannotTrain, match="other: is not empty; name a new folder"):
        make(other)
    assert [file.name for file in other.iterdir()] == ["thesis.txt"]


def test_what_is_no_training_is_named_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(CannotTrain, match=r"has no state\.pt; train there first"):
        write(tmp_path, tmp_path / "target")
    with pytest.raises(CannotTrain, match=r"has no recipe\.json; name a folder that was exported"):
        train(asked(tmp_path / "new", start_from=tmp_path), logging.NullHandler())
    torch.save({"format": 99}, tmp_path / store.STATE)
    with pytest.raises(CannotTrain, match="format 99, this version writes"):
        train(asked(tmp_path), logging.NullHandler())
