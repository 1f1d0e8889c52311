"""Colouring what is placed: inks and veils by zone, accents where they can be read, words ready to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inference.typography import contrast, ground, paint
from inference.typography.canvas import Pixels
from inference.typography.contrast import Box
from inference.typography.designs import Arrangement, Placed, Rule, Sheet
from inference.typography.ground import Inked, Zone
from inference.typography.oklab import Rgb, mix
from inference.typography.paint import Bar, SetLine, Words
from inference.typography.palettes import Palette
from inference.typography.styles import Style

_FEATHER = 10.0


@dataclass(frozen=True, slots=True)
class InkedText:
    """A placed text in its ink, on its pill where it has one; `ratio` is that of the worst pixel under it."""

    placed: Placed
    words: Words
    pill: Bar | None
    box: Box
    ratio: float


@dataclass(frozen=True, slots=True)
class Inking:
    """All that is drawn over the veiled picture, in order: rules, then pills, then words."""

    rules: tuple[Bar, ...]
    texts: tuple[InkedText, ...]

    @property
    def bars(self) -> tuple[Bar, ...]:
        """Rules and pills."""
        return (*self.rules, *(each.pill for each in self.texts if each.pill))

    @property
    def words(self) -> tuple[Words, ...]:
        """Every text's lines."""
        return tuple(each.words for each in self.texts)


def ink(arrangement: Arrangement, sheet: Sheet, pixels: Pixels, palette: Palette, style: Style) -> Inking:
    """Chooses inks for the picture in `pixels`, and lays the veils they need into it, in place."""
    lines = [paint.set_lines(each, sheet) for each in arrangement.placed]
    zones = _zones(arrangement, lines)
    inks = ground.choose_inks(pixels, zones, palette)
    for zone in zones:
        within = None if zone.solid else arrangement.art(sheet)
        ground.lay_veil(pixels, zone, inks[zone.name], _FEATHER * sheet.unit, within)
    lead = inks["main"] if "main" in inks else next(iter(inks.values()))
    rules = tuple(_rule(each, lead.ink, palette, pixels) for each in arrangement.rules)
    texts = tuple(
        _text(placed, set_in, pixels, palette, inks[placed.zone], style)
        for placed, set_in in zip(arrangement.placed, lines, strict=True)
    )
    return Inking(rules, texts)


def _zones(arrangement: Arrangement, lines: Sequence[tuple[SetLine, ...]]) -> list[Zone]:
    boxes: dict[str, list[Box]] = {}
    for placed, set_in in zip(arrangement.placed, lines, strict=True):
        boxes.setdefault(placed.zone, []).append(paint.ink_box(set_in))
    return [Zone(name, tuple(found), solid=name in arrangement.on_panel) for name, found in boxes.items()]


def _rule(rule: Rule, lead: Rgb, palette: Palette, pixels: Pixels) -> Bar:
    if rule.tone == "accent":
        under = contrast.crop(pixels, rule.box)
        return Bar(rule.box, ground.accent_or(lead, palette.accent, under, contrast.LARGE_PX))
    return Bar(rule.box, mix(lead, palette.glow, 0.35), stroke=rule.stroke)


def _text(
    placed: Placed, lines: tuple[SetLine, ...], pixels: Pixels, palette: Palette, inked: Inked, style: Style
) -> InkedText:
    sized, box = placed.sized, paint.ink_box(lines)
    under = contrast.crop(pixels, box)
    pill: Bar | None = None
    rgb = inked.ink
    if sized.item.cut.tone == "on_accent":
        fill = palette.accent
        rgb, ratio = ground.readable_on(fill, palette)
        if ratio < contrast.BODY_RATIO:
            fill = inked.ink
            rgb, ratio = ground.readable_on(fill, palette)
        outer = (placed.x, placed.y, sized.width, sized.height)
        pill = Bar(outer, fill, style.pill_radius * sized.height / 2)
    else:
        if sized.item.cut.tone == "accent":
            rgb = ground.accent_or(inked.ink, palette.accent, under, sized.size)
        ratio = contrast.measure(under).against(rgb)
    return InkedText(placed, Words(sized.item.source.text, lines, rgb), pill, box, ratio)
