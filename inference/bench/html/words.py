"""The texts a picture must hold, marked with what was read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from inference.bench.details import Detail
from inference.bench.html import wording
from inference.bench.html.letters import Run, differences
from inference.bench.html.markup import Markup, cut, el, foreign, joined
from inference.legibility.base import Line
from schemas.events import Legibility, TextReading, TextVerdict

LONGEST: Final = 200
EXTRAS: Final = 8
LINES: Final = 40
_ICONS: Final[dict[TextVerdict, wording.Icon]] = {
    "read": "tick",
    "missed": "cross",
    "unreadable_by_reader": "dash",
}


def words(reading: Legibility) -> Markup:
    """Each expected text with its verdict, then what nobody asked for."""
    return joined(
        (
            el("ul", [_text(text) for text in reading.texts], class_="words"),
            *([_extras(reading.extra)] if reading.extra else []),
        )
    )


def lines_read(detail: Detail) -> Markup | None:
    """Everything as the readers gave it, numbered like its boxes in the picture."""
    lines = detail.lines[:LINES]
    if not lines:
        return None
    several = len({line.reader for line in lines}) > 1
    left = len(detail.lines) - len(lines)
    more = f"The first {len(lines)} of {len(detail.lines)}." if left else None
    return el(
        "details",
        el("summary", f"{wording.counted(len(detail.lines), 'line')} as read"),
        el("ol", [_line(line, several=several) for line in lines], class_="lines"),
        el("p", more, class_="quiet") if more else None,
    )


def lacking(reading: Legibility) -> str:
    """What keeps a picture's score down, in a few words."""
    missed = sum(text.verdict == "missed" for text in reading.texts)
    parts = [f"{missed} of {wording.counted(len(reading.texts), 'text')} missed"] if missed else []
    if not reading.critical_exact:
        parts.append("critical text wrong")
    if reading.extra:
        parts.append(f"{wording.counted(len(reading.extra), 'run')} of other words")
    return ", ".join(parts)


def _text(reading: TextReading) -> Markup:
    critical = el("span", "critical", class_="tag") if reading.critical else None
    head = [wording.icon(_ICONS[reading.verdict])]
    if reading.verdict == "missed":
        body = _missed(reading, critical)
    elif reading.verdict == "read":
        said = el("span", "read: ", class_="spoken")
        body = joined([said, foreign(cut(reading.text, LONGEST)), *([" ", critical] if critical else [])])
    else:
        note = el("span", "no reader for it", class_="quiet")
        body = joined((foreign(cut(reading.text, LONGEST)), " ", note))
    return el("li", head, el("div", body), class_=reading.verdict)


def _missed(reading: TextReading, critical: Markup | None) -> Markup:
    ours, theirs = differences(cut(reading.text, LONGEST), cut(reading.read, LONGEST), exact=reading.critical)
    asked = [el("span", "missed: ", class_="spoken"), marked(ours, "lost")]
    if critical:
        asked += [Markup(" "), critical]
    if not reading.read:
        return joined((*asked, el("div", "nothing like it was read", class_="instead")))
    alike = f" {100 * reading.similarity:.0f}{wording.GAP}% alike"
    instead = el(
        "div", "read as ", marked(theirs, "wrong"), el("span", alike, class_="alike"), class_="instead"
    )
    return joined((*asked, instead))


def marked(runs: Sequence[Run], kind: str) -> Markup:
    """The runs with what is not the same in the other text as a mark of that kind."""
    return el("bdi", [run if same else el("mark", run, class_=kind) for same, run in runs], dir="auto")


def _extras(extra: Sequence[str]) -> Markup:
    shown = joined((foreign(f"“{cut(each, LONGEST)}”") for each in extra[:EXTRAS]), ", ")
    left = len(extra) - EXTRAS
    more = f" and {left} more" if left > 0 else ""
    return el("p", "Not asked for: ", shown, more, class_="extra")


def _line(line: Line, *, several: bool) -> Markup:
    reader = f", {line.reader}" if several else ""
    sure = el("span", f" {100 * line.confidence:.0f}{wording.GAP}% sure{reader}", class_="alike")
    return el("li", foreign(cut(line.text, LONGEST)), sure)
