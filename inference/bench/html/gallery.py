"""The sections that show pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from inference.bench.baseline import Report
from inference.bench.figures import EngineFigures
from inference.bench.gate import Regression
from inference.bench.html import wording
from inference.bench.html.choice import CELLS, ROWS, Readings, Row, side_by_side, undrawn, worst
from inference.bench.html.markup import Markup, cut, el, foreign, joined
from inference.bench.html.shot import shot
from inference.bench.html.thumbs import Album
from inference.bench.html.words import LONGEST, lacking
from inference.bench.samples import Sample, Subject

REGRESSIONS: Final = 8
UNDRAWN: Final = 30


def rows(report: Report, readings: Readings, album: Album) -> Markup:
    """One row a prompt, one picture an engine."""
    chosen = side_by_side(report)
    if not chosen:
        return el("section", el("h2", "Side by side"), el("p", "No picture was drawn."), id="side-by-side")
    return _section(
        "side-by-side",
        "Side by side",
        _how(report, chosen),
        [_row(row, report, readings, album) for row in chosen],
    )


def lowest(report: Report, readings: Readings, album: Album) -> Markup:
    """The worst ten of all engines; what no picture came of below them."""
    found = worst(report)
    subjects = {subject.digest: subject for subject in report.subjects}
    shown = [_with_prompt(sample, subjects, readings, album) for sample in found]
    note = "The lowest scores of all engines together." if found else "No judged picture scored below 1.00."
    body = [el("div", shown, class_="shots wrap")] if found else []
    if missing := undrawn(report):
        note += " What no picture came of is listed below."
        body.append(_undrawn(missing, readings))
    return _section("worst", f"The worst {len(found)}" if found else "The worst", note, body)


def regressed(found: Mapping[str, Sequence[Regression]], readings: Readings, album: Album) -> Markup:
    """What was better in the baseline: its picture, then ours."""
    every = [each for regressions in found.values() for each in regressions]
    ordered = sorted(
        every, key=lambda each: (each.change, each.ours.engine, each.ours.prompt, each.ours.sample)
    )
    shown = ordered[:REGRESSIONS]
    note = (
        f"The {len(shown)} of {len(ordered)} pictures whose score fell most"
        if len(shown) < len(ordered)
        else "The pictures whose score fell"
    )
    return _section(
        "regressions",
        "Worse than the baseline",
        f"{note}, on the same prompt and seed. On the left the baseline's, on the right this run's.",
        [el("div", [_regression(each, readings, album) for each in shown], class_="twos")],
    )


def _section(name: str, title: str, note: str, body: Sequence[Markup]) -> Markup:
    """Its checkbox shows the readers' boxes; that needs no script, as the box comes before the pictures."""
    toggle = (
        el("input", type="checkbox", id=f"{name}-boxes", class_="toggle"),
        el("label", "Show what the readers saw, and where", for_=f"{name}-boxes"),
    )
    return el(
        "section",
        el("h2", title),
        el("p", note, class_="quiet lead"),
        toggle,
        el("div", body, class_="gallery"),
        id=name,
    )


def _how(report: Report, chosen: Sequence[Row]) -> str:
    apart = sum(row.gap > 0 for row in chosen[: (len(chosen) + 1) // 2])
    if apart:
        first = (
            f"The first {apart} are those on which engines are furthest apart (no picture counts as 0); then"
        )
    else:
        first = "Chosen:" if len(report.engines) == 1 else "Engines are nowhere apart, so these are"
    return (
        f"One prompt and seed a row. {first} the widest gaps and lowest scores of each script in turn, "
        f"at most {ROWS} prompts and {CELLS} pictures. They show what happens, not how often."
    )


def _row(row: Row, report: Report, readings: Readings, album: Album) -> Markup:
    first = row.first
    where = (
        f"{wording.script(row.subject.script)}, {wording.regions(str(row.subject.regions))}, "
        f"sample {first.sample + 1}, seed {first.seed}"
    )
    gap = f", scores {row.gap:.2f} apart" if row.gap > 0 else ""
    shots = [
        shot(sample, readings, album) if sample is not None else _absent(engine.figures)
        for engine, sample in zip(report.engines, row.samples, strict=True)
    ]
    return el(
        "article",
        el("h3", foreign(row.subject.id), " ", el("span", where + gap, class_="quiet")),
        el(
            "div",
            shots,
            class_="shots",
            tabindex="0",
            role="region",
            aria_label=f"Pictures for {row.subject.id}",
        ),
        class_="card",
    )


def _with_prompt(sample: Sample, subjects: Mapping[str, Subject], readings: Readings, album: Album) -> Markup:
    subject = subjects.get(sample.digest)
    detail = readings.of_sample(sample)
    why = lacking(detail.legibility) if detail and detail.legibility else ""
    script = f"{wording.script(subject.script)}, " if subject else ""
    where = el("span", f"{script}sample {sample.sample + 1}", class_="quiet")
    head = joined((el("p", el("b", foreign(sample.prompt)), " ", where), el("p", why, class_="why")))
    return shot(sample, readings, album, head)


def _regression(each: Regression, readings: Readings, album: Album) -> Markup:
    then, now = (wording.number(sample.score, wording.score) for sample in (each.theirs, each.ours))
    change = f"score {then} → {now} ({wording.signed(each.change, wording.score)}), seed {each.ours.seed}"
    return el(
        "article",
        el("h3", foreign(each.ours.prompt), " ", el("span", change, class_="quiet")),
        el(
            "div",
            shot(
                each.theirs,
                replace(readings, by_sample={}),
                album,
                el("p", "Baseline", class_="why"),
                kept=False,
            ),
            shot(each.ours, readings, album, el("p", "This run", class_="why")),
            class_="shots",
        ),
        class_="card",
    )


def _absent(figures: EngineFigures) -> Markup:
    return el(
        "figure",
        el("div", el("p", "Not drawn by this engine"), class_="picture none"),
        el("figcaption", wording.tagged(figures)),
    )


def _undrawn(found: Sequence[Sample], readings: Readings) -> Markup:
    items = [el("li", _missing(sample, readings)) for sample in found[:UNDRAWN]]
    more = f"The first {UNDRAWN} of {len(found):,}." if len(found) > UNDRAWN else None
    return el(
        "div",
        el("h3", f"No picture: {len(found):,}"),
        el("ul", items, class_="undrawn"),
        el("p", more, class_="quiet") if more else None,
        class_="card",
    )


def _missing(sample: Sample, readings: Readings) -> Markup:
    reason = joined((": ", foreign(cut(sample.reason, LONGEST)))) if sample.reason else Markup("")
    who = wording.engine(sample.engine, emulated=readings.emulated(sample))
    what = (wording.icon("cross"), " ", el("b", sample.outcome), " ", who)
    return joined((*what, " for ", foreign(sample.prompt), f", sample {sample.sample + 1}", reason))
