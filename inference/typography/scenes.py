"""Backdrops that show a place: hills, waves, night, skyline, horizon. Art below, calm sky above."""

from __future__ import annotations

import math
import random

import skia

from inference.typography.canvas import around, colour, curve, fade, fill, glow, line, polygon
from inference.typography.oklab import mix
from inference.typography.palettes import Palette


def _sky(canvas: skia.Canvas, w: float, h: float, p: Palette, horizon: float) -> None:
    if p.dark:
        stops = [
            (0.0, p.deep, 1.0),
            (0.55, mix(p.deep, p.mid, 0.75), 1.0),
            (1.0, mix(p.mid, p.glow, 0.72), 1.0),
        ]
    else:
        stops = [(0.0, p.paper, 1.0), (0.6, mix(p.paper, p.glow, 0.6), 1.0), (1.0, p.glow, 1.0)]
    canvas.drawRect(skia.Rect.MakeWH(w, h), fade((0, 0), (0, horizon), stops))


def _beside(w: float, h: float, rng: random.Random, *places: float) -> float:
    """Across: one of `places` on a tall sheet; on a wide one the end side, away from a column of words."""
    return w * (rng.choice(places) if w <= h * 1.15 else rng.choice((0.8, 0.83)))


def _sun(canvas: skia.Canvas, x: float, y: float, radius: float, p: Palette) -> None:
    canvas.drawCircle(x, y, radius * 4.2, glow((x, y), radius * 4.2, p.accent if p.dark else p.paper, 0.55))
    warm = fade((x, y - radius), (x, y + radius), [(0, mix(p.accent, p.paper, 0.35), 1), (1, p.accent, 1)])
    canvas.drawCircle(x, y, radius, warm)


def _ridge(
    rng: random.Random, w: float, base: float, swing: float, bumps: float
) -> list[tuple[float, float]]:
    phases = [(rng.uniform(0, math.tau), bumps * k, swing / k**1.1) for k in (1, 2, 3)]
    count = 22
    return [
        (
            w * i / count,
            base + sum(size * math.sin(turn + math.tau * many * i / count) for turn, many, size in phases),
        )
        for i in range(count + 1)
    ]


def _closed(points: list[tuple[float, float]], w: float, h: float) -> skia.Path:
    path = curve(points)
    path.lineTo(w, h)
    path.lineTo(0, h)
    path.close()
    return path.detach()


def hills(canvas: skia.Canvas, w: float, h: float, p: Palette, rng: random.Random) -> None:
    """Sun behind five ridges that darken towards the eye, mist between them."""
    horizon = h * 0.72
    _sky(canvas, w, h, p, horizon)
    _sun(canvas, _beside(w, h, rng, 0.3, 0.5, 0.68, 0.74), h * rng.uniform(0.57, 0.62), min(w, h) * 0.1, p)
    far = mix(p.glow, p.mid, 0.35) if p.dark else mix(p.glow, p.mid, 0.3)
    near = p.deep if p.dark else mix(p.mid, p.deep, 0.75)
    layers = 5
    for i in range(layers):
        share = i / (layers - 1)
        base = h * (0.63 + 0.30 * share**1.15)
        points = _ridge(rng, w, base, h * (0.016 + 0.016 * (1 - share)), rng.choice((1, 1.5, 2)))
        tone = mix(far, near, share**0.8)
        mist = mix(tone, p.glow, 0.28 * (1 - share))
        paint = fade((0, base - h * 0.04), (0, base + h * 0.2), [(0, tone, 1), (1, mist, 1)])
        canvas.drawPath(_closed(points, w, h), paint)


