"""Posters set in true type: a spec's texts over a picture, as PNG and as outlines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inference.typography import canvas, contrast, ground, paint
from inference.typography.arranging import arrange
from inference.typography.backdrop import backdrop, dice, palette_for
from inference.typography.bidirectional import Direction, base_direction
from inference.typography.blocks import Item, make_item, size_at
from inference.typography.canvas import Pixels
from inference.typography.contrast import Box
from inference.typography.designs import DESIGNS, Anchor, Arrangement, Sheet, make_sheet
from inference.typography.inking import InkedText, ink
from inference.typography.palettes import Palette
from inference.typography.shaping import NoGlyph, normalise
from inference.typography.styles import Style, style_named
from schemas.events import Role, Spec, Text

_SHARES = ((0.5, 0.66), (0.85, 1.0))
_COMFORT = 0.5
_REPEATED = 0.62
_OTHER_PANEL = 0.35
_MOST_TELLING: tuple[Role, ...] = ("subtitle", "tagline", "brand", "price", "date", "cta", "body")
_HEADLINE_LETTERS = 60


class CannotSet(ValueError):
    """A text cannot be set: no face has its characters, or it does not fit; the message names the fix."""


@dataclass(frozen=True, slots=True)
class Block:
    """One text as it stands: the box of its ink as (x, y, width, height) in px, its size in px to the em.

    `contrast` is the WCAG ratio of its ink to the worst pixel within 2 px of that box.
    """

    text: str
    role: Role
    box: Box
    size: float
    contrast: float


@dataclass(frozen=True, slots=True)
class Poster:
    """`svg` drawn over `background_png` is `png`: words and ornaments are vector, the rest is raster.

    Both PNGs are 8-bit sRGB; `background_png` holds no words. `fonts` names every face that drew a
    glyph, with the version of its package.
    """

    png: bytes
    background_png: bytes
    svg: str
    width: int
    height: int
    fonts: tuple[str, ...]
    blocks: tuple[Block, ...]


def compose(
    spec: Spec, background: bytes | None = None, *, style: str | None = None, cover: bool = False
) -> Poster:
    """Sets `spec.texts` over `background`, or over a backdrop drawn from the prompt.

    The same arguments give the same bytes. `style` varies faces, palette and layout: a name from
    `STYLES`, or any other name, which picks one. With `cover` only the light and colours of the
    given picture are kept, on a backdrop of our own, so that no words it may hold can be read;
    without, it is left as it is but for the veils its words need.

    Raises:
        CannotSet: names the text, and the characters that have no glyph or the box it does not fit.
        ValueError: `background` is no picture.
    """
    chosen = style_named(style, spec.prompt, spec.seed)
    direction = _direction(spec)
    sheet = make_sheet(spec.width, spec.height, direction)
    items = _items(spec, chosen, sheet)
    given = None if background is None else canvas.from_png(background, spec.width, spec.height)
    if not items:
        bare = Arrangement(DESIGNS[chosen.designs[0]], (), (), None, 0.0)
        pixels, _ = _ground(spec, given, style, bare, sheet, cover=cover)
        png = canvas.to_png(pixels)
        svg = paint.to_svg(spec.width, spec.height, (), ())
        return Poster(png, png, svg, spec.width, spec.height, (), ())
    arrangement = _arrangement(spec, chosen, items, sheet, None if cover else given)
    pixels, palette = _ground(spec, given, style, arrangement, sheet, cover=cover)
    return _painted(arrangement, sheet, pixels, palette, chosen)


def _direction(spec: Spec) -> Direction:
    """The headline's, else the first text's."""
    lead = min(spec.texts, key=lambda text: text.role != "headline", default=None)
    return base_direction(lead.text if lead else "", (lead and lead.locale) or spec.locale)


def _items(spec: Spec, style: Style, sheet: Sheet) -> list[Item]:
    items: list[Item] = []
    seen: set[Role] = set()
    for text, role in zip(spec.texts, _roles(spec.texts), strict=True):
        words = normalise(text.text)
        if not words:
            raise CannotSet(f"text {text.text!r} ({text.role}) holds nothing that can be seen: leave it out")
        shrink = _REPEATED if role in seen else 1.0
        seen.add(role)
        try:
            item = make_item(text, role, words, text.locale or spec.locale, style, sheet.unit, shrink=shrink)
        except NoGlyph as error:
            named = ", ".join(f"{each!r} ({_code_points(each)})" for each in error.characters)
            raise CannotSet(
                f"text {text.text!r} ({text.role}): no installed font has a glyph for {named}; "
                "take them out, or install a font package that covers them"
            ) from error
        items.append(item)
    return items


def _roles(texts: Sequence[Text]) -> list[Role]:
    """The roles as asked; where none is a headline, the most telling short text is set as one."""
    roles = [text.role for text in texts]
    if "headline" in roles:
        return roles
    for role in _MOST_TELLING:
        for index, text in enumerate(texts):
            if text.role == role and len(text.text) <= _HEADLINE_LETTERS:
                roles[index] = "headline"
                return roles
    return roles


def _code_points(grapheme: str) -> str:
    return " ".join(f"U+{ord(character):04X}" for character in grapheme)


def _ground(
    spec: Spec,
    given: Pixels | None,
    style: str | None,
    arrangement: Arrangement,
    sheet: Sheet,
    *,
    cover: bool,
) -> tuple[Pixels, Palette]:
    """The picture in the part of the sheet that no panel takes, and the panel."""
    palette = palette_for(spec.prompt, spec.seed, style) if given is None else ground.palette_of(given)
    tones = (palette.ink, palette.paper) if palette.dark else (palette.paper, palette.deep)
    pixels, _ = canvas.sheet(spec.width, spec.height)
    pixels[..., :3] = tones[dice("panel", spec.prompt, spec.seed).random() < _OTHER_PANEL]
    x, y, width, height = (int(each) for each in arrangement.art(sheet))
    if width and height:
        clear = arrangement.main_bottom() + 5 * sheet.unit
        art = _picture(spec, given, style, palette, (width, height), sheet, clear=clear, cover=cover)
        pixels[y : y + height, x : x + width] = art
    return pixels, palette


def _picture(
    spec: Spec,
    given: Pixels | None,
    style: str | None,
    palette: Palette,
    size: tuple[int, int],
    sheet: Sheet,
    *,
    clear: float,
    cover: bool,
) -> Pixels:
    if given is not None and not cover:
        return canvas.fitted(given, *size)
    drawn, _ = backdrop(spec.prompt, *size, spec.seed, style, clear=clear, palette=palette)
    if sheet.direction == "rtl" and sheet.wide:
        drawn = drawn[:, ::-1].copy()
    return drawn if given is None else ground.dissolve(canvas.fitted(given, *size), drawn)


def _arrangement(
    spec: Spec, style: Style, items: Sequence[Item], sheet: Sheet, given: Pixels | None
) -> Arrangement:
    """The style's first design that sets everything comfortably; else the one that gives way least."""
    turn = dice("design", spec.prompt, spec.seed, style.name).randrange(len(style.designs))
    order = [*style.designs[turn:], *style.designs[:turn]]
    order += [name for name in DESIGNS if name not in order]
    best: Arrangement | None = None
    for shares in _SHARES:
        for name in order:
            for share in shares:
                anchor: Anchor = "top" if given is None else _calmest(given, share)
                found = arrange(DESIGNS[name], items, sheet, anchor, share)
                if found is None:
                    continue
                if found.tightness <= _COMFORT:
                    return found
                if best is None or found.tightness < best.tightness:
                    best = found
    if best is None:
        raise _does_not_fit(items, sheet)
    return best


