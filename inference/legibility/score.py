"""How much of what a picture must say can be read in it.

For each reader the read words are assigned to the expected texts (`assign`), then
    similarity = max(0, 1 - edits / length)                      one text, tolerant form, no spaces
    recall     = sum(length * similarity) / sum(length)          over the texts a reader can judge
    precision  = characters assigned / characters read
    score      = recall * precision
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from inference.legibility.assign import assign
from inference.legibility.base import Line
from inference.legibility.folding import numbers, readable, strict, tolerant
from inference.legibility.page import Page, lay_out
from inference.legibility.search import Span
from schemas.events import Legibility, Text, TextReading

SCORE_VERSION: Final = "assignment-1"

# A reader that doubts its own words is no witness for words that should not be there.
EXTRA_CONFIDENCE: Final = 0.5
# Without expected texts, so many stray characters (a line of type) bring the score to 0.
STRAY_CHARACTERS: Final = 20


@dataclass(frozen=True, slots=True)
class _Reading:
    """One text by one reader. `numbers_exact` holds for a text without numbers too."""

    read: str
    similarity: float
    same: bool
    exact: bool
    numbers_exact: bool
    length: int

    @property
    def rank(self) -> tuple[bool, bool, bool, float]:
        return self.exact, self.same and self.numbers_exact, self.numbers_exact, self.similarity


@dataclass(frozen=True, slots=True)
class _Judgement:
    """One reader over one picture; `readings[i]` is None where it cannot judge text i."""

    readings: tuple[_Reading | None, ...]
    explained: int
    extra: tuple[str, ...]
    extra_characters: int

    @property
    def precision(self) -> float:
        # Over letters it does not know a reader prints others; they may be the text, so they are not extra.
        if any(reading is None for reading in self.readings) or not self.extra_characters:
            return 1.0
        return self.explained / (self.explained + self.extra_characters)


def score(
    texts: Sequence[Text],
    readings: Mapping[str, Sequence[Line]],
    coverage: Mapping[str, frozenset[str]],
    *,
    by_construction: bool = False,
) -> Legibility:
    """Scores one picture from what each reader read in it.

    A text counts for a reader that knows all its letters, digits and signs of currency; where none does,
    its verdict is `unreadable_by_reader` and it weighs nothing. Of several readers the best reading of
    each text counts; precision and extras come from the reader with the highest F1, among those that
    judge the most texts. A text is `read` when its tolerant form, its numbers and, where it is critical,
    its every letter are right; `exact` when its strict form is. `critical_exact` says that no critical
    text and no number, percent or currency sign of any judged text was read otherwise than it should be.

    Where no text can be judged, `score` is None. Without expected texts the score is
    1 - stray characters / 20, not below 0: the gate is "no stray text".

    Raises:
        ValueError: a reader without a declared coverage.
    """
    if missing := readings.keys() - coverage.keys():
        raise ValueError(
            f"coverage: no characters for reader {sorted(missing)[0]!r}; known: {sorted(coverage)}"
        )
    judged = [_judge(texts, lines, coverage[reader]) for reader, lines in readings.items()]
    best = [_best([j.readings[i] for j in judged]) for i in range(len(texts))]
    recall = _recall(best)
    if texts:
        witness = max(judged, key=lambda j: _trust(j, best), default=None)
        precision = witness.precision if witness and recall is not None else None
        total = recall * precision if recall is not None and precision is not None else None
    else:
        witness = min(judged, key=lambda j: j.extra_characters, default=None)
        total = precision = max(0.0, 1 - witness.extra_characters / STRAY_CHARACTERS) if witness else None
    blamed = witness is not None and (not texts or None not in witness.readings)
    return Legibility(
        score=_rounded(total),
        recall=_rounded(recall),
        precision=_rounded(precision),
        critical_exact=all(
            reading is None or (reading.exact if text.critical else reading.numbers_exact)
            for text, reading in zip(texts, best, strict=True)
        ),
        texts=tuple(_verdict(text, reading) for text, reading in zip(texts, best, strict=True)),
        extra=witness.extra if witness and blamed else (),
        readers=tuple(readings),
        version=SCORE_VERSION,
        by_construction=by_construction,
    )


def _judge(texts: Sequence[Text], lines: Sequence[Line], characters: frozenset[str]) -> _Judgement:
    """One reader's words against the texts it knows the letters of."""
    page = lay_out(lines)
    asked = [readable(text.text, characters) for text in texts]
    spans = iter(assign([tolerant(text) for text in asked if text], page))
    pairs = [(text, next(spans) if text else None) for text in asked]
    taken = {word for _, span in pairs if span for word in span.words}
    extra = _extra(page, taken)
    return _Judgement(
        readings=tuple(_reading(text, span, page) if text else None for text, span in pairs),
        explained=sum(len(page.words[word].folded) for word in taken),
        extra=tuple(page.text(words) for words in extra),
        extra_characters=sum(len(page.words[word].folded) for words in extra for word in words),
    )


def _reading(text: str, span: Span | None, page: Page) -> _Reading:
    length, due = len(tolerant(text)), numbers(text)
    if span is None:
        return _Reading("", 0.0, same=False, exact=False, numbers_exact=not due, length=length)
    raw = "".join(page.words[word].raw for word in span.words)
    return _Reading(
        read=page.text(span.words),
        similarity=max(0.0, 1 - span.distance / length),
        same=span.distance == 0,
        exact=raw == strict(text),
        numbers_exact=not due or numbers(raw) == due,
        length=length,
    )


def _extra(page: Page, taken: set[int]) -> list[list[int]]:
    """Runs of words that belong to no text, without specks and what the reader itself doubts."""
    runs: list[list[int]] = []
    for segment in page.segments:
        last = -1
        for index in segment:
            word = page.words[index]
            if (
                index in taken
                or word.confidence < EXTRA_CONFIDENCE
                or not any(c.isalnum() for c in word.folded)
            ):
                continue
            if last >= 0 and index == last + 1:
                runs[-1].append(index)
            else:
                runs.append([index])
            last = index
    return runs


def _best(readings: Sequence[_Reading | None]) -> _Reading | None:
    return max((r for r in readings if r), key=lambda r: r.rank, default=None)


def _recall(readings: Sequence[_Reading | None]) -> float | None:
    judged = [r for r in readings if r]
    length = sum(r.length for r in judged)
    return sum(r.length * r.similarity for r in judged) / length if length else None


def _trust(judgement: _Judgement, best: Sequence[_Reading | None]) -> tuple[int, float]:
    """How many texts a reader judges, then its own F1 over the texts that anyone judges."""
    own = [r for r in judgement.readings if r]
    length = sum(r.length for r in best if r)
    recall = sum(r.length * r.similarity for r in own) / length if length else 0.0
    both = recall + judgement.precision
    return len(own), 2 * recall * judgement.precision / both if both else 0.0


def _verdict(text: Text, reading: _Reading | None) -> TextReading:
    if reading is None:
        return TextReading(text=text.text, verdict="unreadable_by_reader", critical=text.critical)
    right = reading.exact if text.critical else reading.same and reading.numbers_exact
    return TextReading(
        text=text.text,
        verdict="read" if right else "missed",
        read=reading.read,
        similarity=round(reading.similarity, 6),
        exact=reading.exact,
        critical=text.critical,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
