"""The files a bench leaves: found to be writable before the first picture, and whole or not there at all."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from inference.bench.options import STANDARD_OUTPUT


class NotWritable(ValueError):
    """A report could not be kept; the text names the option and the fix."""


def probe(option: str, path: Path | None) -> None:
    """Makes the folder of `path`, and tries whether a file can be made in it.

    Raises:
        NotWritable
    """
    if path is None or path == STANDARD_OUTPUT:
        return
    target = path.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            raise IsADirectoryError(None, "it is a folder")
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(None, "it is protected")
        if _is_ordinary(target):
            with tempfile.TemporaryFile(dir=target.parent):
                pass
    except OSError as error:
        raise NotWritable(f"{option} {path}: {error.strerror}; name a file that can be written") from error


def write(path: Path, data: bytes) -> None:
    """Writes a new file that then takes the name, so that a full disk or a kill leaves the old one whole.

    Raises:
        OSError
    """
    if path == STANDARD_OUTPUT:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    target = path.resolve()
    if not _is_ordinary(target):
        target.write_bytes(data)
        return
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _is_ordinary(path: Path) -> bool:
    """Whether a file may take its name: that of a device or a pipe is not to be taken from it."""
    return path.is_file() or not path.exists()
