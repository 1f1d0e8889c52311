"""How a poster looks: what a prompt's own words name of it, and by lot, always the same, what they do not."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from inference.sd3.tiny.words import COLOURS, FACES, GROUNDS, SHAPES

_SHAPE_WORDS: Final[Mapping[str, str]] = {
    "circle": "sun, moon, disc, disk, dot, ball, globe, planet, coin, record, vinyl, bubble, lantern",
    "square": "box, block, tile, cube, window, grid, book, brick",
    "triangle": "mountain, pyramid, tent, roof, sail, peak, hill, arrow, lighthouse",
    "star": "spark, sparkle, firework, festival, snowflake, compass",
    "ring": "rings, hoop, halo, wheel, donut, orbit, loop, saturn, tunnel",
    "diamond": "gem, jewel, kite, rhombus, crystal, lozenge",
}
_COLOUR_WORDS: Final[Mapping[str, str]] = {
    "red": "crimson, scarlet, cherry, ruby, brick, ember",
    "orange": "amber, copper, bronze, terracotta, sunset, rust, tangerine",
    "yellow": "gold, golden, lemon, mustard, sunny, brass",
    "green": "emerald, lime, olive, leaf, moss",
    "teal": "turquoise, cyan, aqua",
    "blue": "azure, cobalt, sapphire, indigo",
    "purple": "violet, lilac, lavender, plum, mauve",
    "pink": "neon, magenta, fuchsia, coral, rose",
}
_GROUND_WORDS: Final[Mapping[str, str]] = {
    "deep blue": "navy, midnight, ocean, sea, dusk, rain, rainy",
    "deep green": "forest, jungle, pine, garden",
    "deep red": "burgundy, wine, velvet, maroon",
    "deep purple": "aubergine, twilight, synthwave",
    "deep teal": "petrol, harbour, harbor, lagoon",
    "black": "night, dark, noir, charcoal, chalkboard, blackboard, neon, storm",
    "pale blue": "sky, sky blue, ice, cloud, mist, misty, winter",
    "pale green": "mint, sage, spring, meadow",
    "pale pink": "blush, blossom",
    "pale yellow": "cream, ivory, sand, sunlit, warm, summer, beach",
    "pale teal": "seafoam, glacier",
    "white": "snow, paper, clean, marble, blank",
}
_FACE_WORDS: Final[Mapping[str, str]] = {
    "bold": "strong, poster type, block letters",
    "heavy": "massive, chunky, fat, thick, loud",
    "tall": "condensed, towering",
    "narrow": "slim, compressed, thin",
    "plain": "sans, sans serif, sans-serif, simple, modern, minimal",
    "round": "rounded, soft, friendly, playful",
    "serif": "classic, traditional, museum, literary",
    "elegant": "luxury, art deco, opera, wedding, jazz, refined",
}
_SHADES: Final[Mapping[str, tuple[str, ...]]] = {"deep": ("dark",), "pale": ("light", "soft", "pastel")}
# "on blue" and "blue background" name a ground; it is dark where the language has both.
_BARE_GROUNDS: Final[Mapping[str, str]] = {
    **{colour: f"pale {colour}" for colour in COLOURS if f"pale {colour}" in GROUNDS},
    **{colour: f"deep {colour}" for colour in COLOURS if f"deep {colour}" in GROUNDS},
}


@dataclass(frozen=True, slots=True)
class Look:
    """All of a poster but its words."""

    shape: str
    colour: str
    ground: str
    face: str


class _Finder:
    """Finds the first place in a text that names one of several values, and which it is."""

    def __init__(self, names: Mapping[str, str], pattern: str = "{}") -> None:
        """`names` maps words to values; `pattern` is what stands round a word, `{}` the word."""
        self._names = names
        longest_first = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
        self._pattern = re.compile(pattern.format(rf"\b(?P<word>{longest_first})s?\b"))

    def find(self, words: str) -> tuple[str, str]:
        """The value, or nothing, and `words` without what named it."""
        found = self._pattern.search(words)
        if found is None:
            return "", words
        return self._names[found["word"]], f"{words[: found.start()]} {words[found.end() :]}"


def _names(values: Iterable[str], words: Mapping[str, str]) -> dict[str, str]:
    return {value: value for value in values} | {
        word: value for value, listed in words.items() for word in listed.split(", ")
    }


def _ground_names() -> dict[str, str]:
    names = _names(GROUNDS, _GROUND_WORDS)
    for ground in GROUNDS:
        shade, _, colour = ground.partition(" ")
        names |= {f"{other} {colour}": ground for other in _SHADES.get(shade, ())}
    return names


_GROUNDS: Final = _ground_names()
_ON: Final = _Finder({**_BARE_GROUNDS, **_GROUNDS}, r"\bon (?:an? |the )?{}")
_BEHIND: Final = _Finder({**_BARE_GROUNDS, **_GROUNDS}, r"{} (?:back)?(?:ground|drop)\b")
_GROUND: Final = _Finder(_GROUNDS)
_COLOUR: Final = _Finder(_names(COLOURS, _COLOUR_WORDS))
_SHAPE: Final = _Finder(_names(SHAPES, _SHAPE_WORDS))
_FACE: Final = _Finder(_names(FACES, _FACE_WORDS))


def look_of(words: str, lot: str) -> Look:
    """The look that `words` name; what they leave open is drawn by `lot`, any text.

    A colour that is drawn is not the ground's own.
    """
    digest = hashlib.sha256(lot.encode("utf-8", "surrogatepass")).digest()
    words = " ".join(words.casefold().split())
    for finder in (_ON, _BEHIND, _GROUND):
        ground, words = finder.find(words)
        if ground:
            break
    face, words = _FACE.find(words)
    colour, words = _COLOUR.find(words)
    shape, _ = _SHAPE.find(words)
    ground = ground or _drawn(tuple(GROUNDS), digest[0])
    free = tuple(name for name in COLOURS if name not in ground)
    return Look(
        shape=shape or _drawn(SHAPES, digest[1]),
        colour=colour or _drawn(free, digest[2]),
        ground=ground,
        face=face or _drawn(FACES, digest[3]),
    )


def _drawn(choices: tuple[str, ...], lot: int) -> str:
    return choices[lot % len(choices)]
