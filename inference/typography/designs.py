"""Where things go: four designs over one grid, each a head, a main stack and a foot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from inference.typography.bidirectional import Direction
from inference.typography.blocks import Sized
from inference.typography.contrast import Box
from schemas.events import Role

Anchor = Literal["top", "middle", "bottom"]
Align = Literal["start", "centre", "end"]


@dataclass(frozen=True, slots=True)
class Design:
    """`order` is the main stack; roles in `head` and `foot` stand in rows at the edges."""

    name: str
    align: Align
    head: tuple[Role, ...]
    foot: tuple[Role, ...]
    order: tuple[Role, ...]
    panel: Literal["", "foot", "full"] = ""
    frame: bool = False


DESIGNS: dict[str, Design] = {
    design.name: design
    for design in (
        Design(
            "masthead", "start", ("brand", "date"), ("cta", "credits"),
            ("headline", "subtitle", "tagline", "body", "price"),
        ),
        Design(
            "classic", "centre", ("brand",), ("credits",),
            ("date", "headline", "tagline", "subtitle", "body", "price", "cta"), frame=True,
        ),
        Design(
            "band", "start", ("brand",), ("date", "price", "cta", "credits"),
            ("headline", "subtitle", "tagline", "body"), panel="foot",
        ),
        Design(
            "panel", "start", (), ("credits",),
            ("brand", "headline", "subtitle", "tagline", "body", "date", "price", "cta"), panel="full",
        ),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sheet:
    """The sheet's size, unit (1% of its geometric mean side), margin, and reading direction."""

    width: float
    height: float
    unit: float
    margin: float
    direction: Direction

    @property
    def wide(self) -> bool:
        """Landscape enough for a column beside the art."""
        return self.width > self.height * 1.15

    def mirrored(self, x: float, width: float) -> float:
        """Where a box of `width` at `x` from the reading edge really starts."""
        return self.width - x - width if self.direction == "rtl" else x


@dataclass(frozen=True, slots=True)
class Placed:
    """A sized item at its place: `x`, `y` is the top left of its outer box, in px."""

    sized: Sized
    x: float
    y: float
    align: Align
    zone: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A bar of the accent (or, as a frame, of the ink): a filled box, or a stroked one of `stroke` px."""

    box: Box
    tone: str
    stroke: float = 0.0


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Everything placed, nothing coloured. `panel` is to be solid; `tightness` tells how much had to give."""

    design: Design
    placed: tuple[Placed, ...]
    rules: tuple[Rule, ...]
    panel: Box | None
    tightness: float

    @property
    def on_panel(self) -> frozenset[str]:
        """The zones that stand on the panel."""
        if self.panel is None:
            return frozenset()
        return frozenset({"main", "foot"} if self.design.panel == "full" else {"foot"})

    def main_bottom(self) -> float:
        """Where the words over the picture end, in px from the top; 0.0 where none stand there."""
        free = [each for each in self.placed if each.zone not in self.on_panel and each.zone != "foot"]
        return max((each.y + each.sized.height for each in free), default=0.0)

    def art(self, sheet: Sheet) -> Box:
        """What a panel leaves of the sheet, in px."""
        if self.panel is None:
            return 0.0, 0.0, sheet.width, sheet.height
        x, _, wide, tall = self.panel
        if wide < sheet.width:
            return (wide if x == 0 else 0.0), 0.0, sheet.width - wide, sheet.height
        return 0.0, 0.0, sheet.width, sheet.height - tall


def make_sheet(width: int, height: int, direction: Direction) -> Sheet:
    """The grid of a sheet in px."""
    unit = (width * height) ** 0.5 / 100
    return Sheet(float(width), float(height), unit, max(6.0, min(width, height) * 0.07), direction)