def _calmest(pixels: Pixels, share: float) -> Anchor:
    height, width = pixels.shape[:2]
    tall = height * min(share, 0.6)
    places: dict[Anchor, float] = {"top": 0.0, "bottom": height - tall, "middle": (height - tall) / 2}
    scores = {name: contrast.busyness(pixels, (0.0, y, float(width), tall)) for name, y in places.items()}
    # The middle has art on both sides and reads as cramped: it has to be clearly calmer.
    scores["middle"] = scores["middle"] * 1.25 + 0.5
    return min(scores, key=lambda name: scores[name])


def _does_not_fit(items: Sequence[Item], sheet: Sheet) -> CannotSet:
    width, height = sheet.width - 2 * sheet.margin, sheet.height - 2 * sheet.margin

    def claim(item: Item) -> float:
        sized = size_at(item, width, 1.0)
        return sized.height if sized else float("inf")

    worst = max(items, key=claim)
    words = worst.source.text
    shown = words if len(words) <= 60 else f"{words[:57]}..."
    beside = f" beside {len(items) - 1} other texts" if len(items) > 1 else ""
    return CannotSet(
        f"text {shown!r} ({worst.source.role}) does not fit {width:.0f} x {height:.0f} px{beside}, even at "
        f"the least legible size of {worst.low:.0f} px: shorten it, or ask for a larger picture"
    )


def _painted(
    arrangement: Arrangement, sheet: Sheet, pixels: Pixels, palette: Palette, style: Style
) -> Poster:
    inking = ink(arrangement, sheet, pixels, palette, style)
    background = canvas.to_png(pixels)
    paint.draw(pixels, inking.bars, inking.words)
    width, height = int(sheet.width), int(sheet.height)
    faces = {glyph.face for words in inking.words for line in words.lines for glyph in line.shaped.glyphs}
    return Poster(
        canvas.to_png(pixels),
        background,
        paint.to_svg(width, height, inking.bars, inking.words),
        width,
        height,
        tuple(sorted(face.name for face in faces)),
        tuple(_block(each) for each in inking.texts),
    )


def _block(inked: InkedText) -> Block:
    sized = inked.placed.sized
    source = sized.item.source
    return Block(source.text, source.role, inked.box, sized.size, inked.ratio)
