"""Placing: a design, its items and a sheet become boxes in px."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from inference.typography.blocks import Item, Sized, fit_stack, gap_before, stack_height
from inference.typography.contrast import Box
from inference.typography.designs import Align, Anchor, Arrangement, Design, Placed, Rule, Sheet

# A panel takes its margins from the picture too; where words are many they may have it all.
_CROWDED = 0.8
_PANEL_SHARE = 0.84
_ROW_LIMIT = 0.3
_LEAST_ART = 0.1

_Fitted = tuple[list[Sized], float]
_Row = tuple[list[Placed], float]


def arrange(
    design: Design, items: Sequence[Item], sheet: Sheet, anchor: Anchor, share: float
) -> Arrangement | None:
    """Places everything, the main stack within `share` of the free height; None where it does not fit."""
    inset = sheet.margin * (1.45 if design.frame else 1.0)
    column = _column(design, sheet, inset)
    whole_width = sheet.width - 2 * inset
    side = column if design.align == "start" else whole_width
    head = _row(items, design, sheet, inset, side, "head")
    foot = _row(items, design, sheet, inset, whole_width if design.panel == "foot" else side, "foot")
    if head is None or foot is None:
        return None
    main = sorted(
        (item for item in items if item.role not in (*design.head, *design.foot)),
        key=lambda item: design.order.index(item.role),
    )
    air = 3.2 * sheet.unit
    top = inset + (head[1] + air if head[0] else 0.0)
    foot_height = (
        foot[1] + (air if foot[0] else 0.0) + (air * 1.1 if foot[0] and design.panel == "foot" else 0.0)
    )
    bottom = sheet.height - inset - foot_height
    if bottom <= top:
        return None
    whole = design.panel == "full" and sheet.wide
    if design.panel == "full" and not sheet.wide and share < _CROWDED:
        share *= _PANEL_SHARE
    room = (bottom - top) * (1.0 if whole else share)
    ornament = _ornament(main, sheet)
    fitted = fit_stack(main, column, room, sheet.unit, ornament)
    if fitted is None:
        return None
    tall = stack_height(*fitted, sheet.unit, ornament)
    y = {"top": top, "middle": top + (bottom - top - tall) / 2, "bottom": bottom - tall}[anchor]
    if design.panel == "full":
        y = top + (bottom - top - tall) / 2 if whole else bottom - tall
    x = (sheet.width - column) / 2 if design.align == "centre" else inset
    stand = _Column(sheet, x, column, design.align, "main", sheet.unit)
    placed, rules = stand.place(fitted, y, ornament)
    placed += [_moved(each, inset) for each in head[0]]
    placed += [_moved(each, sheet.height - inset - foot[1]) for each in foot[0]]
    panel = _panel(design, sheet, y, foot, inset)
    if design.frame:
        rules += _frame(sheet)
    return Arrangement(design, tuple(placed), tuple(rules), panel, fitted[1])


def _column(design: Design, sheet: Sheet, inset: float) -> float:
    full = sheet.width - 2 * inset
    if not sheet.wide:
        return full
    if design.panel == "full":
        return sheet.width * 0.46 - inset * 1.6
    return full * (0.78 if design.align == "centre" else 0.62)


def _ornament(main: Sequence[Item], sheet: Sheet) -> float:
    """Room in px for the short rule under the headline, where something follows it."""
    heads = [index for index, item in enumerate(main) if item.role == "headline"]
    return 3.4 * sheet.unit if heads and heads[-1] < len(main) - 1 else 0.0


@dataclass(frozen=True, slots=True)
class _Column:
    """Where a stack stands: `x` from the reading edge and `width` in px, gaps in `unit`."""

    sheet: Sheet
    x: float
    width: float
    align: Align
    zone: str
    unit: float

    def fit(self, items: Sequence[Item]) -> _Fitted | None:
        return fit_stack(items, self.width, self.sheet.height * _ROW_LIMIT, self.unit) if items else ([], 0.0)

    def height(self, fitted: _Fitted) -> float:
        return stack_height(*fitted, self.unit)

    def place(self, fitted: _Fitted, y: float, ornament: float = 0.0) -> tuple[list[Placed], list[Rule]]:
        """Places a stack from `y` px down; `ornament` is the room for a rule under its headline."""
        stack, tightness = fitted
        placed: list[Placed] = []
        rules: list[Rule] = []
        for index, sized in enumerate(stack):
            gap = gap_before(sized, self.unit, tightness) if index else 0.0
            ends_headline = index and stack[index - 1].item.role == "headline" != sized.item.role
            if ends_headline and ornament:
                rules.append(self._rule(y + ornament * 0.5 + gap * 0.15))
                y += ornament
            y += gap
            placed.append(Placed(sized, self._at(sized.width), y, self.align, self.zone))
            y += sized.height
        return placed, rules

    def _rule(self, y: float) -> Rule:
        wide = 9.0 * self.unit
        return Rule((self._at(wide), y, wide, max(2.0, 0.55 * self.unit)), "accent")

    def _at(self, width: float) -> float:
        room = self.width - width
        offset = {"start": 0.0, "centre": room / 2, "end": room}[self.align]
        return self.sheet.mirrored(self.x + offset, width)


def _row(
    items: Sequence[Item], design: Design, sheet: Sheet, x: float, width: float, zone: Literal["head", "foot"]
) -> _Row | None:
    """One row at an edge: the call (or, above, the date) at the end, the rest at the start.

    Credits run below over the whole width. Tops are relative to the row.
    """
    roles = design.head if zone == "head" else design.foot
    chosen = sorted((item for item in items if item.role in roles), key=lambda item: roles.index(item.role))
    if not chosen:
        return [], 0.0
    under = [item for item in chosen if item.role == "credits"]
    rest = [item for item in chosen if item.role != "credits"]
    at_end = "date" if zone == "head" else "cta"
    ends = [item for item in rest if item.role == at_end] if len(rest) > 1 else []
    starts = [item for item in rest if item not in ends]
    align: Align = "centre" if design.align == "centre" else "start"
    unit = sheet.unit * 0.6
    half = width * 0.56 if ends and starts else width if starts else 0.0
    left = _Column(sheet, x, half, align, zone, unit)
    right = _Column(sheet, x + half, width - half, "end", zone, unit)
    low = _Column(sheet, x, width, align, zone, unit)
    fitted = (left.fit(starts), right.fit(ends), low.fit(under))
    if fitted[0] is None or fitted[1] is None or fitted[2] is None:
        return None
    heights = left.height(fitted[0]), right.height(fitted[1]), low.height(fitted[2])
    row = max(heights[:2])
    below = row + (2.4 * sheet.unit if rest and under else 0.0)
    placed = left.place(fitted[0], (row - heights[0]) / 2)[0]
    placed += right.place(fitted[1], (row - heights[1]) / 2)[0]
    placed += low.place(fitted[2], below)[0]
    return placed, below + heights[2]


def _moved(placed: Placed, y: float) -> Placed:
    return Placed(placed.sized, placed.x, placed.y + y, placed.align, placed.zone)


def _panel(design: Design, sheet: Sheet, main_top: float, foot: _Row, inset: float) -> Box | None:
    """Whole pixels, so that no seam shows where the picture begins."""
    if design.panel == "full" and sheet.wide:
        wide = float(round(sheet.width * 0.46))
        return sheet.mirrored(0.0, wide), 0.0, wide, sheet.height
    if design.panel == "full":
        top = float(round(main_top - inset))
        top = top if top >= _LEAST_ART * sheet.height else 0.0
        return 0.0, top, sheet.width, sheet.height - top
    if design.panel == "foot" and foot[0]:
        tall = float(round(foot[1] + inset * 1.64))
        return 0.0, sheet.height - tall, sheet.width, tall
    return None


def _frame(sheet: Sheet) -> list[Rule]:
    edge, thin = sheet.margin * 0.55, max(1.0, 0.18 * sheet.unit)
    outer = (edge, edge, sheet.width - 2 * edge, sheet.height - 2 * edge)
    step = 0.9 * sheet.unit
    inner = (edge + step, edge + step, outer[2] - 2 * step, outer[3] - 2 * step)
    return [Rule(outer, "frame", thin * 2), Rule(inner, "frame", thin)]
