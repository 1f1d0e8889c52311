"""What can be wrong with a poster, how badly, and whether a person would say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from inference.legibility.calibration.posters import Sketch
from inference.typography.backdrop import dice

Kind = Literal[
    "dropped", "doubled", "swapped", "gibberish",
    "malformed", "tumbled", "cropped", "faint", "tiny", "tilted", "occluded",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Flaw:
    """One kind at one severity (1 is the mildest).

    `amount` is in the unit the kind is measured in, `says` puts it in words. `legible` holds where a person
    would still call the poster right: nothing of its words is missing, wrong or hard to read.
    """

    kind: Kind
    severity: int
    amount: float
    says: str
    legible: bool = False

    @property
    def written(self) -> bool:
        """Whether other words are written than were asked for, however well they read."""
        return self.kind in ("dropped", "doubled", "swapped", "gibberish")

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.severity}"


FLAWS: Final = (
    Flaw("dropped", 1, 1, "one letter left out"),
    Flaw("dropped", 2, 2, "two letters left out"),
    Flaw("dropped", 3, 3, "three letters left out"),
    Flaw("doubled", 1, 1, "one letter doubled"),
    Flaw("doubled", 2, 2, "two letters doubled"),
    Flaw("doubled", 3, 3, "three letters doubled"),
    Flaw("swapped", 1, 1, "one pair of neighbours swapped"),
    Flaw("swapped", 2, 2, "two pairs swapped"),
    Flaw("swapped", 3, 3, "three pairs swapped"),
    Flaw("gibberish", 1, 1, "one nonsense word added"),
    Flaw("gibberish", 2, 3, "a line of three nonsense words"),
    Flaw("gibberish", 3, 12, "a block of nonsense"),
    Flaw("malformed", 1, 0.03, "hairline cracks through the letters", legible=True),
    Flaw("malformed", 2, 1, "one letter lost a part of its strokes"),
    Flaw("malformed", 3, 1, "one letter shuffled beyond recognition"),
    Flaw("malformed", 4, 0.34, "a third of the letters shuffled"),
    Flaw("tumbled", 1, 9, "letters dance by up to 9 degrees", legible=True),
    Flaw("tumbled", 2, 1, "one letter lies on its side"),
    Flaw("tumbled", 3, 0.34, "a third of the letters lie on their sides"),
    Flaw("cropped", 1, 0, "the type stands close to the border", legible=True),
    Flaw("cropped", 2, 0.5, "half of the outermost letter is cut off"),
    Flaw("cropped", 3, 2.5, "two letters and a half are cut off"),
    Flaw("cropped", 4, 0.5, "the upper half of a line is cut off"),
    Flaw("faint", 1, 3.0, "contrast of 3.0 to 1", legible=True),
    Flaw("faint", 2, 1.35, "contrast of 1.35 to 1"),
    Flaw("faint", 3, 1.12, "contrast of 1.12 to 1"),
    Flaw("faint", 4, 1.04, "contrast of 1.04 to 1"),
    Flaw("tiny", 1, 14, "14 px to the em", legible=True),
    Flaw("tiny", 2, 7, "7 px to the em"),
    Flaw("tiny", 3, 4.5, "4.5 px to the em"),
    Flaw("tilted", 1, 5, "all type tilted by 5 degrees", legible=True),
    Flaw("tilted", 2, 20, "all type tilted by 20 degrees", legible=True),
    Flaw("tilted", 3, 90, "all type set sideways", legible=True),
    Flaw("tilted", 4, 180, "all type upside down"),
    Flaw("occluded", 1, 0.06, "a thin line runs through a line of type", legible=True),
    Flaw("occluded", 2, 1, "one letter is covered"),
    Flaw("occluded", 3, 3, "three letters are covered"),
    Flaw("occluded", 4, 0.6, "the lower 60 % of a line is covered"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trial:
    """One picture to be judged: a poster, its flaw (None: clean), and the seed of all that chance decides."""

    sketch: Sketch
    flaw: Flaw | None
    seed: int

    @property
    def right(self) -> bool:
        """Whether a person would pass it."""
        return self.flaw is None or self.flaw.legible

    @property
    def name(self) -> str:
        return f"{self.sketch.name}-{self.flaw.name if self.flaw else 'clean'}-{self.seed}"


def trials(sketches: Sequence[Sketch], *, clean: int, flawed: int) -> tuple[Trial, ...]:
    """Each poster `clean` times without a flaw, and with `flawed` of the flaws.

    The flaws take turns, so that each is met as often as any other, give or take one.
    """
    found: list[Trial] = []
    order = list(FLAWS)
    dice("order of flaws", len(sketches)).shuffle(order)
    turn = 0
    for sketch in sketches:
        found += [Trial(sketch, None, seed) for seed in range(clean)]
        for _ in range(flawed):
            found.append(Trial(sketch, order[turn % len(order)], turn // len(order)))
            turn += 1
    return tuple(found)
