"""Training in a folder, from its first step or from where it stopped, and its checkpoints.

What `python -m inference.sd3.tiny` and `glyphstream sd3` share.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

import torch

from inference.sd3.tiny import store
from inference.sd3.tiny.conductor import Clocks, Conductor, Plan
from inference.sd3.tiny.export import RECIPE, export, start_from
from inference.sd3.tiny.store import Run

LOG: Final = "train.log"
PID: Final = "trainer.pid"
SEED: Final = 7
FLOW_STEPS: Final = Plan().flow_steps

_LOGGED: Final = logging.Formatter("%(asctime)s %(message)s")
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

logger = logging.getLogger(__name__)


class CannotTrain(Exception):
    """A folder cannot be trained in, or written to; the text names it and says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What to train, and for how long.

    `seed` and `start_from` (an exported folder) are a new run's; one with a state goes on from that.
    `stop_after` ends this sitting after so many steps of any kind; the next one goes on.
    """

    folder: Path
    seed: int = SEED
    start_from: Path | None = None
    flow_steps: int = FLOW_STEPS
    stop_after: int | None = None
    threads: int = 2


def train(asked: Training, screen: logging.Handler, watch: Callable[[Run], None] = lambda _run: None) -> Run:
    """Trains until the plan is done; SIGTERM and SIGINT save and stop. To be called from the main thread.

    What is told goes to the folder's log and to `screen`; `watch` is called between any two steps.

    Raises:
        CannotTrain: another process trains there, or what is there cannot be gone on from.
    """
    torch.set_num_threads(asked.threads)
    stopped: list[int] = []
    steps = 0
    with _claimed(asked.folder), _logging_to(asked.folder, screen), _noted(stopped):
        run = _opened(asked)

        def stopping() -> bool:
            nonlocal steps
            watch(run)
            enough = asked.stop_after is not None and steps >= asked.stop_after
            steps += 1
            return enough or bool(stopped)

        clocks = Clocks(time.monotonic, time.process_time)
        Conductor(run, Plan(flow_steps=asked.flow_steps), asked.folder, clocks, stopping).conduct()
    return run


def make(folder: Path, seed: int = SEED) -> None:
    """Writes the checkpoint as it is before its first step into a new or empty folder.

    Raises:
        CannotTrain: something is there.
    """
    if folder.exists() and any(folder.iterdir()):
        raise CannotTrain(f"{folder}: is not empty; name a new folder, or empty this one")
    export(store.begin(seed), folder)


def write(folder: Path, target: Path) -> None:
    """Writes the checkpoint of the training in `folder` as last saved; an earlier one in `target` goes.

    Raises:
        CannotTrain: nothing was trained, or `target` holds something else.
    """
    if target.exists() and any(target.iterdir()) and not (target / RECIPE).exists():
        raise CannotTrain(f"{target}: holds something that is no exported checkpoint; name another folder")
    export(_resumed(folder), target)


def _opened(asked: Training) -> Run:
    if (asked.folder / store.STATE).exists():
        run, how = _resumed(asked.folder), "resumed"
    elif asked.start_from:
        run, how = _started(asked.start_from), f"started from {asked.start_from}"
    else:
        run, how = store.begin(asked.seed), "begun"
    logger.info("%s at flow step %d", how, run.flow.learner.step)
    return run


def _resumed(folder: Path) -> Run:
    try:
        return store.resume(folder)
    except FileNotFoundError as error:
        raise CannotTrain(
            f"{folder}: has no {store.STATE}; train there first, or name the folder of a training"
        ) from error
    except ValueError as error:
        raise CannotTrain(f"{folder}: {error}") from error


def _started(exported: Path) -> Run:
    try:
        return start_from(exported)
    except FileNotFoundError as error:
        raise CannotTrain(
            f"{exported}: has no {RECIPE}; name a folder that was exported, or made by make-tiny"
        ) from error


@contextlib.contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """One trainer a folder, by a lock that ends with its process; the file says which process it is."""
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / PID).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            pid = file.read().strip()
            raise CannotTrain(
                f"{folder}: process {pid} is training there; `kill {pid}` makes it save and stop"
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        try:
            yield
        finally:
            (folder / PID).unlink(missing_ok=True)


@contextlib.contextmanager
def _logging_to(folder: Path, screen: logging.Handler) -> Iterator[None]:
    tiny = logging.getLogger(__package__)
    before = tiny.level, tiny.propagate
    file = logging.FileHandler(folder / LOG)
    for handler in (file, screen):
        handler.setFormatter(_LOGGED)
        tiny.addHandler(handler)
    tiny.setLevel(logging.INFO)
    tiny.propagate = False
    try:
        yield
    finally:
        tiny.setLevel(before[0])
        tiny.propagate = before[1]
        for handler in (file, screen):
            tiny.removeHandler(handler)
        file.close()


@contextlib.contextmanager
def _noted(received: list[int]) -> Iterator[None]:
    """Within, the signals that stop a process are only noted."""

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
