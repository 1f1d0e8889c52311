"""Faces by name: those of the layout engine, and others that it does not know, kept for held-out posters."""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import Final

import uharfbuzz as hb

from inference.typography.fonts import FAMILIES, Face, Family, face, path_of

_STRANGERS: Final = MappingProxyType(
    {
        family.name: family
        for family in (
            Family("Lobster", "fontpkg-lobster", "Lobster-Regular.ttf"),
            Family("Bungee", "fontpkg-bungee", "Bungee-Regular.ttf", caps_only=True),
            Family("DM Serif Display", "fontpkg-dm-serif-display", "DMSerifDisplay-Regular.ttf"),
            Family("Zilla Slab", "fontpkg-zilla-slab", "ZillaSlab-Bold.ttf"),
            Family("EB Garamond", "fontpkg-eb-garamond", "EBGaramond[wght].ttf", ("wght",)),
            Family(
                "Permanent Marker", "fontpkg-permanent-marker", "PermanentMarker-Regular.ttf", caps_only=True
            ),
            Family("Noto Sans JP", "pylopdf-fonts-jp", "NotoSansJP-Regular.otf"),
            Family("Noto Serif JP", "pylopdf-fonts-jp", "NotoSerifJP-Regular.otf"),
        )
    }
)


@lru_cache(maxsize=64)
def face_named(name: str, weight: int = 700) -> Face:
    """A face of the layout engine's catalogue or of the strangers here.

    Raises:
        FontMissing: its package is not installed; the text says which.
        KeyError: no such family.
    """
    if name in FAMILIES:
        return face(name, weight)
    family = _STRANGERS[name]
    path, version = path_of(family)
    source = hb.Face(hb.Blob.from_file_path(str(path)))
    font = hb.Font(source)
    for axis in source.axis_infos:
        if axis.tag in family.axes:
            font.set_variations({axis.tag: max(axis.min_value, min(axis.max_value, weight))})
    return Face(family, weight, 100, version, source.upem, font)


def can_set(name: str, text: str) -> bool:
    """Whether the family has every letter of the text, in the case it is written in."""
    found = face_named(name)
    return all(character.isspace() or found.covers(character) for character in text)
