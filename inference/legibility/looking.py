"""Readers and a picture in, a score out: one look, and further ones where texts were not found or doubted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from PIL import Image

from inference.legibility import edges, visibility
from inference.legibility.base import Line, Reader, Seen
from inference.legibility.delivery import Size
from inference.legibility.rereading import View, closer_view, further_views
from inference.legibility.score import Look, assess, score
from schemas.events import Legibility, SizeReading, Text

# No further look is begun so long after the first began: what eight looks take (RapidOCR 2 s,
# EasyOCR 27 s), so that a score hangs on no busy machine, and half of the service's time-out.
STOP_AFTER_S: Final = 30.0

_Mark: TypeAlias = Callable[[Image.Image, Sequence[Line]], Sequence[Line]]


class ReaderError(RuntimeError):
    """A reader failed at a picture; the text names it."""


def look(readers: Sequence[Reader], picture: Image.Image, view: View | None = None) -> dict[str, Seen]:
    """What each reader sees in the whole picture, or in a view, with its lines marked.

    They say which edges they are near to and whether a person would see them.

    Raises:
        ReaderError: a reader raised.
    """
    view = view or whole(picture)
    return {reader.name: _seen(reader, picture, view, visibility.marked) for reader in readers}


def whole(picture: Image.Image, zoom: float = 1.0) -> View:
    """All of a picture, upright."""
    return View((0, 0, picture.width, picture.height), zoom=zoom)


def judge(
    readers: Sequence[Reader],
    picture: Image.Image,
    texts: Sequence[Text],
    *,
    by_construction: bool = False,
    sizes: Sequence[Size] = (),
    clock: Callable[[], float] = time.monotonic,
) -> Legibility:
    """The score of a picture, after as many looks as `rereading` asks for, and at each delivery size.

    Raises:
        ReaderError: a reader raised.
    """
    began = clock()
    coverage = {reader.name: reader.characters() for reader in readers}
    first = look(readers, picture)
    lines = _lines(first)
    found = assess(texts, lines, coverage, by_construction=by_construction)
    again: list[Look] = []
    doubtful = [line for seen in first.values() for line in seen.doubtful]
    if found.missing:
        views = further_views(picture.size, (*found.unread, *doubtful))
    else:
        views = (closer_view(picture.size, found.doubted),) if found.doubted else ()
    for view in views:
        if not found.lost or clock() - began > STOP_AFTER_S:
            break
        again.append(Look(view, _lines(look(readers, picture, view))))
        found = assess(texts, lines, coverage, by_construction=by_construction, again=again)
    at_sizes = tuple(_at(size, readers, picture, texts, coverage) for size in sizes)
    return replace(found.legibility, sizes=at_sizes)


def _seen(reader: Reader, picture: Image.Image, view: View, mark: _Mark) -> Seen:
    try:
        seen = reader.look(view.of(picture), zoom=view.zoom)
    except Exception as error:
        raise ReaderError(f"{reader.name}: {type(error).__name__}: {error}") from error
    placed = [replace(line, box=view.in_picture(line.box)) for line in seen.lines]
    found = mark(picture, edges.marked(picture, placed))
    return replace(
        seen,
        lines=tuple(
            replace(line, near=there.near, cut=there.cut, unseen=there.unseen)
            for line, there in zip(seen.lines, found, strict=True)
        ),
    )


def _lines(seen: Mapping[str, Seen]) -> dict[str, tuple[Line, ...]]:
    return {reader: each.lines for reader, each in seen.items()}


def _at(
    size: Size,
    readers: Sequence[Reader],
    picture: Image.Image,
    texts: Sequence[Text],
    coverage: Mapping[str, frozenset[str]],
) -> SizeReading:
    shown, zoom = size.of(picture)
    seen = {
        # Of a thumbnail is asked what can be read in it, not whether its small print is small.
        reader.name: _seen(reader, shown, whole(shown, zoom), lambda _, lines: lines)
        for reader in readers
    }
    found = score(texts, _lines(seen), coverage)
    return SizeReading(
        size=size.name,
        score=found.score,
        recall=found.recall,
        precision=found.precision,
        critical_exact=found.critical_exact,
    )