def waves(canvas: skia.Canvas, w: float, h: float, p: Palette, rng: random.Random) -> None:
    """A low sun and overlapping rows of scales (seigaiha), flattened towards the horizon."""
    horizon = h * 0.62
    _sky(canvas, w, h, p, horizon)
    _sun(canvas, _beside(w, h, rng, 0.28, 0.5, 0.72), horizon - h * 0.01, min(w, h) * 0.13, p)
    radius = min(w, h) * 0.1
    far, near = (mix(p.mid, p.glow, 0.45), p.deep) if p.dark else (mix(p.glow, p.mid, 0.45), p.mid)
    foam = line(p.paper, max(1.0, radius * 0.045), 0.75)
    rows = math.ceil((h - horizon) / (radius * 0.5)) + 1
    for row in range(rows):
        y = horizon + radius * (0.55 + row * 0.5)
        body = mix(far, near, row / rows)
        x = -radius * (row % 2)
        while x < w + radius:
            for share in (1.0, 0.72, 0.44):
                canvas.drawCircle(
                    x, y, radius * share, fill(mix(body, p.deep if p.dark else p.mid, 1 - share))
                )
                canvas.drawCircle(x, y, radius * share, foam)
            x += radius * 2
    shade = p.deep if p.dark else mix(p.mid, p.deep, 0.6)
    canvas.drawRect(
        skia.Rect.MakeLTRB(0, horizon, w, h),
        fade((0, horizon), (0, h), [(0, shade, 0.0), (0.4, shade, 0.1), (1, shade, 0.8)]),
    )


def night(canvas: skia.Canvas, w: float, h: float, p: Palette, rng: random.Random) -> None:
    """Stars, a great moon, and a line of firs."""
    top = p.ink if p.dark else p.paper
    canvas.drawRect(
        skia.Rect.MakeWH(w, h),
        fade((0, 0), (0, h), [(0, top, 1), (0.5, p.deep if p.dark else p.glow, 1), (1, p.mid, 1)]),
    )
    for _ in range(int(150 * w * h / 1e6) + 60):
        x, y = rng.uniform(0, w), h * rng.random() ** 1.4 * 0.8
        size = min(w, h) * 0.0013 * rng.choice((0.7, 0.9, 1.2, 1.2, 2.1))
        canvas.drawCircle(x, y, size, fill(p.paper if p.dark else p.mid, rng.uniform(0.12, 0.36)))
    x, y, radius = _beside(w, h, rng, 0.3, 0.68, 0.72), h * 0.63, min(w, h) * 0.19
    canvas.drawCircle(x, y, radius * 3, glow((x, y), radius * 3, p.glow, 0.5))
    canvas.drawCircle(
        x,
        y,
        radius,
        fade((x - radius, y - radius), (x + radius, y + radius), [(0, p.paper, 1), (1, p.accent, 1)]),
    )
    for _ in range(7):
        place = around((x, y), radius * rng.uniform(0.1, 0.72), rng.uniform(0, 360))
        canvas.drawCircle(*place, radius * rng.uniform(0.05, 0.16), fill(p.mid, 0.13))
    for share, tone in ((0.0, mix(p.mid, p.deep, 0.45)), (1.0, p.ink if p.dark else p.deep)):
        _firs(canvas, w, h, h * (0.8 + 0.09 * share), tone, rng)


def _firs(
    canvas: skia.Canvas, w: float, h: float, base: float, tone: tuple[int, int, int], rng: random.Random
) -> None:
    ridge = _ridge(rng, w, base, h * 0.012, 1)
    canvas.drawPath(_closed(ridge, w, h), fill(tone))
    unit, x, turn = min(w, h), 0.0, rng.uniform(0, math.tau)
    while x < w + unit * 0.1:
        # Heights swell and fall along the row: even ones read as a line of w.
        swell = 0.5 + 0.5 * math.sin(turn + x / unit * 5.3)
        tall = unit * (0.035 + 0.15 * swell**1.5) * rng.uniform(0.75, 1.15)
        foot = base + h * 0.03
        for k in range(4):
            low = foot - tall * k * 0.21
            half = tall * 0.26 * (1 - k * 0.2)
            canvas.drawPath(polygon([(x - half, low), (x, low - tall * 0.4), (x + half, low)]), fill(tone))
        x += (unit * 0.008 + tall * 0.16) * rng.uniform(0.6, 1.5)


def skyline(canvas: skia.Canvas, w: float, h: float, p: Palette, rng: random.Random) -> None:
    """Three rows of towers before a haze, some windows lit."""
    _sky(canvas, w, h, p, h * 0.8)
    _sun(canvas, _beside(w, h, rng, 0.3, 0.5, 0.7), h * 0.64, min(w, h) * 0.13, p)
    unit = min(w, h) / 100
    far = mix(p.mid, p.glow, 0.5 if p.dark else 0.75)
    near = p.ink if p.dark else mix(p.mid, p.deep, 0.7)
    for row in range(3):
        tone = mix(far, near, (row / 2) ** 0.8)
        x = -rng.uniform(0, 6) * unit
        while x < w:
            wide = rng.uniform(7, 15) * unit
            top = h * (0.6 + 0.085 * row) + rng.uniform(-11, 9) * unit
            _tower(canvas, (x, top, wide, h - top), tone, p, rng, unit, lit=row > 0)
            x += wide + rng.choice((0.0, 0.0, 0.8, 2.0)) * unit


