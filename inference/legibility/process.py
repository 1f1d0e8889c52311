"""The readers' own process, and the blocking handle its parent holds.

The two talk bytes over a pipe: a picture one way, MessagePack the other. Nothing is unpickled in the
parent, so weights that took over the child could still only answer with text.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Final

import msgspec

from inference.legibility.base import Line, Reader
from inference.legibility.readers import reader_entry

_REAP_S: Final = 1.0


class ProcessDied(Exception):
    """The process ended or fell silent before it answered."""


class ReadError(Exception):
    """The process lives, but a reader could not be loaded or failed at this picture."""


class _Ready(msgspec.Struct, tag=True, frozen=True):
    coverage: dict[str, str]


class _Readings(msgspec.Struct, tag=True, frozen=True):
    lines: dict[str, tuple[Line, ...]]


class _Failure(msgspec.Struct, tag=True, frozen=True):
    message: str
    bad_picture: bool = False


_Answer = _Ready | _Readings | _Failure
_ANSWERS: Final = msgspec.msgpack.Decoder[_Answer](_Answer)


class ReaderProcess:
    """A spawned process with its readers, one picture at a time. Only `kill` may come from another thread."""

    def __init__(self, names: Sequence[str], *, threads: int, timeout_s: float) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self.timeout_s = timeout_s
        self._process = spawn.Process(
            target=_serve, args=(theirs, tuple(names), threads), name="ocr", daemon=True
        )
        self._process.start()
        # With this copy open the parent would not see the pipe close when the child dies.
        theirs.close()

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def ready(self) -> Mapping[str, frozenset[str]]:
        """Waits until the readers are loaded; their alphabets by reader name.

        Raises:
            ReadError: a reader could not be loaded. ProcessDied.
        """
        answer = self._answer()
        if isinstance(answer, _Ready):
            return {name: frozenset(known) for name, known in answer.coverage.items()}
        raise ReadError(answer.message if isinstance(answer, _Failure) else f"unexpected answer {answer!r}")

    def read(self, png: bytes) -> Mapping[str, tuple[Line, ...]]:
        """What each reader read.

        Raises:
            ValueError: the bytes are no picture. ReadError: a reader failed. ProcessDied.
        """
        try:
            self._pipe.send_bytes(png)
        except OSError as error:
            raise self._death(str(error)) from error
        answer = self._answer()
        if isinstance(answer, _Readings):
            return answer.lines
        if isinstance(answer, _Failure) and answer.bad_picture:
            raise ValueError(answer.message)
        raise ReadError(answer.message if isinstance(answer, _Failure) else f"unexpected answer {answer!r}")

    def close(self) -> None:
        """Ends the process and waits for it: it holds nothing that could be lost."""
        self.kill()
        self._process.join()
        self._pipe.close()

    def kill(self) -> None:
        """Ends the process now; a `read` under way raises ProcessDied."""
        self._process.kill()

    def _answer(self) -> _Answer:
        try:
            if not self._pipe.poll(self.timeout_s):
                self.kill()
                raise self._death(f"no answer in {self.timeout_s:g} s")
            answer: _Answer = _ANSWERS.decode(self._pipe.recv_bytes())
            return answer
        except (EOFError, OSError) as error:
            raise self._death("it hung up") from error

    def _death(self, reason: str) -> ProcessDied:
        self._process.join(_REAP_S)
        return ProcessDied(f"the reader process died ({reason}, exit code {self._process.exitcode})")


def _serve(pipe: Connection, names: Sequence[str], threads: int) -> None:
    """The child: loads, says what it can read, answers pictures until the pipe closes."""
    # Ctrl-C reaches the whole group; the parent drains first and then hangs up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    encode = msgspec.msgpack.encode
    # A parent that is gone needs no answer.
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            readers = tuple(reader_entry(name).open(threads=threads) for name in names)
        except Exception as error:
            pipe.send_bytes(encode(_Failure(f"{type(error).__name__}: {error}")))
            return
        pipe.send_bytes(encode(_Ready({r.name: "".join(sorted(r.characters())) for r in readers})))
        while True:
            pipe.send_bytes(encode(_read(readers, pipe.recv_bytes())))


def _read(readers: Sequence[Reader], png: bytes) -> _Answer:
    lines: dict[str, tuple[Line, ...]] = {}
    for reader in readers:
        try:
            lines[reader.name] = reader.read(png)
        except ValueError as error:
            return _Failure(str(error), bad_picture=True)
        except Exception as error:
            return _Failure(f"{reader.name}: {type(error).__name__}: {error}")
    return _Readings(lines)


def _die_with_parent() -> None:
    """Ends this process when its parent is gone, killed or not, and whatever a reader is doing.

    PR_SET_PDEATHSIG would follow the parent's thread that spawned us, which may end earlier.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)
