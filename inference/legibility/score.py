"""How much of what a picture must say can be read in it.

For each reader the read words are assigned to the expected texts (`assign`), then
    similarity = max(0, 1 - cost / length)                       one text, tolerant form, no spaces
    recall     = sum(length * similarity) / sum(length)          over the texts a reader can judge
    precision  = characters assigned / characters read, 0.8 at most beside a word that nobody asked for
    score      = recall * precision
Lengths are in graphemes. An edit costs 1; in a text that is not critical one that readers make by
themselves costs less (`confusions`), and one that the reader nearly read right next to nothing
(`misreadings`). A text that the picture's edge cuts, that a person could not see
(`visibility`), or that stands upside down, is 0.8 similar at most and never exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from inference.legibility.base import Line
from inference.legibility.judgement import UNINVITED, Judgement, Reading, Stray, judged
from inference.legibility.rereading import Box, View, overlap
from schemas.events import Legibility, Text, TextReading

SCORE_VERSION: Final = "assignment-4"

# Without expected texts, so many stray characters (a line of type) bring the score to 0.
STRAY_CHARACTERS: Final = 20
# Boxes of two looks that share so much of the smaller one hold the same ink.
_SAME_INK: Final = 0.5


@dataclass(frozen=True, slots=True)
class Look:
    """What each reader read in a further view; boxes are in the view's pixels."""

    view: View
    readings: Mapping[str, Sequence[Line]]


@dataclass(frozen=True, slots=True)
class _Look:
    """A look, judged: by each reader, and the best reading of each text."""

    judgements: tuple[Judgement, ...]
    best: tuple[Reading | None, ...]


@dataclass(frozen=True, slots=True)
class Assessment:
    """A score, and what another look would be for.

    `missing` says whether a text was not found, `unread` are the lines unread at first. `doubted` are the
    places in the picture of texts that are wrong in letters alone, where the reader held the right letters
    for possible.
    """

    legibility: Legibility
    missing: bool
    unread: tuple[Line, ...]
    doubted: tuple[Box, ...] = ()

    @property
    def lost(self) -> bool:
        """Whether a further look is worth it."""
        return self.missing or bool(self.doubted)


def score(
    texts: Sequence[Text],
    readings: Mapping[str, Sequence[Line]],
    coverage: Mapping[str, frozenset[str]],
    *,
    by_construction: bool = False,
    again: Sequence[Look] = (),
) -> Legibility:
    """Scores one picture from what each reader read in it, at first and in further looks.

    A text counts for a reader that knows all its letters, digits and signs of currency; where none does,
    its verdict is `unreadable_by_reader` and it weighs nothing. Of several readers and looks the best
    reading of each text counts, but what one text was read from is no other text's. Precision and extras
    come from the first look, of the reader with the highest F1 among those that judge the most texts; what
    it printed where a further look read an expected text is no extra. Further looks never lower the score:
    where they would, they change nothing but `looks`.

    A text is `read` when its tolerant form, its numbers and, where it is critical, its every letter are
    right, as far as this reader can tell letters apart; `exact` when its strict form is. `critical_exact`
    says that every critical text is `read` and that no number, percent or currency sign of any judged text
    was read otherwise than it should be.

    Where no text can be judged, `score` is None. Without expected texts the score is
    1 - stray characters / 20, not below 0: the gate is "no stray text".

    Raises:
        ValueError: a reader without a declared coverage.
    """
    return assess(texts, readings, coverage, by_construction=by_construction, again=again).legibility


def assess(
    texts: Sequence[Text],
    readings: Mapping[str, Sequence[Line]],
    coverage: Mapping[str, frozenset[str]],
    *,
    by_construction: bool = False,
    again: Sequence[Look] = (),
) -> Assessment:
    """What `score` returns, and what of it calls for a further look.

    Raises:
        ValueError: a reader without a declared coverage.
    """
    if missing := readings.keys() - coverage.keys():
        raise ValueError(
            f"coverage: no characters for reader {sorted(missing)[0]!r}; known: {sorted(coverage)}"
        )
    first = _look(texts, readings, coverage, None)
    best = list(first.best)
    result = _scored(texts, first.judgements, best, tuple(readings), by_construction)
    if again:
        looks = [first, *(_look(texts, look.readings, coverage, look.view) for look in again)]
        chosen = _chosen(looks)
        more = _scored(texts, first.judgements, chosen, tuple(readings), by_construction)
        if (more.score or 0.0) >= (result.score or 0.0):
            result, best = more, chosen
    return Assessment(
        replace(result, looks=tuple(look.view.name for look in again)),
        missing=any(reading is not None and reading.lost for reading in best),
        unread=tuple(line for judgement in first.judgements for line in judgement.unread),
        doubted=tuple(box for reading in best if reading and reading.doubted for box in reading.boxes),
    )


