"""Backdrops of pure form: rays, tiles, orbs, contours, a record, a curtain, leaves."""

from __future__ import annotations

import math
import random

import skia

from inference.typography.canvas import around, curve, fade, fill, glow, line, polygon
from inference.typography.oklab import mix
from inference.typography.palettes import Palette


def _ground(canvas: skia.Canvas, w: float, h: float, p: Palette) -> None:
    low, high = (p.deep, mix(p.deep, p.mid, 0.55)) if p.dark else (p.paper, mix(p.paper, p.glow, 0.55))
    canvas.drawRect(skia.Rect.MakeWH(w, h), fade((0, 0), (w * 0.3, h), [(0, low, 1), (1, high, 1)]))


def rays(canvas: skia.Canvas, w: float, h: float, p: Palette, rng: random.Random) -> None:
    """A sunburst from below: two neighbouring tones above, a bold sun on the rim."""
    centre = (w * (rng.choice((0.5, 0.5, 0.22, 0.78)) if w <= h * 1.15 else 0.78), h * 0.94)
    a, b = (p.deep, mix(p.deep, p.mid, 0.5)) if p.dark else (p.paper, mix(p.paper, p.glow, 0.7))
    canvas.drawRect(skia.Rect.MakeWH(w, h), fill(a))
    reach, count = math.hypot(w, h) * 1.1, 36
    for i in range(0, count, 2):
        start = i * 360 / count + 2.5
        wedge = polygon([centre, around(centre, reach, start), around(centre, reach, start + 360 / count)])
        canvas.drawPath(wedge, fill(b))
    radius = min(w, h) * 0.33
    canvas.drawCircle(*centre, radius * 2.6, glow(centre, radius * 2.6, p.glow, 0.55 if p.dark else 0.8))
    for share, tone in ((1.0, p.mid), (0.86, p.glow), (0.7, p.accent), (0.54, mix(p.accent, p.paper, 0.55))):
        canvas.drawCircle(*centre, radius * share, fill(tone))


def tiles(canvas: skia.Canvas, w: float, h: float, p: Palette, rng: random.Random) -> None:
    """Bauhaus quarters, halves and dots on a square grid, along the lower edge or one side."""
    _ground(canvas, w, h, p)
    side = min(w, h) / 5
    columns, rows = math.ceil(w / side), math.ceil(h / side)
    wide = w > h * 1.15
    tones = [p.mid, p.glow, p.accent, p.paper if p.dark else p.deep, mix(p.mid, p.deep, 0.4)]
    for row in range(rows):
        for column in range(columns):
            x, y = w - (column + 1) * side if wide else column * side, h - (row + 1) * side
            inside = ((column + 1) * side < w * 0.4) if wide else (row < rows * 0.36)
            if inside:
                _tile(canvas, x, y, side, rng.sample(tones, 2), rng)


def _tile(
    canvas: skia.Canvas,
    x: float,
    y: float,
    side: float,
    tones: list[tuple[int, int, int]],
    rng: random.Random,
) -> None:
    ground, shape = tones
    box = skia.Rect.MakeXYWH(x, y, side + 0.5, side + 0.5)
    canvas.drawRect(box, fill(ground))
    canvas.save()
    canvas.clipRect(box)
    kind = rng.randrange(5)
    corner = (x + side * rng.choice((0, 1)), y + side * rng.choice((0, 1)))
    if kind == 0:
        canvas.drawCircle(*corner, side, fill(shape))
    elif kind == 1:
        canvas.drawCircle(*corner, side, fill(shape))
        canvas.drawCircle(*corner, side * 0.5, fill(ground))
    elif kind == 2:
        canvas.drawCircle(x + side / 2, y + side / 2, side * 0.34, fill(shape))
    elif kind == 3:
        canvas.drawCircle(x + side / 2, corner[1], side / 2, fill(shape))
    else:
        canvas.drawPath(polygon([(x, y + side), (x + side, y), (x + side, y + side)]), fill(shape))
    canvas.restore()


