"""A bench's report as one page that needs nothing else: no network, no script to be read."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from string import Template
from typing import Final

from inference.bench.baseline import Report
from inference.bench.details import Detail
from inference.bench.gate import Check, Regression
from inference.bench.html import tables
from inference.bench.html.charts import charts, groups
from inference.bench.html.choice import Readings
from inference.bench.html.disagreements import disagreements
from inference.bench.html.gallery import lowest, regressed, rows
from inference.bench.html.markup import Markup, el, joined
from inference.bench.html.masthead import masthead
from inference.bench.html.pairs import differences
from inference.bench.html.thumbs import HEAVIEST, PICTURES, Album, Picture
from inference.bench.html.verdict import verdict

_NO_REGRESSIONS: Final[Mapping[str, Sequence[Regression]]] = {}


def page(
    report: Report,
    details: Sequence[Detail],
    picture: Picture,
    *,
    checks: Sequence[Check] = (),
    regressions: Mapping[str, Sequence[Regression]] = _NO_REGRESSIONS,
    baseline: Report | None = None,
) -> str:
    """The page in HTML; the same arguments give the same bytes.

    `details` say how pictures were read; `picture` gives the PNG of an asset's uri, None where it is gone
    (called only for those shown: at most `PICTURES`, which weigh at most 8 MB on the page).
    """
    readings, album = Readings.of(report, details), Album(picture)
    tripped = any(check.tripped for check in checks)
    fallen = regressed(regressions, readings, album) if any(regressions.values()) else None
    plots = el("section", el("h2", "Plots"), charts(report), id="plots")
    sections = (
        ("gate", "Gate", verdict(checks, report, baseline) if checks else None),
        ("regressions", "Worse than the baseline", fallen if tripped else None),
        ("engines", "Engines", _engines(report, baseline)),
        ("plots", "Plots", plots),
        ("kinds", "By kind of prompt", _kinds(report)),
        ("differences", "Differences", _differences(report)),
        ("side-by-side", "Side by side", rows(report, readings, album)),
        ("worst", "The worst", lowest(report, readings, album)),
        ("readers", "Readers", disagreements(report, readings, album)),
        ("regressions", "Worse than the baseline", None if tripped else fallen),
    )
    there = [(name, title, section) for name, title, section in sections if section is not None]
    links = [el("li", el("a", title, href=f"#{name}")) for name, title, _ in there]
    head = joined((masthead(report), el("nav", el("ul", links), aria_label="Sections")))
    return _filled(report, head, joined((*(section for *_, section in there), _about(album))))


def _filled(report: Report, head: Markup, body: Markup) -> str:
    script = _resource("script.html")
    names = ", ".join(engine.engine for engine in report.engines)
    return Template(_resource("page.html")).substitute(
        title=el("title", f"glyphstream bench: {names}"),
        policy=_policy(script),
        style=_resource("style.html"),
        head=head,
        body=body,
        script=script,
    )


def _policy(script: str) -> str:
    """What the browser may do with this page: run our script and nothing else, fetch nothing."""
    inner = script.removeprefix("<script>").rstrip().removesuffix("</script>")
    known = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{known}'"


def _engines(report: Report, baseline: Report | None) -> Markup:
    other = baseline is not None and baseline.conditions.machine != report.conditions.machine
    warning = "The baseline was measured on another machine: its seconds are no measure of these."
    return el(
        "section",
        el("h2", "Engines"),
        el("p", tables.resampled(report), class_="quiet lead"),
        el("p", warning, class_="warning") if other else None,
        tables.engines_table(report, baseline),
        el("details", el("summary", "What the columns mean"), tables.glossary(report)),
        id="engines",
    )


def _kinds(report: Report) -> Markup:
    return el(
        "section",
        el("h2", "By kind of prompt"),
        el("p", "Legibility with its 95 % interval. Few pictures make wide lines.", class_="quiet lead"),
        el("h3", "By script"),
        groups(report, "script"),
        el("h3", "By number of texts"),
        groups(report, "regions"),
        id="kinds",
    )


def _differences(report: Report) -> Markup | None:
    if not report.pairs:
        return None
    note = "Each two engines over the prompts and seeds that both drew."
    return el(
        "section",
        el("h2", "Differences"),
        el("p", note, class_="quiet lead"),
        differences(report),
        id="differences",
    )


def _about(album: Album) -> Markup:
    room = PICTURES * HEAVIEST * 4 / 3 / 1e6
    return el(
        "section",
        el("h2", "This page"),
        el(
            "p",
            f"It holds {album.pictures} pictures in {album.characters / 1e6:.1f} MB, made smaller, "
            f"of at most {PICTURES} in {room:.0f} MB. It needs no network, and no script to be read.",
            class_="quiet",
        ),
        id="about",
    )


def _resource(name: str) -> str:
    return files("inference.bench.html").joinpath(name).read_text("utf-8")
