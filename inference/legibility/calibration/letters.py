"""Every letter of the scripts that a reader declares, set in words in the tuning fonts and read back.

A letter is met in words of its language, because a reader leans on those around it: the words begin with a
capital, and are then set again in capitals throughout.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Final

import numpy as np

from inference.legibility.assign import assign
from inference.legibility.base import Line
from inference.legibility.calibration import strokes
from inference.legibility.calibration.faces import can_set
from inference.legibility.calibration.posters import TUNING_FONTS, Rgb, Sketch
from inference.legibility.calibration.setting import set_type
from inference.legibility.folding import strict, units
from inference.legibility.misreadings import LEAST
from inference.legibility.page import lay_out, weighed
from inference.typography import canvas
from schemas.events import Text

# Words of each language, by locale; together they hold every letter of its alphabet that posters use.
_WORDS: Final[dict[str, str]] = json.loads(
    resources.files(__package__).joinpath("words.json").read_text("utf-8")
)
# Signs of currency beside a sum, where posters have them.
_SUMS: Final = (
    "$25",
    "€7",
    "19 €",
    "£4",
    "¥900",
    "250 ₺",
    "60 ₺",
    "₺85",
    "₹80",
    "₩60",
    "90 ¢",
    "40%",
    "15 %",
)
_SCRIPTS: Final = {"ja": "Japanese", "zh-CN": "Chinese", "zh-TW": "Chinese"}
_FAMILIES: Final = (*dict.fromkeys(face for pair in TUNING_FONTS["Latin"] for face in pair),)
_SIZES: Final = (56.0, 34.0, 24.0)
_LINES: Final = 10
_PER_LINE: Final = 2
_PAPER: Final[Rgb] = (248, 246, 240)
_INK: Final[Rgb] = (28, 26, 30)


@dataclass(frozen=True, slots=True)
class Specimen:
    """A sheet of lines in one family, with the size of each in px to the em."""

    sketch: Sketch
    lines: tuple[str, ...]
    sizes: tuple[float, ...]


@dataclass(slots=True)
class Tally:
    """How a letter came out: how often it was set, read right, and what else was read (empty: nothing).

    `weighed` counts of the latter where the reader held the letter for possible (`misreadings.LEAST`).
    """

    set: int = 0
    right: int = 0
    instead: Counter[str] = field(default_factory=Counter)
    weighed: Counter[str] = field(default_factory=Counter)

    def row(self) -> dict[str, object]:
        """As JSON: `instead` with how often each was printed and this letter weighed, most frequent first."""
        instead = {said: (count, self.weighed[said]) for said, count in self.instead.most_common()}
        return {"set": self.set, "right": self.right, **({"instead": instead} if instead else {})}


def specimens() -> Iterator[Specimen]:
    """The same sheets each time: every word in every tuning family that has its letters."""
    for locale, words in _WORDS.items():
        families = ("Noto Sans CJK",) if locale in _SCRIPTS else _FAMILIES
        for family in families:
            kept = list(dict.fromkeys(_forms(words.split(), locale, family)))
            lines = [" ".join(kept[at : at + _PER_LINE]) for at in range(0, len(kept), _PER_LINE)]
            yield from _sheets(f"letters-{locale}", locale, family, lines)
    for family in _FAMILIES:
        yield from _sheets("letters-sums", "en", family, [each for each in _SUMS if can_set(family, each)])


def _forms(words: Sequence[str], locale: str, family: str) -> Iterator[str]:
    for word in words:
        if can_set(family, word):
            yield word
    for word in words:
        capitals = upper(word, locale)
        if can_set(family, capitals):
            yield capitals


def upper(word: str, locale: str) -> str:
    """In capitals, as the language has them; German keeps its ß."""
    if locale == "tr":
        word = word.replace("i", "İ").replace("ı", "I")
    return "".join(each if each == "ß" else each.upper() for each in word)


def _sheets(name: str, locale: str, family: str, lines: Sequence[str]) -> Iterator[Specimen]:
    for at in range(0, len(lines), _LINES):
        chosen = tuple(lines[at : at + _LINES])
        sketch = Sketch(
            name=f"{name}-{family}-{at}", script=_SCRIPTS.get(locale, "Latin"), locale=locale,
            texts=tuple(Text(text=line, locale=locale) for line in chosen), faces=(family, family),
            size=(640, 896), paper=_PAPER, ink=_INK, ground="flat", order="listed", centred=False,
        )  # fmt: skip
        turn = at // _LINES
        sizes = tuple(_SIZES[(place + turn) % len(_SIZES)] for place in range(len(chosen)))
        yield Specimen(sketch, chosen, sizes)


def sheet(specimen: Specimen) -> bytes:
    """The specimen as a PNG."""
    sketch = specimen.sketch
    pixels, surface = canvas.sheet(*sketch.size)
    surface.drawPaint(canvas.fill(sketch.paper))
    for block in set_type(sketch, specimen.lines, sizes={1: _SIZES[1], **dict(enumerate(specimen.sizes))}):
        covered = strokes.ink(block, sketch.size)[..., None]
        blended = pixels[..., :3] * (1 - covered) + np.array(sketch.ink, np.float32) * covered
        pixels[..., :3] = np.round(blended).astype(np.uint8)
    return canvas.to_png(pixels)


def tally(lines: Sequence[str], read: Sequence[Line], found: defaultdict[str, Tally]) -> None:
    """Counts how each letter and sign of the lines came out. A line of which nothing was found counts not."""
    page = lay_out(read)
    for line, span in zip(lines, assign([units(line) for line in lines], page), strict=True):
        if span is None:
            continue
        words = [page.words[word] for word in span.words]
        meant, raw = strict(line), "".join(word.raw for word in words)
        beside = weighed(words)
        for place, at in enumerate(_aligned(meant, raw)):
            letter = meant[place]
            said = raw[at] if at is not None else ""
            each = found[letter]
            each.set += 1
            each.right += said == letter
            if said != letter:
                each.instead[said] += 1
                each.weighed[said] += at is not None and beside.get((at, letter), 0.0) >= LEAST


def _aligned(meant: str, read: str) -> list[int | None]:
    """For each character meant the place of what was read for it, by least edits; None: nothing was."""
    rows = [list(range(len(read) + 1))]
    for place, letter in enumerate(meant):
        above = rows[-1]
        row = [place + 1]
        for at, said in enumerate(read):
            row.append(min(above[at] + (said != letter), above[at + 1] + 1, row[at] + 1))
        rows.append(row)
    found: list[int | None] = [None] * len(meant)
    place, at = len(meant), len(read)
    while place and at:
        if rows[place][at] == rows[place - 1][at - 1] + (meant[place - 1] != read[at - 1]):
            place, at = place - 1, at - 1
            found[place] = at
        elif rows[place][at] == rows[place - 1][at] + 1:
            place -= 1
        else:
            at -= 1
    return found