def orbs(canvas: skia.Canvas, w: float, h: float, p: Palette, rng: random.Random) -> None:
    """Great soft lights that run into one another, and one crisp sphere."""
    _ground(canvas, w, h, p)
    tones = (
        [p.mid, p.glow, mix(p.accent, p.mid, 0.3), p.glow] if p.dark else [p.glow, p.mid, p.accent, p.glow]
    )
    for i, tone in enumerate(tones):
        centre = (w * rng.uniform(0.05, 0.95), h * rng.uniform(0.55, 1.05))
        radius = max(w, h) * rng.uniform(0.35, 0.6)
        canvas.drawCircle(*centre, radius, glow(centre, radius, tone, (0.75 if p.dark else 0.5) - 0.08 * i))
    x, y, radius = w * (rng.choice((0.26, 0.7, 0.76)) if w <= h * 1.15 else 0.8), h * 0.76, min(w, h) * 0.19
    ball = fade(
        (x - radius, y - radius),
        (x + radius, y + radius),
        [(0, p.accent, 1), (0.55, p.glow, 1), (1, p.mid, 1)],
    )
    canvas.drawCircle(x, y, radius, ball)
    ring = line(p.paper if p.dark else p.deep, max(1.0, radius * 0.012), 0.5)
    canvas.drawOval(
        skia.Rect.MakeXYWH(x - radius * 1.55, y - radius * 0.32, radius * 3.1, radius * 0.64), ring
    )


def contours(canvas: skia.Canvas, w: float, h: float, p: Palette, rng: random.Random) -> None:
    """Lines of height around a summit off the centre, the lowest ones fading out."""
    _ground(canvas, w, h, p)
    centre = (w * (rng.choice((0.25, 0.72, 0.8)) if w <= h * 1.15 else 0.82), h * rng.uniform(0.74, 0.84))
    waves = [(k, rng.uniform(0.03, 0.15) / k**0.4, rng.uniform(0, 360)) for k in (1, 2, 3, 5)]
    tone, count = (p.glow if p.dark else p.mid), 17
    for i in range(count, 0, -1):
        radius = min(w, h) * 0.047 * i**1.08
        points = []
        for step in range(37):
            angle = step * 10
            bend = sum(size * math.sin(math.radians(k * angle + turn + i * 3)) for k, size, turn in waves)
            points.append(around(centre, radius * (1 + bend), angle))
        path = curve([*points[:-1], points[0]])
        path.close()
        outline = path.detach()
        canvas.drawPath(outline, fill(mix(p.mid, p.glow, 1 - i / count), 0.075))
        strong = i % 4 == 1
        canvas.drawPath(
            outline,
            line(
                p.accent if strong else tone,
                max(0.8, min(w, h) * (0.003 if strong else 0.0016)),
                0.95 - 0.045 * i,
            ),
        )


def record(canvas: skia.Canvas, w: float, h: float, p: Palette, rng: random.Random) -> None:
    """A long-playing record that leaves the sheet, its label in the accent."""
    _ground(canvas, w, h, p)
    radius = min(w, h) * (0.56 if w <= h * 1.15 else 0.62)
    centre = (w * rng.choice((0.36, 0.5, 0.66)), h * 0.94) if w <= h * 1.15 else (w * 0.84, h * 0.62)
    canvas.drawCircle(*centre, radius * 1.9, glow(centre, radius * 1.9, p.glow, 0.6))
    body = p.ink if p.dark else p.deep
    canvas.drawCircle(*centre, radius, fill(body))
    for i in range(34):
        share = 0.42 + 0.56 * i / 34
        canvas.drawCircle(*centre, radius * share, line(p.glow, radius * 0.0032, 0.16 + 0.2 * (i % 6 == 0)))
    sheen = skia.GradientShader.MakeSweep(
        *centre,
        [skia.Color(255, 255, 255, a) for a in (0, 54, 0, 0, 54, 0, 0)],
        [0, 0.06, 0.14, 0.5, 0.56, 0.64, 1],
    )
    canvas.drawCircle(*centre, radius * 0.985, skia.Paint(Shader=sheen, AntiAlias=True))
    for share, tone in (
        (0.36, p.accent),
        (0.3, mix(p.accent, p.glow, 0.55)),
        (0.16, p.accent),
        (0.028, body),
    ):
        canvas.drawCircle(*centre, radius * share, fill(tone))


