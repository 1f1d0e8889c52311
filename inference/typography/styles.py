"""Which faces speak: a style names them by voice, a script may need others, coverage decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from inference.typography.backdrop import dice
from inference.typography.fonts import Face, dominant_script, face
from inference.typography.shaping import graphemes

Voice = Literal["display", "label", "text", "accent"]
Setting = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Style:
    """Faces by voice as (family, weight, width), best first, and the designs the style is set in."""

    name: str
    voices: dict[Voice, tuple[Setting, ...]]
    designs: tuple[str, ...]
    pill_radius: float
    serif: bool = False


def _style(
    name: str,
    display: Sequence[Setting],
    label: Setting,
    text: Setting,
    accent: Setting,
    designs: tuple[str, ...],
    pill_radius: float,
    *,
    serif: bool = False,
) -> Style:
    voices: dict[Voice, tuple[Setting, ...]] = {
        "display": tuple(display),
        "label": (label,),
        "text": (text,),
        "accent": (accent,),
    }
    return Style(name, voices, designs, pill_radius, serif)


STYLES: dict[str, Style] = {
    style.name: style
    for style in (
        _style(
            "poster",
            [("Anton", 400, 100), ("Oswald", 700, 100), ("Noto Sans", 900, 70)],
            ("Oswald", 600, 100), ("Rubik", 400, 100), ("Oswald", 400, 100),
            ("masthead", "band", "panel"), 0.12,
        ),
        _style(
            "marquee",
            [("Bebas Neue", 400, 100), ("Oswald", 700, 100), ("Noto Sans", 900, 66)],
            ("Oswald", 500, 100), ("Noto Sans", 400, 100), ("Noto Serif Italic", 400, 100),
            ("classic", "band", "masthead"), 0.12,
        ),
        _style(
            "editorial",
            [("Playfair Display", 800, 100), ("Noto Serif", 800, 90)],
            ("Noto Sans", 600, 90), ("Noto Serif", 400, 100), ("Playfair Display Italic", 500, 100),
            ("classic", "masthead", "panel"), 1.0, serif=True,
        ),
        _style(
            "modern",
            [("Rubik", 800, 100), ("Noto Sans", 800, 90)],
            ("Rubik", 600, 100), ("Rubik", 400, 100), ("Rubik", 400, 100),
            ("masthead", "panel", "band"), 1.0,
        ),
        _style(
            "press",
            [("Noto Serif", 900, 70), ("Playfair Display", 900, 100)],
            ("Noto Sans", 700, 80), ("Noto Sans", 400, 100), ("Noto Serif Italic", 400, 100),
            ("panel", "classic", "band"), 0.0, serif=True,
        ),
        _style(
            "grotesk",
            [("Heebo", 900, 100), ("Noto Sans", 900, 90)],
            ("Heebo", 700, 100), ("Heebo", 400, 100), ("Heebo", 300, 100),
            ("band", "masthead", "panel"), 0.25,
        ),
    )
}  # fmt: skip

_CJK: tuple[Setting, ...] = (("Noto Sans CJK", 700, 100),)
_SCRIPTS: dict[str, dict[Voice, tuple[Setting, ...]]] = {
    "Arab": {
        "display": (("Rubik", 800, 100), ("Noto Sans Arabic", 900, 100)),
        "label": (("Rubik", 600, 100), ("Noto Sans Arabic", 700, 100)),
        "text": (("Noto Sans Arabic", 450, 100), ("Rubik", 400, 100)),
        "accent": (("Noto Sans Arabic", 500, 100), ("Rubik", 400, 100)),
    },
    "Hebr": {
        "display": (("Rubik", 800, 100), ("Heebo", 900, 100)),
        "label": (("Heebo", 700, 100),),
        "text": (("Heebo", 400, 100),),
        "accent": (("Rubik", 400, 100), ("Heebo", 400, 100)),
    },
    "Deva": {
        "display": (("Noto Sans Devanagari", 900, 85),),
        "label": (("Noto Sans Devanagari", 700, 90),),
        "text": (("Noto Sans Devanagari", 450, 100),),
        "accent": (("Noto Sans Devanagari", 500, 100),),
    },
    "Thai": {
        "display": (("Noto Sans Thai", 900, 85),),
        "label": (("Noto Sans Thai", 700, 90),),
        "text": (("Noto Sans Thai", 450, 100),),
        "accent": (("Noto Sans Thai", 500, 100),),
    },
    **{
        code: dict.fromkeys(("display", "label", "text", "accent"), _CJK)
        for code in ("Hani", "Hira", "Kana", "Hang", "Bopo")
    },
}
_NARROW: dict[str, tuple[Setting, ...]] = {
    "Latn": (("Anton", 400, 100), ("Oswald", 700, 100)),
    "Cyrl": (("Oswald", 700, 100),),
    "Grek": (("Noto Sans", 800, 63),),
    "Arab": (("Noto Sans Arabic", 800, 63),),
    "Deva": (("Noto Sans Devanagari", 800, 63),),
    "Thai": (("Noto Sans Thai", 800, 63),),
}
_WEIGHTS: dict[Voice, int] = {"display": 800, "label": 700, "text": 400, "accent": 400}
_LAST_RESORT = (
    "Noto Sans",
    "Rubik",
    "Noto Sans Arabic",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Noto Sans CJK",
)


def style_named(name: str | None, prompt: str, seed: int) -> Style:
    """A style by its name; any other name (an engine's) stands for one; None: prompt and seed pick."""
    if name in STYLES:
        return STYLES[name]
    if name is None:
        return dice("style", prompt, seed).choice(list(STYLES.values()))
    return dice("style", name).choice(list(STYLES.values()))


def chain(style: Style, voice: Voice, text: str, *, narrow: bool = False) -> tuple[Face, ...]:
    """Faces to try for each grapheme of `text`, best first; `narrow` ones for words that run long.

    The first one that covers every letter leads, so that a word is not set in two faces where one
    would do.
    """
    script = dominant_script(text)
    asked = [*_SCRIPTS.get(script, {}).get(voice, ()), *style.voices[voice]]
    if narrow:
        asked = [*_NARROW.get(script, ()), *asked]
    asked += [("Noto Serif" if style.serif else "Noto Sans", _WEIGHTS[voice], 100)]
    faces = [face(*setting) for setting in asked]
    letters = {text[start:end] for start, end in graphemes(text) if not text[start:end].isspace()}
    leader = next((each for each in faces if all(each.covers(letter) for letter in letters)), None)
    if leader is None:
        main = {letter for letter in letters if dominant_script(letter) == script and letter[0].isalpha()}
        leader = next((each for each in faces if all(each.covers(letter) for letter in main)), faces[0])
    rest = [each for each in faces if each is not leader]
    return (leader, *rest, *(face(name, _WEIGHTS[voice]) for name in _LAST_RESORT))
