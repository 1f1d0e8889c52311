"""The axes of each engine as a table."""

from __future__ import annotations

from collections.abc import Sequence

from inference.bench.baseline import Report
from inference.bench.figures import EngineFigures, Estimate
from inference.bench.html import wording
from inference.bench.html.markup import Markup, el, foreign, joined

_HEADS = (
    ("Engine", ""),
    ("Seconds p50", "half of the pictures took at most this long"),
    ("Seconds p95", "95 of 100 pictures took at most this long"),
    ("Legibility", "0 to 1: how much of the asked words can be read, less for words nobody asked for"),
    ("Recall", "0 to 1: how much of the asked words can be read"),
    ("Critical exact", "pictures in which titles, prices, dates and names are right to the letter"),
    ("Accepted", "pictures good enough, of all that a reader can judge; no picture is not accepted"),
    ("$ per 1,000 rendered", "list prices; failures are paid for too"),
    ("$ per 1,000 accepted", "all that was spent, for each 1,000 good ones"),
)
_AGREE = ("Readers agree", "texts that all readers read alike, of all that two or more know the letters of")
_PICTURES = ("Pictures", "what became of them; not judged are those whose letters no reader here knows")


def engines_table(report: Report, baseline: Report | None) -> Markup:
    """A row an engine, below it that of the baseline, in a frame that scrolls by itself."""
    rows = []
    for engine in report.engines:
        rows.append(_row(engine.figures, wording.tagged(engine.figures), "", several=several(report)))
        before = baseline and baseline.engine(engine.engine)
        if before:
            name = joined((wording.tagged(before.figures), el("span", "baseline", class_="tag")), " ")
            rows.append(_row(before.figures, name, "before", several=several(report)))
    heads = [el("th", el("span", name, title=note or None), scope="col") for name, note in _heads(report)]
    return el(
        "div",
        el("table", el("thead", el("tr", heads)), el("tbody", rows), class_="sortable"),
        class_="scroll", tabindex="0", role="region", aria_label="Figures of each engine",
    )  # fmt: skip


def glossary(report: Report) -> Markup:
    """What the columns of the report's table mean."""
    entries = [
        (el("dt", name), el("dd", note[0].upper() + note[1:] + ".")) for name, note in _heads(report) if note
    ]
    return el("dl", [joined(entry) for entry in entries])


def several(report: Report) -> bool:
    """Whether more than one reader read, so that they may disagree."""
    return len(report.conditions.readers) > 1


def _heads(report: Report) -> tuple[tuple[str, str], ...]:
    return (*_HEADS, *([_AGREE] if several(report) else []), _PICTURES)


def _row(figures: EngineFigures, name: Markup, kind: str, *, several: bool) -> Markup:
    unjudged = f"{figures.unjudged:,} not judged" if figures.unjudged else None
    models = ", ".join(model for model in figures.models if model != figures.engine)
    judged = figures.samples - figures.unjudged
    return el(
        "tr",
        el("th", name, foreign(models, "div", class_="note") if models else None, scope="row"),
        _estimate(figures.seconds_p50, wording.seconds),
        _estimate(figures.seconds_p95, wording.seconds),
        _estimate(figures.legibility, wording.score),
        _estimate(figures.recall, wording.score),
        _estimate(figures.critical_exact, wording.percent),
        _cell(
            joined(
                (
                    wording.estimate(figures.accepted, wording.percent),
                    el("span", f"{figures.accepted_samples:,} of {judged:,}", class_="note"),
                ),
                " ",
            ),
            wording.value(figures.accepted),
        ),
        _cell(wording.dollars(figures.usd_per_1000_rendered), wording.total(figures.usd_per_1000_rendered)),
        _cell(wording.dollars(figures.usd_per_1000_accepted), wording.total(figures.usd_per_1000_accepted)),
        _agreement(figures) if several else None,
        _cell(
            joined(
                [
                    el("b", f"{figures.samples:,}"),
                    el("span", wording.outcomes(figures), class_="note"),
                    *([el("span", unjudged, class_="note")] if unjudged else []),
                ],
                " ",
            ),
            figures.samples,
        ),
        class_=kind or None,
    )


def _agreement(figures: EngineFigures) -> Markup:
    texts = el("span", f"of {wording.counted(figures.texts_compared, 'text')}", class_="note")
    shown = wording.estimate(figures.agreement, wording.percent)
    return _cell(
        joined((shown, texts), " ") if figures.agreement else shown, wording.value(figures.agreement)
    )


def _estimate(found: Estimate | None, show: wording.Show) -> Markup:
    return _cell(wording.estimate(found, show), wording.value(found))


def _cell(shown: Markup, value: float | None) -> Markup:
    return el("td", shown, data_value=value)


def resampled(report: Report) -> str:
    """Over what the intervals are."""
    kinds: Sequence[str] = sorted({engine.figures.resampled for engine in report.engines})
    if kinds == ["prompts"]:
        return "Brackets hold 95 % intervals: where the figure would lie with other prompts like these."
    return (
        "Brackets hold 95 % intervals. With a single prompt they say how far chance moves its own pictures, "
        "and nothing of other prompts."
    )
