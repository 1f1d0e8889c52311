"""The model's own process: loads what it is asked for, draws one picture at a time, says how far it is."""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Final

import msgspec

from inference.sd3.base import CannotDraw, CheckpointError, Drawing, NotHere, OutOfMemory
from inference.sd3.checkpoint import Checkpoint
from inference.sd3.device import Choice
from inference.sd3.shelf import Shelf
from inference.sd3.talk import (
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

if TYPE_CHECKING:
    from inference.sd3.rendering import Renderer
    from inference.typography.canvas import Pixels

_MOST_MODELS: Final = 4
_FAULTS: Final[tuple[tuple[type[Exception], Fault], ...]] = (
    (NotHere, "not_here"),
    (CheckpointError, "checkpoint"),
    (CannotDraw, "cannot_draw"),
    (OutOfMemory, "no_room"),
)
# No model hub is ever asked, and nothing is written over the parent's screen. Waiting threads sleep: the
# other stages run beside us.
_ENVIRONMENT: Final[Mapping[str, str]] = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "DIFFUSERS_VERBOSITY": "error",
    "TRANSFORMERS_VERBOSITY": "error",
    "OMP_WAIT_POLICY": "PASSIVE",
}


class _CalledOff(Exception):
    """Nobody waits for this drawing any more."""


def serve(pipe: Connection, choice: Choice, threads: int | None) -> None:
    """Answers asks until the pipe closes. Run as a spawned process's target."""
    # Ctrl-C reaches the whole group; the parent drains first and then hangs up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    os.environ.update(_ENVIRONMENT)
    line = _Line(pipe)
    logging.basicConfig(level=logging.WARNING, handlers=[_ToParent(line)])
    logging.captureWarnings(True)
    # A parent that is gone needs no answer.
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        _Server(line, choice, threads).run()


class _Line:
    """The child's end of the pipe, for messages of more than one thread."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def say(self, answer: Answer, png: bytes | None = None) -> None:
        with self._lock:
            self._pipe.send_bytes(msgspec.msgpack.encode(answer))
            if png is not None:
                self._pipe.send_bytes(png)

    def heard(self) -> Ask | Stop:
        asked: Ask | Stop = self._pipe.recv()
        return asked

    def called_off(self, number: int) -> bool:
        """Whether a Stop of that number has come. The parent asks nothing new before it is answered."""
        while self._pipe.poll():
            heard = self.heard()
            if isinstance(heard, Stop) and heard.number == number:
                return True
        return False


class _ToParent(logging.Handler):
    def __init__(self, line: _Line) -> None:
        super().__init__()
        self._line = line
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError):
            self._line.say(Told(record.levelno, " ".join(self.format(record).split())))


class _Server:
    def __init__(self, line: _Line, choice: Choice, threads: int | None) -> None:
        self._line = line
        self._choice = choice
        self._threads = threads
        self._shelf: Shelf[Checkpoint, Renderer] = Shelf(self._loaded, most=_MOST_MODELS, released=_release)

    def run(self) -> None:
        while True:
            asked = self._line.heard()
            if isinstance(asked, Ask):
                self._answer(asked)

    def _answer(self, asked: Ask) -> None:
        try:
            self._do(asked)
        except _CalledOff:
            self._line.say(Stopped())
        except (EOFError, ConnectionError):
            raise
        except Exception as error:
            self._line.say(_failure(error))

    def _do(self, asked: Ask) -> None:
        drawing = asked.drawing
        if drawing is None:
            self._shelf.use(asked.checkpoint, lambda _renderer: None)
            self._line.say(Ready())
            return

        def step(done: int, total: int) -> None:
            self._line.say(Step(done, total))
            if self._line.called_off(asked.number):
                raise _CalledOff

        seconds, pixels = self._shelf.use(asked.checkpoint, lambda renderer: _timed(renderer, drawing, step))
        self._line.say(Painted(seconds), _png(pixels))

    def _loaded(self, checkpoint: Checkpoint) -> Renderer:
        self._line.say(Loading())
        started = time.perf_counter()
        import torch

        from inference.sd3.loading import load
        from inference.sd3.rendering import Renderer

        if self._threads is not None:
            torch.set_num_threads(self._threads)
        try:
            renderer = Renderer(load(checkpoint, self._choice))
        except OSError as error:
            raise CheckpointError(
                f"{checkpoint.folder} is not as it was found: {error}; {checkpoint.again}"
            ) from error
        self._line.say(Loaded(time.perf_counter() - started))
        return renderer


def _timed(renderer: Renderer, drawing: Drawing, step: Callable[[int, int], None]) -> tuple[float, Pixels]:
    started = time.perf_counter()
    pixels = renderer.draw(drawing, step)
    return time.perf_counter() - started, pixels


def _png(pixels: Pixels) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    # The store keeps it in a form of its own besides: quick to write counts for more than small.
    Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()


def _failure(error: Exception) -> Failure:
    for kind, fault in _FAULTS:
        if isinstance(error, kind):
            return Failure(fault, str(error))
    return Failure("other", f"{type(error).__name__}: {error}")


def _release() -> None:
    """Gives a dropped model's memory back to the device."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _die_with_parent() -> None:
    """Ends this process when its parent is gone, killed or not, and whatever is being drawn.

    PR_SET_PDEATHSIG would follow the parent's thread that spawned us, which may end earlier.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)
