"""The page of a bench needs nothing else, says what the report says, and lets no stranger's text do harm."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from inference.bench.baseline import Report, prompts_digest
from inference.bench.details import Detail
from inference.bench.expression import parse
from inference.bench.gate import check, regressions
from inference.bench.html import wording
from inference.bench.html.page import page
from inference.bench.html.thumbs import HEAVIEST, PICTURES
from inference.bench.plan import Draw
from inference.bench.samples import Sample, Subject
from tests.inference.bench.pages import Element, asked, compared, detail, noise, parsed, pictured, poster

ASKED = asked(6, "OPEN LATE", "50% OFF")
HOSTILE = "<script>alert(1)</script>\"' onerror=x &amp; \u202e\x00 ${body} https://evil.example"


def mixed(draw: Draw) -> dict[str, Any]:
    """The second engine reads worse, costs more, and is refused now and then."""
    if draw.engine == "brush" and draw.subject.id == "prompt-5":
        return {"outcome": "refused", "accepted": False, "score": None, "reason": "a filter said no"}
    worse = draw.engine == "brush"
    return {
        "score": 0.7 if worse else 1.0,
        "recall": 0.7 if worse else 1.0,
        "critical_exact": not worse,
        "accepted": not worse,
        "seconds": (4.0 if worse else 1.0) + draw.seed % 7 / 10,
        "usd_hosted": 0.04 if worse else 0.0,
        "usd_infrastructure": 0.001,
        "emulated": worse,
    }


def read(report: Report) -> list[Detail]:
    return [
        detail(sample, ["OPEN LATE", "50% OFF"], ["OPEN LATE", "50% OFF" if sample.score == 1 else "5O% OF"])
        for engine in report.engines
        for sample in engine.samples
        if sample.rendered
    ]


REPORT = compared(("pen", "brush"), ASKED, pictured(mixed))
DETAILS = read(REPORT)
PAGE = page(REPORT, DETAILS, poster)
TREE = parsed(PAGE)


def section(tree: Element, name: str) -> Element:
    return next(iter(tree.all("section", id=name)))


def references(tree: Element) -> list[str]:
    names = ("src", "href", "srcset", "action", "data", "poster", "xlink:href", "background", "formaction")
    return [each.attributes[name] for each in tree.all() for name in names if name in each.attributes]


def test_the_page_refers_to_nothing_outside_itself() -> None:
    found = references(TREE)
    assert found
    assert all(each.startswith(("data:image/webp;base64,", "#")) for each in found)
    inner = {each.attributes["id"] for each in TREE.all() if "id" in each.attributes}
    assert {each[1:] for each in found if each.startswith("#")} <= inner
    assert not TREE.all("link") + TREE.all("iframe") + TREE.all("object") + TREE.all("base")
    assert "http://" not in PAGE
    assert "https://" not in PAGE
    assert "@import" not in PAGE
    assert "url(" not in PAGE
    assert "memory://" not in PAGE


def test_ids_are_unique_and_labels_find_their_boxes() -> None:
    ids = [each.attributes["id"] for each in TREE.all() if "id" in each.attributes]
    assert len(ids) == len(set(ids))
    assert {each.attributes["for"] for each in TREE.all("label")} <= set(ids)


def test_every_picture_has_words_for_who_cannot_see_it() -> None:
    pictures = TREE.all("img")
    assert len(pictures) > 6
    assert all("OPEN LATE" in each.attributes["alt"] for each in pictures)


def test_the_policy_allows_our_own_script_alone() -> None:
    policy = TREE.all("meta", **{"http-equiv": "Content-Security-Policy"})[0].attributes["content"]
    assert policy.startswith("default-src 'none'")
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/]{43}='$", policy)
    assert len(TREE.all("script")) == 1


def test_strangers_texts_stay_texts() -> None:
    """Prompt, engine, model, texts, readings, reasons, machine and command all hold HTML."""

    def hostile(draw: Draw) -> dict[str, Any]:
        if draw.sample:
            return {"outcome": "failed", "accepted": False, "score": None, "reason": HOSTILE}
        return {"score": 0.5, "accepted": False}

    subject = Subject(HOSTILE, "a" * 64, HOSTILE, 2)
    made = compared((HOSTILE, "pen"), [subject], pictured(hostile))
    conditions = msgspec.structs.replace(made.conditions, machine=HOSTILE, readers=(HOSTILE,))
    made = msgspec.structs.replace(made, conditions=conditions, command=HOSTILE)
    details = [
        detail(sample, [HOSTILE, "OPEN"], [HOSTILE, HOSTILE, "OPFN"])
        for engine in made.engines
        for sample in engine.samples
        if sample.rendered
    ]
    checks = check(made, None, [parse("legibility < 0.9")], np.random.default_rng(1), rounds=100)
    shown = page(made, details, poster, checks=checks)
    tree = parsed(shown)
    assert len(tree.all("script")) == 1
    assert "<script>alert" not in shown
    assert "\x00" not in shown
    assert not [each for each in tree.all() if any(name.startswith("on") for name in each.attributes)]
    assert all(each.startswith(("data:image/webp;base64,", "#")) for each in references(tree))
    assert "<script>alert(1)</script>" in tree.text
    assert "${body}" in tree.text


def test_the_same_report_gives_the_same_bytes() -> None:
    assert page(REPORT, list(reversed(DETAILS)), poster) == PAGE


def test_the_tables_figures_are_the_reports() -> None:
    rows = section(TREE, "engines").all("tbody")[0].all("tr")
    assert len(rows) == 2
    for row, engine in zip(rows, REPORT.engines, strict=True):
        figures = engine.figures
        cells = [cell.text for cell in row.all("td")]
        assert engine.engine in row.all("th")[0].text
        for cell, found, show in (
            (cells[0], figures.seconds_p50, wording.seconds),
            (cells[1], figures.seconds_p95, wording.seconds),
            (cells[2], figures.legibility, wording.score),
            (cells[3], figures.recall, wording.score),
            (cells[4], figures.critical_exact, wording.percent),
            (cells[5], figures.accepted, wording.percent),
        ):
            assert found is not None
            assert cell.startswith(" ".join(show(found.value).split()))
            assert str(" ".join(wording.between(found.low, found.high, show).split())) in cell
        for cell, money in (
            (cells[6], figures.usd_per_1000_rendered),
            (cells[7], figures.usd_per_1000_accepted),
        ):
            if money is None:
                assert cell == "—"
            else:
                assert cell.startswith(str(money))
                assert f"hosted ${money.hosted:,.2f}, machines ${money.infrastructure:,.2f}" in cell
        assert f"{figures.accepted_samples} of {figures.samples - figures.unjudged}" in cells[5]
        assert cells[8].startswith(str(figures.samples))
    assert "10 rendered, 2 refused" in rows[1].text


def test_what_is_emulated_says_so_wherever_its_figures_are() -> None:
    for name in ("engines", "plots", "kinds", "differences", "side-by-side", "worst"):
        assert "brush emulated" in section(TREE, name).text, name
    for named in TREE.all("bdi", class_="engine"):
        around = named.parent.children if named.parent else []
        at = next(place for place, each in enumerate(around) if each is named)
        said = [each.text for each in around[at + 1 : at + 2]] == ["emulated"]
        assert said is (named.text == "brush")
    assert TREE.all("header")[0].all("p", class_="warning")


def test_marks_agree_with_the_readings() -> None:
    for figure in section(TREE, "side-by-side").all("figure"):
        items = figure.all("ul", class_="words")
        if not items:
            assert "No picture: refused" in figure.text
            continue
        first, second = items[0].all("li")
        assert first.attributes["class"] == "read"
        assert first.text == "read: OPEN LATE"
        if "brush" in figure.text:
            assert second.attributes["class"] == "missed"
            assert second.text.startswith("missed: 50% OFF read as 5O% OF")
            assert [each.text for each in second.all("mark")] == ["0", "F", "O"]
        else:
            assert second.attributes["class"] == "read"


def test_a_text_that_no_reader_knows_is_neither_read_nor_missed() -> None:
    sample = REPORT.engines[0].samples[1]
    seen = detail(sample, ["ΑΓΟΡΑ", "OPEN"], ["OPEN", "SALE"])
    tree = parsed(page(REPORT, [seen], poster))
    item = tree.all("li", class_="unreadable_by_reader")[0]
    assert item.text == "ΑΓΟΡΑ no reader for it"


def test_words_nobody_asked_for_are_listed() -> None:
    sample = REPORT.engines[0].samples[1]
    tree = parsed(page(REPORT, [detail(sample, ["OPEN"], ["OPEN", "SALE"])], poster))
    assert {each.text for each in tree.all("p", class_="extra")} == {"Not asked for: “SALE”"}


def test_boxes_stand_in_the_pictures_own_pixels_behind_a_checkbox() -> None:
    gallery = section(TREE, "side-by-side")
    (toggle,) = gallery.all("input", type="checkbox")
    assert "toggle" in toggle.attributes["class"]
    overlay = gallery.all("svg", class_="boxes")[0]
    assert overlay.all("svg")[0].attributes["viewbox"] == "0 0 256 384"
    assert [(each.text, each.attributes["y"]) for each in overlay.all("text")] == [
        ("1", "0.0%"),
        ("2", "5.2%"),
    ]
    assert (
        overlay.all("polygon", class_="box")[0].attributes["points"]
        == "10.0,0.0 90.0,0.0 90.0,15.0 10.0,15.0"
    )


def test_only_the_pictures_shown_are_fetched() -> None:
    fetched: list[str] = []

    def counting(uri: str) -> bytes:
        fetched.append(uri)
        return poster(uri)

    page(REPORT, DETAILS, counting)
    assert len(fetched) == len(TREE.all("img"))


@pytest.mark.parametrize("stored", [None, b"no picture"], ids=["gone", "damaged"])
def test_a_picture_that_cannot_be_had_leaves_its_words(stored: bytes | None) -> None:
    tree = parsed(page(REPORT, DETAILS, lambda _: stored))
    assert not tree.all("img")
    assert tree.all("div", class_="none")
    assert tree.all("li", class_="missed")
    assert ("gone from the store" if stored is None else "no picture") in tree.text


def test_a_thousand_heavy_pictures_stay_within_the_stated_size() -> None:
    names = tuple(f"engine-{index}" for index in range(8))
    big = compared(
        names, asked(42, "OPEN LATE"), pictured(lambda draw: {"score": draw.seed % 97 / 97}), samples=3
    )
    every = [sample for engine in big.engines for sample in engine.samples]
    assert len(every) > 1_000
    details = [detail(sample, ["OPEN LATE"], ["OPFN LATE", "X" * 5_000]) for sample in every]
    shown = page(big, details, lambda _: noise())
    pictures = re.findall(r'src="(data:[^"]*)"', shown)
    assert 80 < len(pictures) <= PICTURES
    assert max(map(len, pictures)) <= HEAVIEST * 4 / 3 + 100
    assert len(shown) < 10_000_000


def test_one_engine_without_readings_without_pairs() -> None:
    alone = compared(("pen",), asked(1, "OPEN"), lambda _: {"score": None, "accepted": None}, samples=1)
    tree = parsed(page(alone, [], lambda _: None))
    assert not tree.all("section", id="differences")
    cells = [cell.text for cell in section(tree, "engines").all("tbody")[0].all("td")]
    assert cells[2] == "—"
    assert "How it was read was not kept." in tree.text
    assert not re.findall(r"\b(nan|inf|None)\b", tree.all("main")[0].text, re.IGNORECASE)


def test_nothing_drawn_at_all_is_still_a_page() -> None:
    failed = compared(
        ("pen", "brush"), asked(2, "OPEN"), lambda _: {"outcome": "failed", "accepted": False, "score": None}
    )
    tree = parsed(page(failed, [], lambda _: None))
    assert "No picture was drawn." in section(tree, "side-by-side").text
    assert "No picture: 8" in section(tree, "worst").text


def test_a_tripped_gate_shows_its_regressions_first() -> None:
    better = compared(
        ("pen", "brush"), ASKED, pictured(lambda draw: {**mixed(draw), "score": 1.0, "outcome": "rendered"})
    )
    random = np.random.default_rng(1)
    checks = check(REPORT, better, [parse("legibility < baseline - 0.02")], random, rounds=500)
    fallen = {"brush": regressions(REPORT.engines[1], better.engines[1], 5)}
    shown = page(REPORT, DETAILS, poster, checks=checks, regressions=fallen, baseline=better)
    order = [each.attributes["id"] for each in parsed(shown).all("section")]
    assert order[:3] == ["gate", "regressions", "engines"]
    gate = section(parsed(shown), "gate")
    (tripped,) = gate.all("li", class_="tripped")
    assert tripped.text.startswith("tripped brush emulated Legibility is 0.700; it must be at least 0.980")
    assert "luck alone can hardly explain it" in tripped.text
    assert len(gate.all("li", class_="held")) == 1
    pairs = section(parsed(shown), "regressions").all("article")
    assert len(pairs) == 5
    assert all("score 1.00 → 0.70 (−0.30)" in each.text and len(each.all("figure")) == 2 for each in pairs)


def test_a_gate_that_held_comes_with_its_regressions_last() -> None:
    checks = check(REPORT, None, [parse("legibility < 0.1")], np.random.default_rng(1), rounds=100)
    ours = REPORT.engines[1].samples[1]
    fallen = {"brush": regressions(REPORT.engines[1], REPORT.engines[1], 5)}
    assert not fallen["brush"]
    shown = parsed(page(REPORT, DETAILS, poster, checks=checks, regressions=fallen))
    assert "2 checks, all held" in section(shown, "gate").text
    assert not shown.all("section", id="regressions")
    assert ours.engine == "brush"


def test_the_digest_and_conditions_are_told() -> None:
    told = TREE.all("header")[0].text
    assert prompts_digest(ASKED)[:16] in told
    for said in ("two cores", "scripted-score", "rapid", "2 engines", "6 prompts"):
        assert said in told


def test_a_detail_of_another_picture_is_not_shown() -> None:
    stale = [replace(each, sample=_other(each.sample)) for each in DETAILS]
    tree = parsed(page(REPORT, stale, poster))
    assert not tree.all("ul", class_="words")


def _other(sample: Sample) -> Sample:
    return replace(sample, render_id="another")
