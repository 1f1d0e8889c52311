"""What the readers of a bench read differently, which is worth a person's look."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import Final

from inference.bench.baseline import EngineReport, Report
from inference.bench.html import wording
from inference.bench.html.choice import Readings
from inference.bench.html.letters import differences
from inference.bench.html.markup import Markup, cut, el, foreign, joined
from inference.bench.html.shot import pictured
from inference.bench.html.tables import several
from inference.bench.html.thumbs import Album
from inference.bench.html.words import LONGEST, marked
from inference.bench.metrics import counted
from inference.bench.samples import Sample
from inference.legibility.agreement import Disagreement

PICTURES: Final = 12
LISTED: Final = 40
# A picture with more texts than this is no poster.
TEXTS: Final = 12


def disagreements(report: Report, readings: Readings, album: Album) -> Markup | None:
    """How often the readers agree, and the pictures on which they do not; None with a single reader."""
    if not several(report):
        return None
    found = _in_turn(report.engines)
    shown, listed = found[:PICTURES], found[PICTURES : PICTURES + LISTED]
    left = len(found) - len(shown) - len(listed)
    more = [el("li", _said(sample, readings)) for sample in listed]
    if left:
        more.append(el("li", f"{wording.counted(left, 'picture')} more in the JSON report", class_="quiet"))
    rest = el("details", el("summary", f"{len(found) - len(shown)} more"), el("ul", more, class_="undrawn"))
    return el(
        "section",
        el("h2", "Where readers disagree"),
        el("p", _lead(report), class_="quiet lead"),
        el("ul", [el("li", _share(engine)) for engine in report.engines], class_="differences card"),
        el("div", [_card(sample, readings, album) for sample in shown], class_="shots wrap gallery")
        if shown
        else None,
        rest if more else None,
        id="readers",
    )


def _lead(report: Report) -> str:
    names = " and ".join((", ".join(report.conditions.readers[:-1]), report.conditions.readers[-1]))
    return (
        f"What {names} made of each text in the whole picture, before any further look. They agree where all "
        "read the same, right or wrong; the best reading is the one that was scored."
    )


def _share(engine: EngineReport) -> Markup:
    figures = engine.figures
    if figures.agreement is None:
        return joined((wording.tagged(figures), ": no text that two readers know the letters of"))
    told = wording.estimate(figures.agreement, wording.percent)
    return joined(
        (
            wording.tagged(figures),
            ": read alike ",
            told,
            f" of {wording.counted(figures.texts_compared, 'text')}",
        )
    )


def _in_turn(engines: Sequence[EngineReport]) -> list[Sample]:
    """The pictures with disagreements, engines taking turns, most disagreements first."""
    rows = [
        sorted(
            (sample for sample in counted(engine.samples) if _of(sample)),
            key=lambda sample: (-len(_of(sample)), sample.prompt, sample.sample),
        )
        for engine in engines
    ]
    return [sample for sample in chain.from_iterable(zip_longest(*rows)) if sample is not None]


def _of(sample: Sample) -> Sequence[Disagreement]:
    return sample.agreement.disagreements if sample.agreement else ()


def _card(sample: Sample, readings: Readings, album: Album) -> Markup:
    return el(
        "figure",
        pictured(sample, readings.of_sample(sample), album),
        el("figcaption", _where(sample, readings)),
        el("ul", [el("li", el("div", _text(each))) for each in _of(sample)[:TEXTS]], class_="words"),
    )


def _where(sample: Sample, readings: Readings) -> Markup:
    engine = wording.engine(sample.engine, emulated=readings.emulated(sample))
    place = el("span", f"sample {sample.sample + 1}, seed {sample.seed}", class_="quiet state")
    return joined((el("div", el("b", foreign(sample.prompt))), el("div", engine, " ", place)))


def _text(found: Disagreement) -> Markup:
    """The text, and what each reader read with the letters marked that are not the text's."""
    asked = el("div", foreign(cut(found.text, LONGEST)))
    return joined((asked, *(_read(found.text, reader, said) for reader, said in found.read)))


def _read(text: str, reader: str, said: str) -> Markup:
    # Which weights it read with is said above; here it would leave no room for the words.
    name = el("span", foreign(reader.partition("/")[0]), ": ", class_="alike", title=reader)
    if not said:
        return el("div", name, "nothing like it", class_="instead")
    _, theirs = differences(cut(text, LONGEST), cut(said, LONGEST), exact=False)
    return el("div", name, marked(theirs, "wrong"), class_="instead")


def _said(sample: Sample, readings: Readings) -> Markup:
    engine = wording.engine(sample.engine, emulated=readings.emulated(sample))
    head = (engine, " for ", foreign(sample.prompt), f", sample {sample.sample + 1}: ")
    told = (
        joined(
            (
                foreign(f"“{cut(each.text, LONGEST)}”"),
                " as ",
                joined(
                    (foreign(f"“{cut(said, LONGEST)}”" if said else "nothing") for _, said in each.read), ", "
                ),
            )
        )
        for each in _of(sample)[:TEXTS]
    )
    return joined((*head, joined(told, "; ")))
