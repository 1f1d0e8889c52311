"""The same outlines twice: filled by Skia for the PNG, written out for the SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from xml.sax.saxutils import quoteattr

import skia

from inference.typography import canvas
from inference.typography.canvas import Pixels
from inference.typography.contrast import Box
from inference.typography.designs import Placed, Sheet
from inference.typography.fonts import Face, outline
from inference.typography.oklab import Rgb
from inference.typography.shaping import Shaped, shape


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle in px with a corner radius; filled, or stroked where `stroke` > 0."""

    box: Box
    rgb: Rgb
    radius: float = 0.0
    stroke: float = 0.0


@dataclass(frozen=True, slots=True)
class SetLine:
    """One shaped line: the pen starts at (x, baseline) px, `size` px to the em."""

    shaped: Shaped
    x: float
    baseline: float
    size: float


@dataclass(frozen=True, slots=True)
class Words:
    """A text's lines in one ink."""

    text: str
    lines: tuple[SetLine, ...]
    rgb: Rgb


def set_lines(placed: Placed, sheet: Sheet) -> tuple[SetLine, ...]:
    """Shapes each line for good and finds its pen start, aligned within the placed box."""
    sized = placed.sized
    measured, size = sized.item.measured, sized.size
    across, up = sized.pad
    pitch = (measured.ascent + measured.descent + sized.item.gap) * size
    lines = []
    for index, (start, end) in enumerate(sized.lines):
        shaped = shape(measured.para, start, end)
        room = sized.width - 2 * across - shaped.advance * size
        at_right = (placed.align == "start") == (sheet.direction == "rtl") and placed.align != "centre"
        offset = room / 2 if placed.align == "centre" or across else room if at_right else 0.0
        baseline = placed.y + up + measured.ascent * size + index * pitch
        lines.append(SetLine(shaped, placed.x + across + offset, baseline, size))
    return tuple(lines)


def ink_box(lines: Sequence[SetLine]) -> Box:
    """The box in px that holds the ink of the lines."""
    left = min(line.x for line in lines)
    right = max(line.x + line.shaped.advance * line.size for line in lines)
    top = min(line.baseline - line.shaped.ascent * line.size for line in lines)
    bottom = max(line.baseline + line.shaped.descent * line.size for line in lines)
    return left, top, right - left, bottom - top


def draw(pixels: Pixels, bars: Sequence[Bar], words: Sequence[Words]) -> None:
    """Draws bars, then words, into the sheet in place."""
    surface = canvas.over(pixels)
    for bar in bars:
        paint = canvas.line(bar.rgb, bar.stroke) if bar.stroke else canvas.fill(bar.rgb)
        if bar.stroke:
            paint.setStrokeJoin(skia.Paint.kMiter_Join)
        surface.drawRoundRect(skia.Rect.MakeXYWH(*bar.box), bar.radius, bar.radius, paint)
    for each in words:
        paint = canvas.fill(each.rgb)
        for line in each.lines:
            for glyph in line.shaped.glyphs:
                scale = line.size / glyph.face.upem
                surface.save()
                surface.translate(line.x + glyph.x * line.size, line.baseline - glyph.y * line.size)
                surface.scale(scale, -scale)
                surface.drawPath(_path(glyph.face, glyph.id), paint)
                surface.restore()


def to_svg(width: int, height: int, bars: Sequence[Bar], words: Sequence[Words]) -> str:
    """Bars and outlines as SVG 1.1, one `<path>` a glyph that has ink; no fonts, no `<text>`, no raster."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">'
    ]
    for bar in bars:
        x, y, w, h = bar.box
        ink = (
            f'fill="none" stroke="{_hex(bar.rgb)}" stroke-width="{bar.stroke:.2f}"'
            if bar.stroke
            else f'fill="{_hex(bar.rgb)}"'
        )
        parts.append(
            f'<rect x="{x:.2f}" y="{y:.2f}" width="{w:.2f}" height="{h:.2f}" rx="{bar.radius:.2f}" {ink}/>'
        )
    for each in words:
        parts.append(f'<g fill="{_hex(each.rgb)}" role="img" aria-label={quoteattr(each.text)}>')
        for line in each.lines:
            for glyph in line.shaped.glyphs:
                drawn = _svg_path(glyph.face, glyph.id)
                if drawn:
                    scale = line.size / glyph.face.upem
                    x, y = line.x + glyph.x * line.size, line.baseline - glyph.y * line.size
                    place = f"matrix({scale:.6f} 0 0 {-scale:.6f} {x:.3f} {y:.3f})"
                    parts.append(f'<path transform="{place}" d="{drawn}"/>')
        parts.append("</g>")
    return "\n".join([*parts, "</svg>\n"])


@lru_cache(maxsize=8192)
def _path(face: Face, glyph: int) -> skia.Path:
    path = skia.PathBuilder()
    commands = {"M": path.moveTo, "L": path.lineTo, "Q": path.quadTo, "C": path.cubicTo}
    for letter, points in outline(face, glyph):
        if letter == "Z":
            path.close()
        else:
            commands[letter](*points)
    return path.detach()


@lru_cache(maxsize=8192)
def _svg_path(face: Face, glyph: int) -> str:
    return "".join(
        letter + " ".join(f"{point:g}" for point in points) for letter, points in outline(face, glyph)
    )


def _hex(rgb: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)