def _look(
    texts: Sequence[Text],
    readings: Mapping[str, Sequence[Line]],
    coverage: Mapping[str, frozenset[str]],
    view: View | None,
) -> _Look:
    judgements = tuple(
        judged(texts, lines, coverage[reader])
        if view is None
        else judged(
            texts,
            lines,
            coverage[reader],
            look=view.name,
            upside_down=view.turn == 180,
            in_picture=view.in_picture,
        )
        for reader, lines in readings.items()
    )
    best = tuple(_best([j.readings[i] for j in judgements]) for i in range(len(texts)))
    return _Look(judgements, best)


def _scored(
    texts: Sequence[Text],
    witnesses: Sequence[Judgement],
    best: Sequence[Reading | None],
    readers: tuple[str, ...],
    by_construction: bool,
) -> Legibility:
    recall = _recall(best)
    strays: tuple[Stray, ...] = ()
    if texts:
        witness = max(witnesses, key=lambda j: _trust(j, best), default=None)
        precision = None
        if witness and recall is not None:
            precision, strays = _precision(witness, best)
        total = recall * precision if recall is not None and precision is not None else None
    else:
        witness = min(witnesses, key=lambda j: j.extra_characters, default=None)
        total = precision = max(0.0, 1 - witness.extra_characters / STRAY_CHARACTERS) if witness else None
        strays = witness.strays if witness else ()
    return Legibility(
        score=_rounded(total),
        recall=_rounded(recall),
        precision=_rounded(precision),
        critical_exact=all(
            reading is None or (reading.right(critical=True) if text.critical else reading.numbers_exact)
            for text, reading in zip(texts, best, strict=True)
        ),
        texts=tuple(_verdict(text, reading) for text, reading in zip(texts, best, strict=True)),
        extra=tuple(stray.text for stray in strays),
        readers=readers,
        version=SCORE_VERSION,
        by_construction=by_construction,
        cropped=tuple(t.text for t, reading in zip(texts, best, strict=True) if reading and reading.cropped),
        unseen=tuple(t.text for t, reading in zip(texts, best, strict=True) if reading and reading.unseen),
    )


def _chosen(looks: Sequence[_Look]) -> list[Reading | None]:
    """The best reading of each text; a later look's only where no other text was read from that ink."""
    best = list(looks[0].best)
    for look in looks[1:]:
        for place, reading in enumerate(look.best):
            held = best[place]
            if reading is None or held is None or reading.rank <= held.rank:
                continue
            others = (
                other
                for i, other in enumerate(best)
                # In one look no two texts share a word.
                if i != place and other and not ((own := look.best[i]) and own.similarity >= other.similarity)
            )
            if not any(_shares_ink(reading.boxes, other.boxes) for other in others):
                best[place] = reading
    return best


def _precision(witness: Judgement, best: Sequence[Reading | None]) -> tuple[float, tuple[Stray, ...]]:
    """The witness's precision and strays, given what further looks read where it read something else."""
    if None in witness.readings:
        return 1.0, ()
    elsewhere = [
        (reading, own)
        for reading, own in zip(best, witness.readings, strict=True)
        if reading and own and reading.look != own.look and reading.similarity > own.similarity
    ]
    boxes = [box for reading, _ in elsewhere for box in reading.boxes]
    strays = tuple(stray for stray in witness.strays if not _shares_ink(stray.boxes, boxes))
    extra = sum(stray.characters for stray in strays)
    if not extra:
        return 1.0, strays
    explained = witness.explained + sum(reading.said for reading, own in elsewhere if not own.said)
    most = UNINVITED if any(stray.uninvited for stray in strays) else 1.0
    return min(most, explained / (explained + extra)), strays


def _shares_ink(boxes: Sequence[Box], others: Sequence[Box]) -> bool:
    return any(overlap(box, other) >= _SAME_INK for box in boxes for other in others)


def _best(readings: Sequence[Reading | None]) -> Reading | None:
    return max((r for r in readings if r), key=lambda r: r.rank, default=None)


def _recall(readings: Sequence[Reading | None]) -> float | None:
    read = [r for r in readings if r]
    length = sum(r.length for r in read)
    return sum(r.length * r.similarity for r in read) / length if length else None


def _trust(judgement: Judgement, best: Sequence[Reading | None]) -> tuple[int, float]:
    """How many texts a reader judges, then its own F1 over the texts that anyone judges."""
    own = [r for r in judgement.readings if r]
    length = sum(r.length for r in best if r)
    recall = sum(r.length * r.similarity for r in own) / length if length else 0.0
    both = recall + judgement.precision
    return len(own), 2 * recall * judgement.precision / both if both else 0.0


def _verdict(text: Text, reading: Reading | None) -> TextReading:
    if reading is None:
        return TextReading(text=text.text, verdict="unreadable_by_reader", critical=text.critical)
    return TextReading(
        text=text.text,
        verdict="read" if reading.right(critical=text.critical) else "missed",
        read=reading.read,
        similarity=round(reading.similarity, 6),
        exact=reading.exact,
        critical=text.critical,
        look=reading.look,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
