"""The handle that a parent holds on the local models' own process: blocking, one ask at a time."""

from __future__ import annotations

import logging
import multiprocessing
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from inference.sd3.base import CannotDraw, CheckpointError, Drawing, NotHere, OutOfMemory
from inference.sd3.checkpoint import Checkpoint
from inference.sd3.device import Choice
from inference.sd3.serving import serve
from inference.sd3.talk import (
    ANSWERS,
    Answer,
    Ask,
    Failure,
    Fault,
    Loaded,
    Loading,
    Painted,
    Ready,
    Step,
    Stop,
    Stopped,
    Told,
)

_REAP_S: Final = 5.0
_TELL_EVERY_S: Final = 5.0

_log = logging.getLogger(__name__)


class ProcessDied(Exception):
    """The process ended or fell silent before it answered; `after_s` is when another may be tried."""

    def __init__(self, message: str, *, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


class FellSilent(ProcessDied):
    """The process gave no sign of life in time and was killed."""


class CalledOff(Exception):
    """The drawing was ended because nobody waited for it."""


class DrawFailed(Exception):
    """The process lives, but the model failed at this drawing in a way that nobody foresaw."""


_ERRORS: Final[dict[Fault, type[Exception]]] = {
    "not_here": NotHere,
    "checkpoint": CheckpointError,
    "cannot_draw": CannotDraw,
    "no_room": OutOfMemory,
    "other": DrawFailed,
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one ask is: `done` of `total` steps, or `seconds` into loading the model."""

    model: str
    doing: Literal["loading", "loaded", "drawing"]
    done: int = 0
    total: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Drawn:
    """`seconds` are the drawing's alone, without loading and waiting."""

    png: bytes
    seconds: float


Watch = Callable[[Progress], None]


class ModelProcess:
    """A spawned process with its models. Only `kill` may come from another thread.

    Loading one may take `loading_s`; otherwise the process may be silent for `silent_s`, which bounds a step
    of the largest drawing, the encoding of its prompt and the decoding of its pixels, each by itself.
    """

    def __init__(
        self,
        choice: Choice,
        *,
        threads: int | None,
        loading_s: float,
        silent_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._loading_s = loading_s
        self._silent_s = silent_s
        self._clock = clock
        self._number = 0
        self._process = spawn.Process(target=serve, args=(theirs, choice, threads), name="sd3", daemon=True)
        self._process.start()
        # With this copy open the parent would not see the pipe close when the child dies.
        theirs.close()

    @property
    def pid(self) -> int | None:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def load(self, checkpoint: Checkpoint, watch: Watch) -> None:
        """Waits until the model is at hand.

        Raises:
            CheckpointError, OutOfMemory, DrawFailed, ProcessDied
        """
        self._ask(checkpoint, None, watch, threading.Event())

    def draw(
        self, checkpoint: Checkpoint, drawing: Drawing, watch: Watch, abandoned: threading.Event
    ) -> Drawn:
        """The picture. When `abandoned` is set the drawing ends within two steps.

        Raises:
            CannotDraw, CheckpointError, OutOfMemory, DrawFailed
            CalledOff: it was abandoned.
            ProcessDied: this handle is of no more use.
        """
        ended = self._ask(checkpoint, drawing, watch, abandoned)
        if not isinstance(ended, Painted):
            raise DrawFailed(f"{checkpoint.model}: answered {ended!r} where a picture was asked for")
        return Drawn(self._bytes(self._silent_s), ended.seconds)

    def close(self) -> None:
        """Ends the process, which holds nothing that could be lost, and waits some seconds for its end."""
        self.kill()
        self._process.join(_REAP_S)
        self._pipe.close()

    def kill(self) -> None:
        """Ends the process now; what is under way raises ProcessDied."""
        self._process.kill()

    def _ask(
        self, checkpoint: Checkpoint, drawing: Drawing | None, watch: Watch, abandoned: threading.Event
    ) -> Answer:
        """What ended the ask, if it ended well."""
        self._number += 1
        self._send(Ask(self._number, checkpoint, drawing))
        model, loading, called_off = checkpoint.model, _Loading(self._clock, checkpoint.model, watch), False
        while True:
            answer = self._answer(self._loading_s if loading else self._silent_s, loading.tell)
            match answer:
                case Told():
                    _log.log(answer.level, "%s: %s", model, answer.text)
                case Loading():
                    loading.begin()
                case Loaded():
                    loading.end(answer.seconds)
                case Step():
                    watch(Progress(model, "drawing", answer.done, answer.total))
                    if abandoned.is_set() and not called_off:
                        called_off = True
                        self._send(Stop(self._number))
                case Failure():
                    raise _ERRORS[answer.fault](answer.text)
                case Stopped():
                    raise CalledOff(f"{model}: the drawing was called off")
                case Ready() | Painted():
                    return answer

    def _send(self, message: Ask | Stop) -> None:
        # A process that hangs takes no more than the pipe holds: sending would wait for ever.
        watchdog = threading.Timer(self._silent_s, self.kill)
        watchdog.start()
        try:
            self._pipe.send(message)
        except OSError as error:
            if watchdog.finished.is_set():
                raise self._silence(self._silent_s) from error
            raise self._death(str(error)) from error
        finally:
            watchdog.cancel()

    def _answer(self, limit_s: float, tell: Callable[[], None]) -> Answer:
        try:
            answer: Answer = ANSWERS.decode(self._bytes(limit_s, tell))
        except msgspec.DecodeError as error:
            self.kill()
            raise ProcessDied(f"the model's process spoke nonsense and was killed ({error})") from error
        return answer

    def _bytes(self, limit_s: float, tell: Callable[[], None] = lambda: None) -> bytes:
        """The next message; `tell` is called every few seconds of waiting."""
        began = self._clock()
        try:
            while not self._pipe.poll(min(limit_s, _TELL_EVERY_S)):
                if self._clock() - began >= limit_s:
                    self.kill()
                    raise self._silence(limit_s)
                tell()
            return self._pipe.recv_bytes()
        except (EOFError, OSError) as error:
            raise self._death("it hung up") from error

    def _silence(self, limit_s: float) -> FellSilent:
        return FellSilent(f"the model's process gave no sign of life for {limit_s:g} s and was killed")

    def _death(self, reason: str) -> ProcessDied:
        self._process.join(_REAP_S)
        return ProcessDied(f"the model's process died ({reason}, exit code {self._process.exitcode})")


class _Loading:
    """Tells of one loading, from its begin to its end; true while it lasts."""

    def __init__(self, clock: Callable[[], float], model: str, watch: Watch) -> None:
        self._clock = clock
        self._model = model
        self._watch = watch
        self._began: float | None = None

    def __bool__(self) -> bool:
        return self._began is not None

    def begin(self) -> None:
        self._began = self._clock()
        self.tell()

    def tell(self) -> None:
        if self._began is not None:
            self._watch(Progress(self._model, "loading", seconds=self._clock() - self._began))

    def end(self, seconds: float) -> None:
        self._began = None
        self._watch(Progress(self._model, "loaded", seconds=seconds))
