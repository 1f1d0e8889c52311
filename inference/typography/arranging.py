"""Placing: a design, its items and a sheet become boxes in px."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from inference.typography.blocks import Item, Sized, fit_stack, gap_before, stack_height
from inference.typography.contrast import Box
from inference.typography.designs import Align, Anchor, Arrangement, Design, Placed, Rule, Sheet


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
        foot[1] + (air if foot[0] else 0.0) + (air * 0.6 if foot[0] and design.panel == "foot" else 0.0)
    )
    bottom = sheet.height - inset - foot_height
    if bottom <= top:
        return None
    whole = design.panel == "full" and sheet.wide
    room = (bottom - top) * (1.0 if whole else share)
    ornament = _ornament(main, sheet)
    fitted = fit_stack(main, column, room, sheet.unit, ornament)
    if fitted is None:
        return None
    stack, tightness = fitted
    tall = stack_height(stack, sheet.unit, tightness, ornament)
    y = {"top": top, "middle": top + (bottom - top - tall) / 2, "bottom": bottom - tall}[anchor]
    if whole:
        y = top + (bottom - top - tall) / 2
    elif design.panel == "full":
        y = bottom - tall
    placed, rules = _stacked(design, stack, sheet, inset, column, y, tightness, ornament)
    placed += [_moved(each, inset) for each in head[0]]
    placed += [_moved(each, sheet.height - inset - foot[1]) for each in foot[0]]
    panel = _panel(design, sheet, y, foot, inset)
    if design.frame:
        rules += _frame(sheet)
    return Arrangement(design, tuple(placed), tuple(rules), panel, tightness)


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


def _row(
    items: Sequence[Item], design: Design, sheet: Sheet, x: float, width: float, zone: Literal["head", "foot"]
) -> tuple[list[Placed], float] | None:
    """One row at an edge: all but the last item stacked at the start, the call or date at the end.

    Credits run below over the whole width. Tops are relative to the row.
    """
    roles = design.head if zone == "head" else design.foot
    align: Align = "centre" if design.align == "centre" else "start"
    chosen = sorted((item for item in items if item.role in roles), key=lambda item: roles.index(item.role))
    if not chosen:
        return [], 0.0
    under = [item for item in chosen if item.role == "credits"]
    rest = [item for item in chosen if item.role != "credits"]
    split = len(rest) > 1
    ends = [item for item in rest if item.role == ("date" if zone == "head" else "cta")] if split else []
    starts = [item for item in rest if item not in ends]
    half = width * 0.56 if ends and starts else width
    limit = sheet.height * 0.3
    left = fit_stack(starts, half, limit, sheet.unit * 0.6) if starts else ([], 0.0)
    right = (
        fit_stack(ends, width - half - 2 * sheet.unit if starts else width, limit, sheet.unit * 0.6)
        if ends
        else ([], 0.0)
    )
    low = fit_stack(under, width, limit, sheet.unit) if under else ([], 0.0)
    if left is None or right is None or low is None:
        return None
    unit = sheet.unit * 0.6
    heights = [stack_height(stack, unit, tight) if stack else 0.0 for stack, tight in (left, right)]
    row = max(heights)
    placed = _column_of(left, sheet, x, half, (row - heights[0]) / 2, align, zone, unit)
    across = width - half if starts else width
    placed += _column_of(
        right, sheet, x + half if starts else x, across, (row - heights[1]) / 2, "end", zone, unit
    )
    total = row
    if low[0]:
        gap = 2.4 * sheet.unit if rest else 0.0
        placed += _column_of(low, sheet, x, width, row + gap, align, zone, unit)
        total = row + gap + stack_height(low[0], sheet.unit, low[1])
    return placed, total


def _column_of(
    fitted: tuple[list[Sized], float],
    sheet: Sheet,
    x: float,
    width: float,
    y: float,
    align: Align,
    zone: str,
    unit: float,
) -> list[Placed]:
    placed: list[Placed] = []
    for index, sized in enumerate(fitted[0]):
        y += gap_before(sized, unit, fitted[1]) if index else 0.0
        placed.append(Placed(sized, _at(sheet, x, width, sized.width, align), y, align, zone))
        y += sized.height
    return placed


def _stacked(
    design: Design,
    stack: Sequence[Sized],
    sheet: Sheet,
    x: float,
    column: float,
    y: float,
    tightness: float,
    ornament: float,
) -> tuple[list[Placed], list[Rule]]:
    placed: list[Placed] = []
    rules: list[Rule] = []
    x = (sheet.width - column) / 2 if design.align == "centre" else x
    for index, sized in enumerate(stack):
        gap = gap_before(sized, sheet.unit, tightness) if index else 0.0
        follows_headline = (
            index and stack[index - 1].item.role == "headline" and sized.item.role != "headline"
        )
        if follows_headline and ornament:
            thick = max(2.0, 0.55 * sheet.unit)
            wide = 9.0 * sheet.unit
            left = _at(sheet, x, column, wide, design.align)
            rules.append(Rule((left, y + ornament * 0.5 + gap * 0.15, wide, thick), "accent"))
            y += ornament
        y += gap
        placed.append(
            Placed(sized, _at(sheet, x, column, sized.width, design.align), y, design.align, "main")
        )
        y += sized.height
    return placed, rules


def _at(sheet: Sheet, x: float, column: float, width: float, align: Align) -> float:
    offset = {"start": 0.0, "centre": (column - width) / 2, "end": column - width}[align]
    return sheet.mirrored(x + offset, width)


def _moved(placed: Placed, y: float) -> Placed:
    return Placed(placed.sized, placed.x, placed.y + y, placed.align, placed.zone)


def _panel(
    design: Design, sheet: Sheet, main_top: float, foot: tuple[list[Placed], float], inset: float
) -> Box | None:
    """Whole pixels, so that no seam shows where the picture begins."""
    if design.panel == "full" and sheet.wide:
        wide = float(round(sheet.width * 0.46))
        return sheet.mirrored(0.0, wide), 0.0, wide, sheet.height
    if design.panel == "full":
        top = float(max(0, round(main_top - inset)))
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