def curtain(canvas: skia.Canvas, w: float, h: float, p: Palette, rng: random.Random) -> None:
    """Folds of cloth under a spot of light, a stage edge below."""
    tone, dark = (p.mid, p.deep) if p.dark else (p.glow, mix(p.glow, p.mid, 0.55))
    canvas.drawRect(skia.Rect.MakeWH(w, h), fill(mix(tone, dark, 0.5)))
    x, fold = -w * 0.02, min(w, h) * 0.085
    while x < w:
        wide = fold * rng.uniform(0.7, 1.35)
        cloth = fade(
            (x, 0),
            (x + wide, 0),
            [(0, dark, 1), (0.42, mix(tone, dark, 0.3), 1), (0.6, tone, 1), (1, dark, 1)],
        )
        canvas.drawRect(skia.Rect.MakeXYWH(x, 0, wide + 1, h), cloth)
        x += wide
    spot = (w * 0.5, h * 0.8)
    canvas.drawRect(
        skia.Rect.MakeWH(w, h),
        fade(
            (0, 0),
            (0, h),
            [(0, p.ink, 0.8 if p.dark else 0.0), (0.6, p.ink, 0.3 if p.dark else 0.0), (1, p.ink, 0)],
        ),
    )
    canvas.drawCircle(*spot, h * 0.5, glow(spot, h * 0.5, mix(p.accent, p.paper, 0.4), 0.6))
    canvas.drawRect(
        skia.Rect.MakeLTRB(0, h * 0.85, w, h), fade((0, h * 0.85), (0, h), [(0, p.deep, 1), (1, p.ink, 1)])
    )
    canvas.drawRect(skia.Rect.MakeXYWH(0, h * 0.85, w, max(2.0, h * 0.005)), fill(p.accent))


def leaves(canvas: skia.Canvas, w: float, h: float, p: Palette, rng: random.Random) -> None:
    """Broad leaves that rise from the lower corners, the nearer the darker, veins drawn in."""
    _ground(canvas, w, h, p)
    unit = min(w, h)
    low = (w * 0.5, h * 1.02)
    canvas.drawCircle(*low, unit * 0.75, glow(low, unit * 0.75, p.glow, 0.45))
    tones = [mix(p.mid, p.glow, 0.75), mix(p.mid, p.glow, 0.35), p.mid, mix(p.mid, p.deep, 0.5), p.accent]
    for lean in (-58.0, -30.0, 4.0, 33.0, 60.0):
        _leaf(canvas, (w * 0.5 + lean * unit * 0.004, h * 1.05), lean, unit * 0.34, tones[3], p)
    for layer in range(3):
        for corner in (0.0, 1.0):
            for k in range(5):
                root = (w * corner + unit * rng.uniform(-0.1, 0.1), h + unit * 0.06)
                lean = (18 + 17 * k + rng.uniform(-7, 7)) * (1 if corner == 0.0 else -1)
                size = unit * rng.uniform(0.36, 0.62) * (1.12 - 0.18 * layer)
                tone = tones[4] if rng.random() < 0.08 else tones[min(3, layer + rng.randrange(2))]
                _leaf(canvas, root, lean, size, tone, p)


def _leaf(
    canvas: skia.Canvas,
    root: tuple[float, float],
    lean: float,
    size: float,
    tone: tuple[int, int, int],
    p: Palette,
) -> None:
    canvas.save()
    canvas.translate(*root)
    canvas.rotate(lean)
    shape = skia.PathBuilder()
    shape.moveTo(0, 0)
    shape.cubicTo(-size * 0.24, -size * 0.3, -size * 0.2, -size * 0.72, 0, -size)
    shape.cubicTo(size * 0.2, -size * 0.72, size * 0.24, -size * 0.3, 0, 0)
    shape.close()
    shade = fade(
        (-size * 0.2, 0),
        (size * 0.2, 0),
        [(0, mix(tone, p.deep, 0.3), 1), (0.5, tone, 1), (0.5, mix(tone, p.deep, 0.16), 1), (1, tone, 1)],
    )
    canvas.drawPath(shape.detach(), shade)
    vein = line(mix(tone, p.paper, 0.4), max(0.8, size * 0.006), 0.65)
    canvas.drawLine(0, 0, 0, -size * 0.94, vein)
    for i in range(1, 7):
        y = -size * (0.08 + i * 0.115)
        half = size * 0.15 * math.sin(math.pi * (0.12 + i * 0.115))
        canvas.drawLine(0, y, -half, y - size * 0.09, vein)
        canvas.drawLine(0, y, half, y - size * 0.09, vein)
    canvas.restore()
