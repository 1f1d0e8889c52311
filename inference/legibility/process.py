"""The readers' own process, and the blocking handle its parent holds.

The two talk bytes over a pipe: what is asked (MessagePack) and a picture one way, MessagePack the other.
Nothing is unpickled in the
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
from inference.legibility.delivery import size_named
from inference.legibility.looking import ReaderError, judge, look
from inference.legibility.pixels import decode
from inference.legibility.readers import reader_entry
from schemas.events import Legibility, Text

_REAP_S: Final = 1.0


class ProcessDied(Exception):
    """The process ended or fell silent before it answered."""


class FellSilent(ProcessDied):
    """The process did not answer in time and was killed."""


class ReadError(Exception):
    """The process lives, but a reader could not be loaded or failed at this picture."""


class _Question(msgspec.Struct, frozen=True):
    """What to do with the picture that follows: read it, or with `texts` score it too."""

    texts: tuple[Text, ...] | None = None
    by_construction: bool = False
    sizes: tuple[str, ...] = ()


class _Ready(msgspec.Struct, tag=True, frozen=True):
    coverage: dict[str, str]


class _Readings(msgspec.Struct, tag=True, frozen=True):
    lines: dict[str, tuple[Line, ...]]


class _Judged(msgspec.Struct, tag=True, frozen=True):
    legibility: Legibility


class _Failure(msgspec.Struct, tag=True, frozen=True):
    message: str
    refused: bool = False


_Answer = _Ready | _Readings | _Judged | _Failure
_ANSWERS: Final = msgspec.msgpack.Decoder[_Answer](_Answer)
_QUESTIONS: Final = msgspec.msgpack.Decoder(_Question)


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

    def ready(self, timeout_s: float | None = None) -> Mapping[str, frozenset[str]]:
        """Waits for the readers, as long as for a picture or `timeout_s`; their alphabets by name.

        Raises:
            ReadError: a reader could not be loaded. ProcessDied.
        """
        answer = self._answer(self.timeout_s if timeout_s is None else timeout_s)
        if isinstance(answer, _Ready):
            return {name: frozenset(known) for name, known in answer.coverage.items()}
        raise ReadError(answer.message if isinstance(answer, _Failure) else f"unexpected answer {answer!r}")

    def read(self, png: bytes) -> Mapping[str, tuple[Line, ...]]:
        """What each reader read.

        Raises:
            ValueError: the bytes are no picture. ReadError: a reader failed. ProcessDied.
        """
        answer = self._asked(_Question(), png)
        if isinstance(answer, _Readings):
            return answer.lines
        raise ReadError(f"unexpected answer {answer!r}")

    def judge(
        self, png: bytes, texts: Sequence[Text], *, by_construction: bool = False, sizes: Sequence[str] = ()
    ) -> Legibility:
        """How well the texts can be read in it, and at each of the delivery sizes, scored in the process.

        Raises:
            ValueError: the bytes are no picture, a text breaks the schema or a size is none.
            ReadError, ProcessDied.
        """
        answer = self._asked(_Question(tuple(texts), by_construction, tuple(sizes)), png)
        if isinstance(answer, _Judged):
            return answer.legibility
        raise ReadError(f"unexpected answer {answer!r}")

    def close(self) -> None:
        """Ends the process and waits for it: it holds nothing that could be lost."""
        self.kill()
        self._process.join()
        self._pipe.close()

    def kill(self) -> None:
        """Ends the process now; a `read` under way raises ProcessDied."""
        self._process.kill()

    def _asked(self, question: _Question, png: bytes) -> _Answer:
        # A process that hangs takes no more than the pipe holds: sending would wait for ever.
        watchdog = threading.Timer(self.timeout_s, self.kill)
        watchdog.start()
        try:
            self._pipe.send_bytes(msgspec.msgpack.encode(question))
            self._pipe.send_bytes(png)
        except OSError as error:
            if watchdog.finished.is_set():
                raise self._silence(self.timeout_s) from error
            raise self._death(str(error)) from error
        finally:
            watchdog.cancel()
        answer = self._answer(self.timeout_s)
        if isinstance(answer, _Failure):
            raise (ValueError if answer.refused else ReadError)(answer.message)
        return answer

    def _answer(self, timeout_s: float) -> _Answer:
        try:
            if not self._pipe.poll(timeout_s):
                self.kill()
                raise self._silence(timeout_s)
            answer: _Answer = _ANSWERS.decode(self._pipe.recv_bytes())
            return answer
        except (EOFError, OSError) as error:
            raise self._death("it hung up") from error

    def _silence(self, timeout_s: float) -> FellSilent:
        return FellSilent(f"the reader process gave no answer in {timeout_s:g} s and was killed")

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
            question = pipe.recv_bytes()
            pipe.send_bytes(encode(_respond(readers, question, pipe.recv_bytes())))


def _respond(readers: Sequence[Reader], question: bytes, png: bytes) -> _Answer:
    try:
        asked = _QUESTIONS.decode(question)
        sizes = [size_named(name) for name in asked.sizes]
        picture = decode(png)
    except msgspec.ValidationError as error:
        return _Failure(f"texts: {error}", refused=True)
    except ValueError as error:
        return _Failure(str(error), refused=True)
    try:
        if asked.texts is None:
            return _Readings({name: seen.lines for name, seen in look(readers, picture).items()})
        return _Judged(
            judge(readers, picture, asked.texts, by_construction=asked.by_construction, sizes=sizes)
        )
    except ReaderError as error:
        return _Failure(str(error))
    except Exception as error:
        return _Failure(f"scoring: {type(error).__name__}: {error}")


def _die_with_parent() -> None:
    """Ends this process when its parent is gone, killed or not, and whatever a reader is doing.

    PR_SET_PDEATHSIG would follow the parent's thread that spawned us, which may end earlier.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)