def _tower(
    canvas: skia.Canvas,
    box: tuple[float, float, float, float],
    tone: tuple[int, int, int],
    p: Palette,
    rng: random.Random,
    unit: float,
    *,
    lit: bool,
) -> None:
    x, top, wide, tall = box
    canvas.drawRect(skia.Rect.MakeXYWH(x, top, wide, tall), fill(tone))
    crown = rng.random()
    if crown < 0.2:
        canvas.drawRect(
            skia.Rect.MakeXYWH(x + wide * 0.47, top - 4 * unit, 0.35 * unit, 4 * unit), fill(tone)
        )
    elif crown < 0.45:
        canvas.drawRect(
            skia.Rect.MakeXYWH(x + wide * 0.2, top - 2.5 * unit, wide * 0.6, 3 * unit), fill(tone)
        )
    elif crown < 0.6:
        canvas.drawPath(polygon([(x, top), (x + wide, top - 3.5 * unit), (x + wide, top)]), fill(tone))
    if not lit:
        return
    y = top + 2 * unit
    while y < top + tall:
        column = x + 1.4 * unit
        while column < x + wide - 2 * unit:
            if rng.random() < 0.3:
                canvas.drawRect(
                    skia.Rect.MakeXYWH(column, y, 1.0 * unit, 1.3 * unit),
                    fill(p.accent, rng.uniform(0.1, 0.5)),
                )
            column += 2.1 * unit
        y += 2.7 * unit


def horizon(canvas: skia.Canvas, w: float, h: float, p: Palette, rng: random.Random) -> None:  # noqa: ARG001 - every motif is called alike
    """A slatted sun over a floor of perspective lines."""
    level = h * 0.68
    _sky(canvas, w, h, p, level)
    x, radius = (w / 2 if w <= h * 1.15 else w * 0.76), min(w * 0.27, h * 0.2)
    canvas.drawCircle(
        x, level - radius * 0.45, radius * 2.6, glow((x, level - radius * 0.45), radius * 2.6, p.glow, 0.5)
    )
    canvas.save()
    for i in range(7):
        gap = level - radius * (0.06 + i * 0.15)
        cut = skia.Rect.MakeXYWH(0, gap, w, radius * 0.062 * (1 - i / 8))
        canvas.clipRect(cut, skia.ClipOp.kDifference, True)
    top, bottom = level - radius * 1.45, level + radius * 0.5
    canvas.drawCircle(
        x,
        level - radius * 0.45,
        radius,
        fade((0, top), (0, bottom), [(0, p.accent, 1), (0.75, p.glow, 1), (1, p.mid, 1)]),
    )
    canvas.restore()
    floor = p.ink if p.dark else mix(p.mid, p.deep, 0.5)
    canvas.drawRect(
        skia.Rect.MakeLTRB(0, level, w, h),
        fade((0, level), (0, h), [(0, mix(floor, p.mid, 0.5), 1), (0.5, floor, 1), (1, floor, 1)]),
    )
    thread = line(p.glow if p.dark else p.paper, max(1.0, min(w, h) * 0.0018), 0.7)
    for i in range(-26, 27):
        canvas.drawLine(x + i * w * 0.035, level, x + i * w * 0.2, h, thread)
    for i in range(1, 13):
        y = level + (h - level) * (i / 12) ** 2.1
        canvas.drawLine(0, y, w, y, thread)
    canvas.drawRect(
        skia.Rect.MakeXYWH(0, level - 1, w, max(1.5, h * 0.002)), skia.Paint(Color=colour(p.accent, 0.8))
    )
    canvas.drawRect(
        skia.Rect.MakeLTRB(0, level, w, h),
        fade((0, level), (0, h), [(0, floor, 0.0), (0.5, floor, 0.25), (1, floor, 0.9)]),
    )
