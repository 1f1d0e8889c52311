"""One picture with its words and the readers' boxes."""

from __future__ import annotations

from collections.abc import Sequence

from inference.bench.details import Detail
from inference.bench.html import wording
from inference.bench.html.choice import Readings
from inference.bench.html.markup import Markup, cut, el, foreign, joined
from inference.bench.html.thumbs import Album, Thumb
from inference.bench.html.words import LINES, LONGEST, lines_read, words
from inference.bench.samples import Sample
from schemas.events import Attempt


def shot(
    sample: Sample, readings: Readings, album: Album, head: Markup | None = None, *, kept: bool = True
) -> Markup:
    """One picture with all that is known of it; with `kept` a missing reading is mentioned."""
    detail = readings.of_sample(sample)
    reading = detail.legibility if detail else None
    score = wording.number(sample.score, wording.score) if sample.rendered else ""
    cost = f"{wording.seconds(sample.seconds)}, {wording.cents(sample.usd)}"
    state: wording.Icon = "dash" if sample.accepted is None else "tick" if sample.accepted else "cross"
    return el(
        "figure",
        head,
        pictured(sample, detail, album),
        el(
            "figcaption",
            el(
                "div",
                el("div", wording.engine(sample.engine, emulated=readings.emulated(sample))),
                el("b", score, class_="score"),
                class_="by",
            ),
            el("div", wording.icon(state), f" {wording.accepted(sample)} · {cost}", class_="quiet state"),
        ),
        words(reading) if reading else None,
        el("p", "How it was read was not kept.", class_="quiet")
        if kept and sample.rendered and reading is None
        else None,
        lines_read(detail) if detail else None,
        _tried(detail.attempts) if detail and detail.attempts else None,
    )


def pictured(sample: Sample, detail: Detail | None, album: Album) -> Markup:
    """The picture alone with its boxes, or why there is none."""
    if not sample.rendered:
        reason = foreign(cut(sample.reason, LONGEST), "p") if sample.reason else None
        return el("div", el("p", el("b", f"No picture: {sample.outcome}")), reason, class_="picture none")
    found = album.thumb(sample.image)
    if isinstance(found, str):
        return el("div", el("p", found[0].upper() + found[1:]), class_="picture none")
    texts = detail.legibility.texts if detail and detail.legibility else ()
    asked = "; ".join(cut(text.text, LONGEST) for text in texts)
    alt = f"Picture by {sample.engine} for {sample.prompt}" + (f", which must say: {asked}" if asked else "")
    image = el("img", src=found.source, alt=alt, width=found.width, height=found.height)
    return el("div", image, _boxes(detail, found) if detail and detail.lines else None, class_="picture")


def _boxes(detail: Detail, thumb: Thumb) -> Markup:
    """The lines' boxes in the picture's own pixels, with their numbers in the list of lines."""
    drawn, numbers = [], []
    for place, line in enumerate(detail.lines[:LINES], start=1):
        if not line.box:
            continue
        corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in line.box)
        drawn += [el("polygon", points=corners, class_="halo"), el("polygon", points=corners, class_="box")]
        x, y = (
            f"{min(100.0, max(0.0, 100 * value / whole)):.1f}%"
            for value, whole in zip(line.box[0], (thumb.width, thumb.height), strict=True)
        )
        numbers.append(el("text", str(place), x=x, y=y, dx=-1, dy=9, class_="place"))
    boxes = el("svg", drawn, viewBox=f"0 0 {thumb.width} {thumb.height}", preserveAspectRatio="none")
    return el("svg", boxes, numbers, class_="boxes", aria_hidden="true")


def _tried(attempts: Sequence[Attempt]) -> Markup:
    """The way a policy went to this picture."""
    steps = [
        joined(
            (
                f"{each.purpose} by ",
                wording.engine(each.engine or "no engine", emulated=each.emulated),
                f": {each.outcome}" if each.outcome != "rendered" else "",
                f" {each.legibility.score:.2f}"
                if each.legibility and each.legibility.score is not None
                else "",
            )
        )
        for each in attempts
    ]
    return el("p", "Tried: ", joined(steps, " → "), class_="quiet")
