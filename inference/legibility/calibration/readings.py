"""Readings kept in a file, so that a changed score is measured again without reading anything again."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import msgspec
from PIL import Image

from inference.legibility.base import Alternative, Corners, Line, Reader, Seen


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """A line as it was read."""

    text: str
    confidence: float
    box: Corners
    alternatives: tuple[Alternative, ...] = ()


class _Row(msgspec.Struct, frozen=True):
    """One look of one reader."""

    sha256: str
    reader: str
    zoom: float
    lines: tuple[_Kept, ...]
    doubtful: tuple[_Kept, ...]


_ROWS: Final = msgspec.json.Decoder(_Row)


class Remembered:
    """A reader that looks at no picture twice: what it saw is in `path` (JSON Lines).

    A look is known by the SHA-256 of the picture's size and pixels, the reader's name and the zoom: where a
    reader changes and its name does not, the file is to be deleted. A row is whole or not there; what a
    killed process left of its last one is cut off. One process writes. `misses` counts real looks.
    """

    def __init__(self, reader: Reader, path: Path) -> None:
        self.name = reader.name
        self.misses = 0
        self._reader = reader
        self._path = path
        self._known = {(row.sha256, row.zoom): row for row in _whole(path) if row.reader == reader.name}

    def characters(self) -> frozenset[str]:
        return self._reader.characters()

    def look(self, picture: Image.Image, *, zoom: float = 1.0) -> Seen:
        digest = _digest(picture)
        row = self._known.get((digest, zoom))
        if row is None:
            self.misses += 1
            seen = self._reader.look(picture, zoom=zoom)
            row = _Row(digest, self.name, zoom, _packed(seen.lines), _packed(seen.doubtful))
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode(row) + b"\n")
            self._known[digest, zoom] = row
        return Seen(self._lines(row.lines), self._lines(row.doubtful))

    def _lines(self, kept: tuple[_Kept, ...]) -> tuple[Line, ...]:
        return tuple(
            Line(each.text, each.confidence, each.box, self.name, alternatives=each.alternatives)
            for each in kept
        )


def _packed(lines: tuple[Line, ...]) -> tuple[_Kept, ...]:
    return tuple(_Kept(line.text, line.confidence, line.box, line.alternatives) for line in lines)


def _digest(picture: Image.Image) -> str:
    found = hashlib.sha256(repr((picture.mode, picture.size)).encode())
    found.update(picture.tobytes())
    return found.hexdigest()


def _whole(path: Path) -> list[_Row]:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        return []
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    return [_ROWS.decode(row) for row in whole.splitlines()]
