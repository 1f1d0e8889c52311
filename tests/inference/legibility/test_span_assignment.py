from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from functools import cache
from itertools import combinations

import pytest

from inference.legibility.assign import MAX_CHARACTERS, assign
from inference.legibility.base import Line
from inference.legibility.distance import Pattern
from inference.legibility.page import Page, lay_out
from inference.legibility.search import MIN_SIMILARITY

Rows = Callable[..., list[Line]]


def edits(a: str, b: str) -> int:
    """Levenshtein's distance by its definition."""

    @cache
    def between(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        return min(
            between(i - 1, j) + 1, between(i, j - 1) + 1, between(i - 1, j - 1) + (a[i - 1] != b[j - 1])
        )

    return between(len(a), len(b))


def most_characters(targets: Sequence[str], page: Page) -> int:
    """The most characters any choice of disjoint spans gets right, by trying every one."""
    spans = [row[i:j] for row in page.rows for i, j in combinations(range(len(row) + 1), 2)]
    chains: list[tuple[int, ...]] = [(s,) for s in range(len(page.segments))]
    while chains:
        chains = [
            (*chain, after) for chain in chains for after in page.after[chain[-1]] if after not in chain
        ]
        spans += [tuple(word for segment in chain for word in page.segments[segment]) for chain in chains]

    def best(left: Sequence[str], taken: frozenset[int]) -> int:
        if not left:
            return 0
        most = best(left[1:], taken)
        for span in spans:
            right = len(left[0]) - edits(left[0], page.folded(span))
            if right >= MIN_SIMILARITY * len(left[0]) and not taken & set(span):
                most = max(most, right + best(left[1:], taken | set(span)))
        return most

    return best(targets, frozenset())


@pytest.mark.parametrize("seed", range(40))
def test_no_other_choice_of_spans_gets_more_characters_right(seed: int, page: Rows) -> None:
    rng = random.Random(seed)
    words = ["".join(rng.choices("abc", k=rng.randint(1, 4))) for _ in range(5)]
    rows = [" ".join(rng.choices(words, k=rng.randint(1, 3))) for _ in range(3)]
    targets = ["".join(rng.choices(words, k=rng.randint(1, 3))) for _ in range(rng.randint(1, 3))]
    laid_out = lay_out(page(rows))
    spans = assign(targets, laid_out)
    taken = [word for span in spans if span for word in span.words]
    assert len(taken) == len(set(taken))
    for target, span in zip(targets, spans, strict=True):
        assert span is None or span.distance == edits(target, laid_out.folded(span.words))
    reached = sum(len(t) - s.distance for t, s in zip(targets, spans, strict=True) if s)
    assert reached == most_characters(targets, laid_out), (rows, targets, spans)


@pytest.mark.parametrize("seed", range(40))
def test_the_distance_to_every_prefix_is_levenshteins(seed: int) -> None:
    rng = random.Random(seed)
    text = "".join(rng.choices("ab大", k=rng.randint(1, 80)))
    other = "".join(rng.choices("ab大x", k=rng.randint(0, 60)))
    pattern = Pattern(text)
    state = pattern.start()
    for place, character in enumerate(other, start=1):
        state = pattern.feed(state, character)
        assert state[2] == edits(text, other[:place])


@pytest.mark.parametrize(
    ("rows", "targets"),
    [
        (["THE LONG", "SUMMER SALE", "OF THE YEAR"], ["thelongsummersaleoftheyear"]),
        (["SUMMER SALE 50% OFF"], ["summersale", "50%off"]),
        ([[(50, "SUMMER"), (900, "WINTER")], [(50, "SALE"), (900, "COATS")]], ["summersale", "wintercoats"]),
        ([[(50, "SUMMER"), (270, "WINTER")], [(50, "SALE"), (270, "COATS")]], ["summersale", "wintercoats"]),
        ([[(50, "SUMMER"), (260, "SALE")]], ["summersale"]),
        ([[(50, "THE"), (500, "BIG"), (900, "ONE")]], ["thebigone"]),
        (["限时特价全场五折"], ["全场五折", "限时特价"]),
        (["S A L E"], ["sale"]),
        (["SALE SALE", "SALE"], ["sale", "sale", "sale"]),
    ],
    ids=[
        "three lines",
        "one box",
        "two columns",
        "columns close together",
        "word boxes",
        "wide gaps",
        "no spaces",
        "tracked",
        "thrice",
    ],
)
def test_a_text_may_be_several_boxes_or_part_of_one(
    rows: Sequence[str], targets: Sequence[str], page: Rows
) -> None:
    spans = assign(targets, lay_out(page(rows)))
    assert [span.distance if span else None for span in spans] == [0] * len(targets)


def test_a_text_is_not_found_inside_a_longer_word(page: Rows) -> None:
    assert assign(["sale"], lay_out(page(["WHOLESALERS UNITE"]))) == (None,)


def test_six_texts_among_fourteen_boxes_take_under_five_milliseconds(page: Rows) -> None:
    rng = random.Random(6)
    said = ["".join(rng.choices("ABCDEFG HIJ", k=rng.randint(6, 24))).strip() for _ in range(14)]
    lines = page([text.replace("A", "E") for text in said])
    targets = [text.replace(" ", "").lower() for text in said[:6]]
    seconds = []
    for _ in range(15):
        before = time.process_time()
        assign(targets, lay_out(lines))
        seconds.append(time.process_time() - before)
    assert min(seconds) < 0.005


def test_the_largest_order_is_measured_within_the_bound_and_true_copies_are_found(
    page: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(9)
    words = ["".join(rng.choices("etaoinshr", k=rng.randint(2, 8))) for _ in range(200)]
    targets = ["".join(rng.choices(words, k=150))[:500] for _ in range(40)]
    rows = [" ".join(rng.choices(words, k=80)) for _ in range(80)]
    rows[70] = targets[3].replace("e", "x", 9)
    measured = 0
    feed = Pattern.feed

    def counting(pattern: Pattern, state: tuple[int, int, int], text: str) -> tuple[int, int, int]:
        nonlocal measured
        measured += len(text)
        return feed(pattern, state, text)

    monkeypatch.setattr(Pattern, "feed", counting)
    laid_out = lay_out(page(rows))
    spans = assign(targets, laid_out)
    assert 0 < measured <= MAX_CHARACTERS
    assert spans[3] is not None and spans[3].words == laid_out.rows[70] and spans[3].distance == 9
