"""One picture judged by our score and, from the same reading, by the published formulas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inference.legibility import looking
from inference.legibility.acceptance import passes
from inference.legibility.base import Reader
from inference.legibility.calibration.curves import Scored
from inference.legibility.calibration.drawing import picture
from inference.legibility.calibration.flaws import Trial
from inference.legibility.calibration.formulas import FORMULAS
from inference.legibility.pixels import decode
from schemas.events import Legibility, Text


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one picture got: our reading of it, and each published formula's number."""

    legibility: Legibility
    formulas: Mapping[str, float]

    @property
    def score(self) -> float:
        """Ours; 0 where nothing could be judged."""
        return self.legibility.score or 0.0

    @property
    def accepted(self) -> bool:
        return passes(self.legibility)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A trial and what it got."""

    trial: Trial
    judgement: Judgement

    def scored(self, formula: str | None = None) -> Scored:
        """For the curves: by our score, or by a formula's."""
        value = self.judgement.formulas[formula] if formula else self.judgement.score
        return Scored(self.trial.sketch.name, self.trial.right, value)


def judge(png: bytes, texts: Sequence[Text], reader: Reader) -> Judgement:
    """Read as a stranger's picture: nothing says that we set its words. The formulas get the first look.

    Raises:
        ValueError: the bytes are no picture. ReaderError: the reader failed.
    """
    drawn = decode(png)
    words = [text.text for text in texts]
    read = [line.text for line in reader.look(drawn).lines]
    return Judgement(
        looking.judge([reader], drawn, texts),
        {name: formula(words, read) for name, formula in FORMULAS.items()},
    )


def judged(trial: Trial, reader: Reader) -> Verdict:
    """The trial drawn, read and scored."""
    return Verdict(trial, judge(picture(trial), trial.sketch.texts, reader))
