"""Five published formulas for text in pictures, beside which ours is measured.

Each takes the expected texts and the lines as read, in the reader's order, and gives a share from 0 to 1.
Where a formula as published cannot be asked (it was written for one text, for given boxes or for two
languages), the reading that serves it best was taken, and its docstring says which.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Final

import regex

from inference.legibility.distance import Pattern

Formula = Callable[[Sequence[str], Sequence[str]], float]

_NO_WORD: Final = regex.compile(r"[^\p{L}\p{M}\p{N}\s]+")
_SPACELESS: Final = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}]")
_SPACE: Final = regex.compile(r"\s+")


def anytext_ned(expected: Sequence[str], read: Sequence[str]) -> float:
    """1 - edits / max(lengths): NED of AnyText-benchmark.

    Source: tyxsspa/AnyText, eval/eval_dgocr.py (Tuo et al., ICLR 2024). There each line is cropped at a box
    known beforehand; without boxes all texts are one line.
    """
    due, found = " ".join(expected), " ".join(read)
    longest = max(len(due), len(found))
    return 1 - _edits(due, found) / longest if longest else 1.0


def longtext_recall(expected: Sequence[str], read: Sequence[str]) -> float:
    """Share of expected words that were read, as multisets, in lower case and without punctuation.

    Source: LongText-Bench, textbench/summary_scores.py of X-Omni (Geng et al., arXiv 2507.22058). There
    letters other than Latin, French and Chinese ones are dropped; here all letters count. Texts with Han or
    kana are taken by the character, as its Chinese half is.
    """
    return _multiset_recall(*(_plain(texts).lower() for texts in (expected, read)))


def oneig_wac(expected: Sequence[str], read: Sequence[str]) -> float:
    """Word accuracy of OneIG-Bench: as `longtext_recall`, with case."""
    return _multiset_recall(_plain(expected), _plain(read))


def oneig_text(expected: Sequence[str], read: Sequence[str]) -> float:
    """1 - min(M, ED) (1 - CR) (1 - WAC) / M; M is 100, for texts with Han or kana 50.

    ED is the edit distance, CR whether it is 0, WAC the word accuracy. Source: OneIG-Bench,
    scripts/text/text_score.py and text_utils.py (Chang et al., arXiv 2506.07977). There ED, CR and WAC are
    means over a benchmark before they are joined; here the benchmark is one picture. All letters count.
    """
    due, found = _plain(expected), _plain(read)
    most = 50 if _SPACELESS.search(due) else 100
    edits = _edits(due, found)
    return 1.0 if not edits else 1 - min(most, edits) * (1 - _multiset_recall(due, found)) / most


def flow_grpo_reward(expected: Sequence[str], read: Sequence[str]) -> float:
    """1 where the text is part of what was read, else 1 - min(edits, length) / length; no spaces, lower case.

    Source: yifan123/flow_grpo, flow_grpo/ocr.py (Liu et al., arXiv 2505.05470). There only the prompt's first
    quoted text is looked for; here all of them, joined.
    """
    due, found = ("".join(texts).replace(" ", "").lower() for texts in (expected, read))
    if not due or due in found:
        return 1.0
    return 1 - min(_edits(due, found), len(due)) / len(due)


def strict_cer(expected: Sequence[str], read: Sequence[str]) -> float:
    """1 - min(1, CER): edits over the expected length, case and punctuation kept, runs of space as one.

    Source: STRICT (Zhang et al., arXiv 2505.18985), which reports jiwer's WER and CER beside NED. CER is
    taken of these, because whole lines of Chinese or Japanese are one word to WER.
    """
    due, found = (_SPACE.sub(" ", " ".join(texts)).strip() for texts in (expected, read))
    return 1 - min(1.0, _edits(due, found) / len(due)) if due else float(not found)


FORMULAS: Final = MappingProxyType[str, Formula](
    {
        "AnyText NED": anytext_ned,
        "LongText-Bench": longtext_recall,
        "OneIG-Bench": oneig_text,
        "Flow-GRPO": flow_grpo_reward,
        "STRICT CER": strict_cer,
    }
)


def _plain(texts: Sequence[str]) -> str:
    """Letters and digits, runs of space as one; without any where words are not spaced."""
    kept = _NO_WORD.sub("", " ".join(texts))
    return str(_SPACE.sub("" if _SPACELESS.search(kept) else " ", kept).strip())


def _multiset_recall(due: str, found: str) -> float:
    words: Callable[[str], Sequence[str]] = list if _SPACELESS.search(due) else str.split
    wanted = Counter(words(due))
    return (wanted & Counter(words(found))).total() / wanted.total() if wanted else 1.0


def _edits(due: str, found: str) -> int:
    if not due:
        return len(found)
    pattern = Pattern(due)
    return pattern.feed(pattern.start(), found)[2]
