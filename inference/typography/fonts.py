"""The fonts of the pinned packages, found by distribution name; never a font of the system."""

from __future__ import annotations

import importlib.metadata
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import uharfbuzz as hb
from fontTools import unicodedata as scripts

Outline = tuple[tuple[str, tuple[float, ...]], ...]

_IGNORABLE = frozenset({0x00AD, 0x034F, 0x061C, 0x200B, 0x2060, 0xFEFF, *range(0x200C, 0x2010)}) | frozenset(
    range(0xFE00, 0xFE10)
)
_SAMPLES = {
    "Latin": "Aaßęñ",
    "Vietnamese": "ặệữơ",
    "Greek": "Ωάλ",
    "Cyrillic": "Жяї",
    "Arabic": "عربية",
    "Hebrew": "שלום",
    "Devanagari": "हिंदी",
    "Thai": "ภาษาที่",
    "Han": "中文繪绘",
    "Kana": "あアー、",
    "Hangul": "한글",
}


class FontMissing(RuntimeError):
    """A pinned font package is not installed; the text says which and how to get it."""


@dataclass(frozen=True, slots=True)
class Family:
    """One font file: the distribution that carries it, and the axes it can be set to."""

    name: str
    distribution: str
    file: str
    axes: tuple[str, ...] = ()
    caps_only: bool = False


_FAMILIES = (
    Family("Anton", "fontpkg-anton", "Anton-Regular.ttf"),
    Family("Bebas Neue", "fontpkg-bebas-neue", "BebasNeue-Regular.ttf", caps_only=True),
    Family("Oswald", "fontpkg-oswald", "Oswald[wght].ttf", ("wght",)),
    Family("Playfair Display", "fontpkg-playfair-display", "PlayfairDisplay[wght].ttf", ("wght",)),
    Family(
        "Playfair Display Italic", "fontpkg-playfair-display", "PlayfairDisplay-Italic[wght].ttf", ("wght",)
    ),
    Family("Rubik", "fontpkg-rubik", "Rubik[wght].ttf", ("wght",)),
    Family("Heebo", "fontpkg-heebo", "Heebo[wght].ttf", ("wght",)),
    Family("Noto Sans", "fontpkg-noto-sans", "NotoSans[wdth,wght].ttf", ("wght", "wdth")),
    Family("Noto Serif", "fontpkg-noto-serif", "NotoSerif[wdth,wght].ttf", ("wght", "wdth")),
    Family("Noto Serif Italic", "fontpkg-noto-serif", "NotoSerif-Italic[wdth,wght].ttf", ("wght", "wdth")),
    Family("Noto Sans Arabic", "fontpkg-noto-sans-arabic", "NotoSansArabic[wdth,wght].ttf", ("wght", "wdth")),
    Family(
        "Noto Sans Devanagari",
        "fontpkg-noto-sans-devanagari",
        "NotoSansDevanagari[wdth,wght].ttf",
        ("wght", "wdth"),
    ),
    Family("Noto Sans Thai", "fontpkg-noto-sans-thai", "NotoSansThai[wdth,wght].ttf", ("wght", "wdth")),
    Family("Noto Sans CJK", "cvttf-notosanscjk-bold", "NotoSansCJKtc-Bold.otf"),
)
FAMILIES: dict[str, Family] = {family.name: family for family in _FAMILIES}


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A family at one setting of its axes. Lengths are in font units, y upwards, `upem` to the em."""

    family: Family
    weight: int
    width: int
    version: str
    upem: int
    font: hb.Font = field(repr=False)

    @property
    def name(self) -> str:
        """Family, axes and version, as a poster lists what it was set in."""
        axes = [str(self.weight)] if "wght" in self.family.axes else []
        if "wdth" in self.family.axes and self.width != 100:
            axes.append(f"wdth{self.width}")
        return f"{' '.join([self.family.name, *axes])}@{self.version}"

    def covers(self, grapheme: str) -> bool:
        """Whether every mark of the grapheme has a glyph, composed or decomposed."""
        if self.family.caps_only and any(ch.islower() for ch in grapheme):
            return False
        return any(
            all(self.font.get_nominal_glyph(ord(ch)) for ch in form if not is_ignorable(ch))
            for form in (
                grapheme,
                unicodedata.normalize("NFC", grapheme),
                unicodedata.normalize("NFD", grapheme),
            )
        )


def is_ignorable(character: str) -> bool:
    """Default-ignorable: steers shaping and draws nothing, so it needs no glyph."""
    return ord(character) in _IGNORABLE


@lru_cache(maxsize=64)
def path_of(family: Family) -> tuple[Path, str]:
    """The family's file and the version of the package that carries it.

    Raises:
        FontMissing: the distribution is not installed, or no longer carries the file.
    """
    try:
        distribution = importlib.metadata.distribution(family.distribution)
    except importlib.metadata.PackageNotFoundError as error:
        raise FontMissing(
            f"font {family.name!r} is missing: install it with `pip install {family.distribution}`"
        ) from error
    for file in distribution.files or ():
        path = Path(str(distribution.locate_file(file)))
        if file.name == family.file and path.is_file():
            return path, distribution.version
    raise FontMissing(f"package {family.distribution} {distribution.version} has no {family.file}")


@lru_cache(maxsize=256)
def face(name: str, weight: int = 400, width: int = 100) -> Face:
    """The face of a catalogued family; axes the family lacks are left alone.

    Raises:
        FontMissing: its package is not installed.
        KeyError: no such family in `FAMILIES`.
    """
    family = FAMILIES[name]
    path, version = path_of(family)
    source = hb.Face(hb.Blob.from_file_path(str(path)))
    font = hb.Font(source)
    asked = {"wght": weight, "wdth": width}
    limits = {axis.tag: (axis.min_value, axis.max_value) for axis in source.axis_infos}
    font.set_variations(
        {tag: max(limits[tag][0], min(limits[tag][1], asked[tag])) for tag in family.axes if tag in limits}
    )
    return Face(family, weight, width, version, source.upem, font)


@lru_cache(maxsize=8192)
def outline(face: Face, glyph: int) -> Outline:
    """The glyph's contours as (M|L|Q|C|Z, points) in font units."""
    segments: list[tuple[str, tuple[float, ...]]] = []
    face.font.draw_glyph(glyph, _pen(), segments)
    return tuple(segments)


