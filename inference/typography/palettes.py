"""Colours: curated palettes, and palettes grown from the colours a prompt names."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from inference.typography.oklab import Rgb, lightness_of, lit, turned


@dataclass(frozen=True, slots=True)
class Palette:
    """Dark to light: `deep`, `mid`, `glow`; `accent` stands against all three; `paper` and `ink` set type."""

    name: str
    deep: Rgb
    mid: Rgb
    glow: Rgb
    accent: Rgb
    paper: Rgb
    ink: Rgb
    dark: bool = True


def _rgb(code: str) -> Rgb:
    return int(code[0:2], 16), int(code[2:4], 16), int(code[4:6], 16)


def _palette(name: str, codes: str, *, dark: bool = True) -> Palette:
    deep, mid, glow, accent, paper, ink = (_rgb(code) for code in codes.split())
    return Palette(name, deep, mid, glow, accent, paper, ink, dark)


PALETTES: tuple[Palette, ...] = (
    _palette("ember", "241026 8A2846 F0743E FFC65C FFF4E3 1B0B1C"),
    _palette("lagoon", "05232F 0E5C68 4DBFB0 FF9A62 F2FAF4 05202A"),
    _palette("dusk", "17143F 54308A EA6C93 FFD36B FFF5EC 120F30"),
    _palette("forest", "0F2119 27543F 93B96A F2C75B F7F5E6 0D1D15"),
    _palette("noir", "0E0E11 2B2A30 94897A E6B84A F6F1E6 111113"),
    _palette("brick", "2D110D 93321E E67D42 F8DDAF FFF7EA 260D09"),
    _palette("neon", "0C0628 43148F FF3C97 2BE4E0 F4F0FF 0A0520"),
    _palette("slate", "121B24 38506A 9FB8C6 F46C3B F5F7F9 0F171F"),
    _palette("ice", "10305A 4A8CC4 CFE8F4 F2545B F7FBFE 0D2444", dark=False),
    _palette("blush", "47203C C75C80 FACFCB 1F6F78 FFF8F3 3A1830", dark=False),
    _palette("citrus", "3A2A06 F0A30A FFE394 D9432A FFFBEF 2B2006", dark=False),
    _palette("mint", "123B36 3E9C86 CDEBDC E8604C F7FCF8 0E2F2B", dark=False),
    _palette("sand", "3B2A1E C08A55 F0DEC0 2F6B73 FCF7EC 2E2017", dark=False),
)

_NAMED: dict[str, str] = {
    "black": "111114", "charcoal": "2A2D34", "grey": "7C8590", "gray": "7C8590", "silver": "B4BCC4",
    "white": "F4F2EC", "ivory": "F7F0DC", "cream": "F6EAD0", "beige": "E3D2B4", "brown": "7A4B2A",
    "chocolate": "5A3220", "red": "D12B2B", "crimson": "B3163A", "scarlet": "E03A1E", "maroon": "701C2E",
    "burgundy": "6B1530", "coral": "FF7A5C", "orange": "F57C1F", "amber": "FFB000", "gold": "E0AC2B",
    "golden": "E0AC2B", "yellow": "F9CE2D", "lime": "9CCB19", "green": "2E8B46", "emerald": "12865A",
    "olive": "76802A", "mint": "8FD9B6", "teal": "11807F", "turquoise": "2CC0B4", "cyan": "1FB5D8",
    "blue": "2266D4", "navy": "14285A", "midnight": "141B4A", "azure": "3C93E8", "indigo": "41309A",
    "purple": "7438AE", "violet": "7F46C8", "lavender": "B49BE0", "magenta": "C92A93", "pink": "F06FA5",
    "rose": "E36A86", "peach": "FFB48A",
}  # fmt: skip
_LIGHT_WORDS = frozenset(
    {"airy", "baby", "bakery", "breakfast", "bright", "clean", "daylight", "light", "minimal", "minimalist"}
    | {"pastel", "spring", "tea", "wedding", "white"}
)
_DARK_WORDS = frozenset(
    {"cinema", "club", "dark", "horror", "jazz", "midnight", "moody", "neon", "night", "noir", "space"}
    | {"thriller"}
)
_WARMTH = {
    "ember": "sunset summer desert fire festival",
    "lagoon": "ocean sea beach surf travel tropical",
    "dusk": "dream synthwave music party evening",
    "forest": "forest nature garden organic hiking mountain",
    "noir": "noir film cinema jazz gala luxury whisky",
    "brick": "coffee autumn rock vintage retro western",
    "neon": "neon cyber arcade tech game club",
    "slate": "conference business startup city urban",
    "ice": "winter snow ski travel clinic clean",
    "blush": "wedding beauty love rose valentine",
    "citrus": "sale juice summer lemon market food",
    "mint": "spring wellness yoga fresh tea",
    "sand": "bakery museum exhibition craft coffee",
}


def words_of(prompt: str) -> frozenset[str]:
    """The prompt's lower-case words, quoted texts left out: they are set, not drawn."""
    bare = re.sub(r"\"[^\"]*\"|“[^”]*”", " ", prompt)
    return frozenset(re.findall(r"[a-z]+", bare.lower()))


def pick(prompt: str, rng: random.Random) -> Palette:
    """Colours named by the prompt rule; else the curated palette its words lean to; else the seed."""
    words = words_of(prompt)
    ordered = [word for word in re.findall(r"[a-z]+", prompt.lower()) if word in _NAMED and word in words]
    named = list(dict.fromkeys(ordered))
    if named:
        colours = [_rgb(_NAMED[name]) for name in named]
        return grown("+".join(named[:3]), colours, dark=_wants_dark(words, named))
    leaning = [each for each in PALETTES if words & set(_WARMTH[each.name].split())]
    allowed = [each for each in (leaning or PALETTES) if _agrees(each, words)] or list(PALETTES)
    return rng.choice(allowed)


def _agrees(palette: Palette, words: frozenset[str]) -> bool:
    if words & _DARK_WORDS:
        return palette.dark
    return not (words & _LIGHT_WORDS and palette.dark)


def _wants_dark(words: frozenset[str], named: list[str]) -> bool:
    if words & _DARK_WORDS:
        return True
    if words & _LIGHT_WORDS:
        return False
    return lightness_of(_rgb(_NAMED[named[0]])) < 0.72


def grown(name: str, colours: Sequence[Rgb], *, dark: bool) -> Palette:
    """A palette around one to three colours: the ground's, the light's and the accent's."""
    base = colours[0]
    second = colours[1] if len(colours) > 1 else turned(base, 28)
    accent = colours[2] if len(colours) > 2 else colours[1] if len(colours) > 1 else turned(base, 165)
    return Palette(
        name,
        deep=lit(base, 0.2, chroma=0.6),
        mid=lit(base, 0.42 if dark else 0.62),
        glow=lit(second, 0.72 if dark else 0.9),
        accent=lit(accent, 0.82 if dark else 0.52),
        paper=lit(base, 0.975, chroma=0.18),
        ink=lit(base, 0.17, chroma=0.5),
        dark=dark,
    )
