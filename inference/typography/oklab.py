"""Colour arithmetic: sRGB, its linear light, and OKLab for steps the eye sees as even."""

from __future__ import annotations

import math

Rgb = tuple[int, int, int]


def mix(a: Rgb, b: Rgb, share: float) -> Rgb:
    """`a` with `share` of `b`, in gamma-encoded sRGB."""
    return (
        round(a[0] + (b[0] - a[0]) * share),
        round(a[1] + (b[1] - a[1]) * share),
        round(a[2] + (b[2] - a[2]) * share),
    )


def lit(colour: Rgb, lightness: float, *, chroma: float = 1.0) -> Rgb:
    """The colour at another OKLab lightness in [0, 1], its chroma scaled."""
    _, a, b = _to_oklab(colour)
    for shrink in (1.0, 0.85, 0.7, 0.55, 0.4, 0.25):
        found = _from_oklab(lightness, a * chroma * shrink, b * chroma * shrink)
        if abs(lightness_of(found) - lightness) < 0.01:
            return found
    return _from_oklab(lightness, 0.0, 0.0)


def turned(colour: Rgb, degrees: float) -> Rgb:
    """The colour with its OKLab hue turned."""
    lightness, a, b = _to_oklab(colour)
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return _from_oklab(lightness, a * c - b * s, a * s + b * c)


def lightness_of(colour: Rgb) -> float:
    """OKLab lightness in [0, 1]."""
    return _to_oklab(colour)[0]


def linear(channel: float) -> float:
    """sRGB electro-optical transfer (IEC 61966-2-1), channel in 0..255."""
    share = channel / 255
    return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)


def _encode(value: float) -> int:
    value = min(1.0, max(0.0, value))
    share = value * 12.92 if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
    return round(share * 255)


def _to_oklab(colour: Rgb) -> tuple[float, float, float]:
    """Ottosson, "A perceptual color space for image processing" (2020)."""
    r, g, b = (linear(channel) for channel in colour)
    long = math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b)
    medium = math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b)
    short = math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


def _from_oklab(lightness: float, a: float, b: float) -> Rgb:
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        _encode(4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short),
        _encode(-1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short),
        _encode(-0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short),
    )
