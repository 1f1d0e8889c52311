from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from streams.broker.errors import BrokerError
from streams.broker.folder import DataFolder
from streams.broker.lock import claim
from streams.demo.workplace import State, Workplace, WorkplaceError, begin, order_of

ORDER = order_of(b"prompts", "hybrid", "")


def left_behind(place: Workplace) -> Path:
    """A file such as a run leaves."""
    file = place.assets / "sha256" / "picture.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"png")
    return file


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    (tmp_path / "demo").mkdir()
    return Workplace(tmp_path / "demo")


def test_a_run_that_was_cut_off_is_continued_with_all_it_had(place: Workplace) -> None:
    first = begin(place, ORDER, fresh=False)
    file = left_behind(place)
    second = begin(place, ORDER, fresh=False)
    assert (first.continued, second.continued) == (False, True)
    assert second.state == first.state
    assert file.exists()


def test_a_finished_run_is_followed_by_a_new_one_that_says_so(place: Workplace) -> None:
    state = begin(place, ORDER, fresh=False).state
    file = left_behind(place)
    place.remember(State(phase="finished", order=state.order, token=state.token))
    again = begin(place, ORDER, fresh=False)
    assert not again.continued
    assert "had finished" in again.words
    assert again.state.token != state.token
    assert not file.exists()


@pytest.mark.parametrize(
    ("order", "fresh"),
    [
        (order_of(b"other", "hybrid", ""), False),
        (order_of(b"prompts", "local-first", ""), False),
        (ORDER, True),
    ],
    ids=["other prompts", "other policy", "--fresh"],
)
def test_what_was_asked_differently_starts_anew(place: Workplace, order: str, fresh: bool) -> None:
    begin(place, ORDER, fresh=False)
    file = left_behind(place)
    assert not begin(place, order, fresh=fresh).continued
    assert not file.exists()


def test_a_folder_half_cleared_is_cleared_again(place: Workplace) -> None:
    begin(place, ORDER, fresh=False)
    place.remember(State(phase="clearing", order=ORDER, token="abc"))
    file = left_behind(place)
    assert not begin(place, ORDER, fresh=False).continued
    assert not file.exists()


@pytest.mark.parametrize("name", ["kafka", "assets"])
def test_a_folder_that_no_demo_made_is_never_cleared(place: Workplace, name: str) -> None:
    (place.out / name).mkdir()
    with pytest.raises(WorkplaceError, match=f"{name} is there, but not from a demo"):
        begin(place, ORDER, fresh=True)
    assert (place.out / name).is_dir()
    assert place.state() is None


def test_data_is_not_cleared_under_a_broker_that_lives(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(place, ORDER, fresh=False)
    place.kafka.mkdir()
    (place.kafka / "broker.json").write_text("{}")
    monkeypatch.setattr("streams.broker.lock.BUSY_S", 0.0)
    with claim(DataFolder(place.kafka)), pytest.raises(BrokerError, match="is in use by process"):
        begin(place, ORDER, fresh=True)
    assert (place.kafka / "broker.json").exists()


def test_a_state_file_of_another_kind_is_named(place: Workplace) -> None:
    place.state_file.write_text('{"phase": "asleep"}')
    with pytest.raises(WorkplaceError, match=r"demo\.json: is not what a demo writes"):
        begin(place, ORDER, fresh=False)


def test_two_demos_do_not_work_in_one_folder(place: Workplace) -> None:
    with (
        place.claimed(),
        pytest.raises(WorkplaceError, match="another demo is at work there"),
        place.claimed(),
    ):
        pass
    with place.claimed():
        pass


def test_a_killed_demo_lets_go_of_its_folder(place: Workplace) -> None:
    code = (
        "import os, signal, sys, pathlib\n"
        "from streams.demo.workplace import Workplace\n"
        "with Workplace(pathlib.Path(sys.argv[1])).claimed():\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(place.out)], check=False)
    assert killed.returncode == -9
    with place.claimed():
        pass
