"""What was compared, how, and the first things one wants to know."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from inference.bench.baseline import Report
from inference.bench.figures import Compared, EngineFigures
from inference.bench.html import wording
from inference.bench.html.markup import Markup, el, foreign, joined
from inference.bench.html.pairs import told

Figure = Callable[[EngineFigures], float | None]


def masthead(report: Report) -> Markup:
    figures = [engine.figures for engine in report.engines]
    pictures = sum(each.outcomes.get("rendered", 0) for each in figures)
    line = " · ".join(
        (
            wording.counted(len(figures), "engine"),
            wording.counted(len(report.subjects), "prompt"),
            f"{wording.counted(report.conditions.samples, 'picture')} of each",
            f"{wording.counted(pictures, 'picture')} drawn",
        )
    )
    made = f"{report.made:%Y-%m-%d %H:%M %Z} · " if report.made else ""
    return el(
        "header",
        el(
            "div",
            el("h1", "glyphstream"),
            el("p", "bench · ", line),
            el("p", made, foreign(report.conditions.machine)),
            el("details", el("summary", "Command and conditions"), _conditions(report)),
            class_="title",
        ),
        _tiles(report, figures),
        _emulated(figures),
    )


def _conditions(report: Report) -> Markup:
    """Everything that must be the same to get these figures again."""
    under = report.conditions
    made = f"{report.made:%Y-%m-%d %H:%M:%S %Z}" if report.made else "not recorded"
    entries: Sequence[tuple[str, str | Markup]] = (
        ("Engines", joined((wording.tagged(engine.figures) for engine in report.engines), ", ")),
        ("Machine", foreign(under.machine)),
        ("Made", made),
        ("Command", el("code", report.command) if report.command else "not recorded"),
        ("Prompts", f"{len(report.subjects):,}, digest {under.prompts[:16]}"),
        ("Seed", f"{under.seed}; each prompt and sample has its own, the same for all engines"),
        ("Readers", foreign(", ".join(under.readers) or "none")),
        ("Score", foreign(under.score_version)),
    )
    return el("dl", [joined((el("dt", name), el("dd", value))) for name, value in entries])


def _tiles(report: Report, figures: Sequence[EngineFigures]) -> Markup:
    return el(
        "div",
        _tile(report, figures, "best read", "legibility", _legibility, wording.score, least=False),
        _tile(report, figures, "quickest, p50", "seconds", _p50, wording.seconds, least=True),
        _tile(report, figures, "least for 1,000 accepted", None, _cost, wording.money, least=True),
        class_="tiles",
    )


def _tile(
    report: Report,
    figures: Sequence[EngineFigures],
    label: str,
    measure: Compared | None,
    take: Figure,
    show: wording.Show,
    *,
    least: bool,
) -> Markup:
    """The best engine in one figure; with a word of warning where luck could have made it the best."""
    having = [(value, each) for each in figures if (value := take(each)) is not None]
    having.sort(key=lambda each: each[0] if least else -each[0])
    if not having:
        return el("div", el("b", wording.NOTHING, class_="large"), el("span", label))
    value, best = having[0]
    doubt = None
    if measure and len(having) > 1 and not _apart(report, best.engine, having[1][1].engine, measure):
        doubt = el("span", "no difference to ", foreign(having[1][1].engine), " can be told", class_="quiet")
    return el("div", el("b", show(value), class_="large"), el("span", label), wording.tagged(best), doubt)


def _apart(report: Report, first: str, second: str, measure: Compared) -> bool:
    return any(
        told(pair)
        for pair in report.pairs
        if pair.measure == measure and {pair.first, pair.second} == {first, second}
    )


def _legibility(figures: EngineFigures) -> float | None:
    return wording.value(figures.legibility)


def _p50(figures: EngineFigures) -> float | None:
    return wording.value(figures.seconds_p50)


def _cost(figures: EngineFigures) -> float | None:
    return wording.total(figures.usd_per_1000_accepted)


def _emulated(figures: Sequence[EngineFigures]) -> Markup | None:
    names = [foreign(each.engine) for each in figures if each.emulated]
    if not names:
        return None
    return el(
        "p", wording.EMULATED, " ", joined(names, ", "),
        ": drawn by the emulator, with scripted delays, misspellings by dice and list prices nobody paid. "
        "These figures say nothing of the models themselves.",
        class_="warning",
    )  # fmt: skip
