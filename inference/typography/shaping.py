"""From words to positioned glyphs: fallback by coverage, runs by script and level, HarfBuzz within."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import regex
import uharfbuzz as hb

from inference.typography import bidirectional
from inference.typography.bidirectional import Direction
from inference.typography.fonts import Face, is_ignorable, script_of

_GRAPHEME = regex.compile(r"\X")
_UNTRACKED = frozenset({"Arab", "Deva", "Thai", "Syrc", "Beng", "Khmr", "Taml", "Telu"})


class NoGlyph(ValueError):
    """Some characters have a glyph in none of the faces."""

    def __init__(self, characters: tuple[str, ...]) -> None:
        super().__init__(characters)
        self.characters = characters


@dataclass(frozen=True, slots=True)
class Glyph:
    """One glyph at its pen position, in em, y upwards from the baseline; `cluster` indexes the text."""

    face: Face
    id: int
    x: float
    y: float
    cluster: int


@dataclass(frozen=True, slots=True)
class Shaped:
    """One line, glyphs left to right. `ascent` and `descent` are the ink's reach, positive, in em."""

    glyphs: tuple[Glyph, ...]
    advance: float
    ascent: float
    descent: float


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A text with what is decided before its lines are: direction, and by character level, face, script."""

    text: str
    direction: Direction
    locale: str
    levels: tuple[int, ...]
    faces: tuple[Face, ...]
    scripts: tuple[str, ...]
    tracking: float = 0.0


def graphemes(text: str) -> list[tuple[int, int]]:
    """Extended grapheme clusters (UAX #29) as (start, end)."""
    return [match.span() for match in _GRAPHEME.finditer(text)]


def paragraph(
    text: str, chain: Sequence[Face], *, direction: Direction, locale: str = "en", tracking: float = 0.0
) -> Paragraph:
    """Decides face, script and level for every character.

    Raises:
        NoGlyph: names every grapheme that no face of the chain covers.
    """
    chosen = _faces(text, chain)
    scripts = _scripts(text)
    spaced = 0.0 if _UNTRACKED & set(scripts) else tracking
    return Paragraph(text, direction, locale, bidirectional.levels(text, direction), chosen, scripts, spaced)


def shape(para: Paragraph, start: int = 0, end: int | None = None) -> Shaped:
    """Shapes one line of the paragraph, `text[start:end]`, into visual order."""
    end = len(para.text) if end is None else end
    glyphs: list[Glyph] = []
    pen = 0.0
    for left, right, level in bidirectional.runs(para.levels[start:end]):
        for run in _uniform(para, start + left, start + right, level):
            pen = _shape_run(para, run, level, pen, glyphs)
    if glyphs:
        pen -= para.tracking
    ascent, descent = _reach(glyphs)
    return Shaped(tuple(glyphs), pen, ascent, descent)


def advances(para: Paragraph) -> tuple[float, ...]:
    """Em advance by character in logical order, for measuring where lines may break."""
    out = [0.0] * len(para.text)
    glyphs: list[Glyph] = []
    for left, right, level in bidirectional.runs(para.levels):
        for run in _uniform(para, left, right, level):
            _shape_run(para, run, level, 0.0, glyphs, out)
    return tuple(out)


def _shape_run(
    para: Paragraph,
    run: tuple[int, int],
    level: int,
    pen: float,
    glyphs: list[Glyph],
    by_character: list[float] | None = None,
) -> float:
    face = para.faces[run[0]]
    buffer = hb.Buffer()
    buffer.add_str(para.text, run[0], run[1] - run[0])
    buffer.direction = "rtl" if level % 2 else "ltr"
    buffer.script = para.scripts[run[0]]
    buffer.language = para.locale.replace("_", "-")
    buffer.cluster_level = hb.BufferClusterLevel.MONOTONE_GRAPHEMES
    hb.shape(face.font, buffer, {"kern": True, "liga": not para.tracking, "lnum": True})
    last = -1
    for info, position in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
        # All that draws has a glyph: this can only be a line feed.
        if info.codepoint == 0:
            continue
        glyphs.append(
            Glyph(
                face,
                info.codepoint,
                pen + position.x_offset / face.upem,
                position.y_offset / face.upem,
                info.cluster,
            )
        )
        advance = position.x_advance / face.upem
        if para.tracking and info.cluster != last and advance:
            advance += para.tracking
        last = info.cluster
        pen += advance
        if by_character is not None:
            by_character[info.cluster] += advance
    return pen


def _uniform(para: Paragraph, start: int, end: int, level: int) -> list[tuple[int, int]]:
    """Cuts a level run where face or script changes, in visual order."""
    cuts = [start]
    for index in range(start + 1, end):
        before, here = index - 1, index
        if para.faces[before] is not para.faces[here] or para.scripts[before] != para.scripts[here]:
            cuts.append(index)
    runs = list(zip(cuts, [*cuts[1:], end], strict=True))
    return runs[::-1] if level % 2 else runs


def _faces(text: str, chain: Sequence[Face]) -> tuple[Face, ...]:
    chosen: list[Face | None] = [None] * len(text)
    missing: dict[str, None] = {}
    previous = chain[0]
    for start, end in graphemes(text):
        grapheme = text[start:end]
        neutral = grapheme.isspace() or all(is_ignorable(ch) for ch in grapheme)
        candidates = (previous, *chain) if neutral else chain
        found = next((face for face in candidates if neutral or face.covers(grapheme)), None)
        if found is None:
            missing[grapheme] = None
            continue
        previous = found
        chosen[start:end] = [found] * (end - start)
    if missing:
        raise NoGlyph(tuple(missing))
    return tuple(face for face in chosen if face is not None)


def _scripts(text: str) -> tuple[str, ...]:
    """Script by character; common and inherited ones join their neighbour (UAX #24, 5.1)."""
    codes = [script_of(ch) for ch in text]
    first = next((code for code in codes if code not in ("Zyyy", "Zinh")), "Latn")
    out: list[str] = []
    for code in codes:
        if code in ("Zyyy", "Zinh"):
            out.append(out[-1] if out else first)
        else:
            out.append(code)
    return tuple(out)


def _reach(glyphs: Sequence[Glyph]) -> tuple[float, float]:
    ascent = descent = 0.0
    for glyph in glyphs:
        extents = glyph.face.font.get_glyph_extents(glyph.id)
        if extents is None or not extents.height:
            continue
        top = glyph.y + extents.y_bearing / glyph.face.upem
        bottom = glyph.y + (extents.y_bearing + extents.height) / glyph.face.upem
        ascent, descent = max(ascent, top), max(descent, -bottom)
    return ascent, descent


def normalise(text: str) -> str:
    """NFC, without the controls that only steer other renderers (soft hyphens, embeddings, isolates)."""
    steering = {0xAD, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
    kept = "".join(ch for ch in unicodedata.normalize("NFC", text) if ord(ch) not in steering)
    return "\n".join(regex.sub(r"[ \t\r\f\v]+", " ", line).strip() for line in kept.splitlines())
