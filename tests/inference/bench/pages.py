"""Benches with pictures and readings, and pages taken apart."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from html.parser import HTMLParser
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from inference.bench.baseline import Report
from inference.bench.details import Detail
from inference.bench.figures import comparisons
from inference.bench.samples import Sample, Subject
from inference.legibility.base import Line
from inference.legibility.score import score
from schemas.events import PromptEvent, Text
from tests.inference.bench.benches import Scripted, report

READER = "reader-1"
LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789% ")
_VOID = frozenset({"meta", "img", "input", "br"})
_INLINE = frozenset({"b", "bdi", "span", "mark", "code", "a", "svg", "use", "text"})


def asked(count: int, *texts: str, critical: bool = False) -> tuple[Subject, ...]:
    """Prompts that all ask for the same words."""
    return tuple(
        Subject.of(
            PromptEvent(
                id=f"prompt-{index}",
                source="bench",
                prompt=f"Poster {index}",
                texts=tuple(Text(text, critical=critical) for text in texts),
            )
        )
        for index in range(count)
    )


def detail(sample: Sample, texts: Sequence[str], read: Sequence[str], *, critical: bool = False) -> Detail:
    """The sample with what a reader made of it, scored for real."""
    lines = tuple(
        Line(
            words, 0.9, ((10, 20.0 * at), (90, 20.0 * at), (90, 20.0 * at + 15), (10, 20.0 * at + 15)), READER
        )
        for at, words in enumerate(read)
    )
    scored = score([Text(text, critical=critical) for text in texts], {READER: lines}, {READER: LETTERS})
    return Detail(sample=sample, legibility=scored, lines=lines)


def compared(
    engines: Sequence[str], subjects: Sequence[Subject], script: Scripted, samples: int = 2
) -> Report:
    """A bench whose pictures have an address each, with its differences."""
    made = report(engines, subjects, script, samples=samples)
    every = [sample for engine in made.engines for sample in engine.samples]
    pairs = comparisons(engines, every, np.random.default_rng(1), rounds=200)
    return Report(conditions=made.conditions, subjects=made.subjects, engines=made.engines, pairs=pairs)


def pictured(script: Scripted) -> Scripted:
    """Gives every picture the address that `poster` draws."""

    def with_address(draw: Any) -> dict[str, Any]:
        return {"image": f"memory://{draw.engine}/{draw.seed}", "render_id": f"{draw.seed}", **script(draw)}

    return with_address


@lru_cache(maxsize=1)
def noise(width: int = 220, height: int = 300) -> bytes:
    """A PNG that no format makes small: as a thumbnail of this size it weighs nearly what it may."""
    grains = np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)
    return _png(Image.fromarray(grains))


@lru_cache(maxsize=64)
def poster(uri: str) -> bytes:
    picture = Image.new("RGB", (256, 384), "#204080")
    ImageDraw.Draw(picture).text((20, 20), uri[-12:], fill="white")
    return _png(picture)


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue()


@dataclass
class Element:
    """`text` is all text within, blanks run together."""

    name: str
    attributes: dict[str, str]
    parent: Element | None = None
    children: list[Element] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join("".join(self.pieces).split())

    def all(self, name: str = "", **attributes: str) -> list[Element]:
        """Every element within of this name and these attributes; `class_` is one of its classes."""
        kind = attributes.pop("class_", None)
        return [
            each
            for child in self.children
            for each in (child, *child.all())
            if (not name or each.name == name)
            and (kind is None or kind in each.attributes.get("class", "").split())
            and all(each.attributes.get(key) == value for key, value in attributes.items())
        ]


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("root", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._apart(tag)
        made = Element(tag, {key: value or "" for key, value in attrs}, self.open[-1])
        self.open[-1].children.append(made)
        if tag not in _VOID:
            self.open.append(made)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, {key: value or "" for key, value in attrs}, self.open[-1]))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].name == tag, f"</{tag}> closes <{self.open[-1].name}>"
        self.open.pop()
        self._apart(tag)

    def _apart(self, tag: str) -> None:
        if tag not in _INLINE:
            self.handle_data(" ")

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.pieces.append(data)


def parsed(page: str) -> Element:
    """The page as a tree; fails where an element is closed that is not the open one, or never closed."""
    parser = _Parser()
    parser.feed(page)
    parser.close()
    assert [each.name for each in parser.open] == ["root"]
    return parser.root