@lru_cache(maxsize=1)
def _pen() -> hb.DrawFuncs:
    pen = hb.DrawFuncs()
    pen.set_move_to_func(lambda x, y, out: out.append(("M", (x, y))))
    pen.set_line_to_func(lambda x, y, out: out.append(("L", (x, y))))
    pen.set_quadratic_to_func(lambda a, b, x, y, out: out.append(("Q", (a, b, x, y))))
    pen.set_cubic_to_func(lambda a, b, c, d, x, y, out: out.append(("C", (a, b, c, d, x, y))))
    pen.set_close_path_func(lambda out: out.append(("Z", ())))
    return pen


def script_of(character: str) -> str:
    """ISO 15924 code; `Zyyy` for what all scripts share, `Zinh` for combining marks."""
    return str(scripts.script(character))


def dominant_script(text: str) -> str:
    """The script most letters of `text` are in; `Latn` where none is."""
    counts: dict[str, int] = {}
    for character in text:
        code = script_of(character)
        if code not in ("Zyyy", "Zinh", "Zzzz"):
            counts[code] = counts.get(code, 0) + 1
    return max(counts, key=lambda code: counts[code]) if counts else "Latn"


def scripts_available() -> dict[str, tuple[str, ...]]:
    """For each script we promise, the installed families that cover it (none: an empty tuple)."""
    installed = []
    for family in _FAMILIES:
        try:
            installed.append(face(family.name))
        except FontMissing:
            continue
    return {
        script: tuple(
            each.family.name
            for each in installed
            if not each.family.caps_only and all(each.covers(character) for character in sample)
        )
        for script, sample in _SAMPLES.items()
    }
