"""What a page is made of: the letters it marks, the axes it draws, the pictures it chooses, its markup."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inference.bench.figures import Estimate, Pair
from inference.bench.html import wording
from inference.bench.html.axis import shares, spanning
from inference.bench.html.choice import CELLS, ROWS, side_by_side, undrawn, worst
from inference.bench.html.letters import differences
from inference.bench.html.markup import el, foreign, joined, text
from inference.bench.html.pairs import sentence
from inference.bench.html.plots import Mark, Point, scatter
from inference.bench.html.thumbs import HEAVIEST, PICTURES, SIDE, Album, shrunk
from inference.bench.plan import Draw
from inference.bench.samples import Subject
from tests.inference.bench.pages import asked, compared, noise, parsed, poster


@pytest.mark.parametrize(
    ("expected", "read", "exact", "lost", "wrong"),
    [
        ("50% OFF", "50 OFF", False, ["%"], []),
        ("Open Late", "OPEN LATE", False, [], []),
        ("Open Late", "Open late", True, ["L"], ["l"]),
        ("OPEN LATE", "OPENLATE", False, [], []),
        ("LATE", "LATTE", False, [], ["T"]),
        ("夏まつり", "夏まり", False, ["つ"], []),
        ("Café", "Cafe", True, ["é"], ["e"]),
        ("हिन्दी", "हिदी", False, ["न्दी"], ["दी"]),
        ("OPEN", "xyzw", False, ["OPEN"], ["xyzw"]),
        ("OPEN", "", False, ["OPEN"], []),
    ],
)
def test_letters_that_were_read_otherwise_are_found(
    expected: str, read: str, exact: bool, lost: list[str], wrong: list[str]
) -> None:
    ours, theirs = differences(expected, read, exact=exact)
    assert "".join(run for _, run in ours) == expected
    assert "".join(run for _, run in theirs) == read
    assert [run for same, run in ours if not same] == lost
    assert [run for same, run in theirs if not same] == wrong


def test_every_text_is_escaped_unless_it_was_made_here() -> None:
    made = el("p", '<b onclick="x">', el("i", "a & b"), title='"><script>')
    assert made == '<p title="&quot;&gt;&lt;script&gt;">&lt;b onclick=&quot;x&quot;&gt;<i>a &amp; b</i></p>'
    assert joined(["<", el("br")], "&") == "&lt;&amp;<br>"
    assert foreign("<שלום>") == '<bdi dir="auto">&lt;שלום&gt;</bdi>'
    assert text("\ud800\x07").encode() == "\ufffd\ufffd".encode()


def test_attributes_that_say_nothing_are_left_out() -> None:
    assert el("input", checked=True, disabled=False, title=None, tabindex=0) == '<input checked tabindex="0">'


@pytest.mark.parametrize("values", [[0.3, 40.0], [0.001, 9_000.0], [2.0, 3.0], [0.0, 80.0], [7.0], []])
def test_an_axis_holds_its_values_and_is_marked(values: list[float]) -> None:
    axis = spanning(values)
    assert all(axis.low <= value <= axis.high for value in values)
    places = [axis.place(tick) for tick in axis.ticks]
    assert len(places) >= 2
    assert places == sorted(set(places))
    assert all(0 <= place <= 100 for place in places)
    assert axis.log is (len(values) == 2 and values[0] > 0 and values[1] / values[0] > 20)


@pytest.mark.parametrize("low", [0.0, 0.13, 0.3, 0.5, 0.79, 0.95, 1.0])
def test_an_axis_of_shares_ends_at_one_and_begins_at_a_mark(low: float) -> None:
    axis = shares([low, None])
    assert axis.low <= low
    assert (axis.ticks[0], axis.ticks[-1]) == (axis.low, 1.0)


def test_labels_from_both_sides_do_not_meet_in_the_middle() -> None:
    """Two engines at the foot of the plot: their names once ran into each other."""
    points = [
        Point("sd3.5_local", 0.68, Mark(0.01, None, None)),
        Point("sd3.5_medium", 4.27, Mark(0.01, None, None)),
    ]
    drawn = parsed(scatter(points, spanning([0.0, 6.0]), shares([0.0]), show=(str, str), label="all"))
    heights = [float(each.attributes["y"]) for each in drawn.all("text", class_="name")]
    assert abs(heights[0] - heights[1]) >= 16
    short = [Point("a", 1.0, Mark(0.01, None, None)), Point("b", 5.0, Mark(0.01, None, None))]
    drawn = parsed(scatter(short, spanning([0.0, 6.0]), shares([0.0]), show=(str, str), label="all"))
    assert len({each.attributes["y"] for each in drawn.all("text", class_="name")}) == 1


def test_labels_of_the_same_place_do_not_lie_on_each_other() -> None:
    points = [Point(f"engine {at}", 10.0, Mark(0.01, None, None)) for at in range(8)]
    drawn = parsed(scatter(points, spanning([10.0]), shares([0.0]), show=(str, str), label="all"))
    heights = [float(each.attributes["y"]) for each in drawn.all("text", class_="name")]
    assert np.diff(heights).min() >= 16
    assert max(heights) < float(drawn.all("svg")[0].attributes["height"]) - 20


def scripts(count: int) -> tuple[Subject, ...]:
    names = ("Latin", "Latin", "Latin", "Greek", "Han", "Arabic")
    return tuple(Subject(f"p{at}", f"{at:064x}", names[at % len(names)], 1) for at in range(count))


def apart(draw: Draw) -> dict[str, Any]:
    """Latin prompts set the engines apart, the others hardly."""
    number = int(draw.subject.id[1:])
    far = 0.5 if draw.subject.script == "Latin" else 0.05
    return {"score": 1.0 - (far - number / 1_000 if draw.engine == "brush" else 0.0), "accepted": True}


def test_rows_are_those_furthest_apart_then_every_script() -> None:
    chosen = side_by_side(compared(("pen", "brush"), scripts(30), apart))
    assert len(chosen) == ROWS
    assert [row.subject.id for row in chosen[:6]] == ["p0", "p1", "p2", "p6", "p7", "p8"]
    assert {row.subject.script for row in chosen} == {"Latin", "Greek", "Han", "Arabic"}
    assert len({row.subject.digest for row in chosen}) == ROWS


def test_many_engines_have_fewer_rows() -> None:
    names = tuple(f"engine-{at}" for at in range(30))
    chosen = side_by_side(compared(names, scripts(12), lambda _: {"score": 1.0}, samples=1))
    assert len(chosen) * len(names) <= CELLS


def test_one_engine_has_its_lowest_of_each_script() -> None:
    chosen = side_by_side(compared(("brush",), scripts(12), apart))
    assert [row.subject.script for row in chosen[:4]] == ["Latin", "Greek", "Han", "Arabic"]
    assert chosen[0].subject.id == "p0"


def test_the_worst_are_judged_pictures_and_what_is_missing_is_apart() -> None:
    def script(draw: Draw) -> dict[str, Any]:
        number = int(draw.subject.id.split("-")[1])
        if number == 0:
            return {"outcome": "failed", "accepted": False, "score": None}
        if number == 1:
            return {"score": None, "accepted": None}
        return {"score": min(1.0, number / 10)}

    made = compared(("pen",), asked(12, "OPEN"), script, samples=1)
    assert [sample.prompt for sample in worst(made)] == [f"prompt-{at}" for at in range(2, 10)]
    assert [sample.prompt for sample in undrawn(made)] == ["prompt-0"]


@pytest.mark.parametrize(
    ("difference", "p", "said"),
    [
        (
            Estimate(0.08, 0.03, 0.13),
            0.001,
            "A reads better than B on the same prompts: +0.08 (+0.03 to +0.13)",
        ),
        (
            Estimate(-0.08, -0.13, -0.03),
            0.001,
            "B reads better than A on the same prompts: +0.08 (+0.03 to +0.13)",
        ),
        (
            Estimate(0.01, -0.02, 0.04),
            0.41,
            "A and B: no difference can be told from 200 pairs: +0.01 (−0.02 to",
        ),
        (
            Estimate(0.08, None, None),
            1.0,
            "A and B: no difference can be told from 200 pairs: +0.08 (? to ?)",
        ),
    ],
)
def test_differences_are_told_in_words(difference: Estimate, p: float, said: str) -> None:
    pair = Pair(
        first="A", second="B", measure="legibility", pairs=200, difference=difference, p=p / 3, p_holm=p
    )
    assert parsed(sentence(pair, {})).text.startswith(said)


def test_who_takes_less_time_is_the_faster() -> None:
    slower = Estimate(2.0, 1.5, 2.5)
    pair = Pair(first="A", second="B", measure="seconds", pairs=9, difference=slower, p=0.0, p_holm=0.0)
    said = parsed(sentence(pair, {"A": True})).text
    assert said == "B is faster than A emulated on the same prompts: −2.00 s (−2.50 to −1.50 s), p < 0.001"


@pytest.mark.parametrize("found", [None, Estimate(float("nan"), None, None)])
def test_what_was_not_measured_is_a_dash(found: Estimate | None) -> None:
    assert wording.estimate(found, wording.score) == '<span title="nothing to measure">—</span>'


def test_thumbnails_are_small_and_say_how_large_the_picture_is() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (1600, 800), (255, 0, 0, 0)).save(out, "PNG")
    thumb = shrunk(out.getvalue())
    assert (thumb.width, thumb.height) == (1600, 800)
    data = base64.b64decode(thumb.source.partition(",")[2])
    with Image.open(io.BytesIO(data)) as opened:
        assert (opened.format, opened.size) == ("WEBP", (SIDE, SIDE // 2))
        assert opened.convert("RGB").getpixel((5, 5)) == (255, 255, 255)


def test_noise_is_made_to_fit() -> None:
    assert len(base64.b64decode(shrunk(noise(600, 900)).source.partition(",")[2])) <= HEAVIEST


def test_an_album_stops_asking_when_it_is_full() -> None:
    asked_for: list[str] = []

    def picture(uri: str) -> bytes:
        asked_for.append(uri)
        return poster("same")

    album = Album(picture)
    shown = [album.thumb(f"memory://{at}") for at in range(PICTURES + 3)]
    assert album.pictures == len(asked_for) == PICTURES
    assert shown[-1] == f"left out: this page holds at most {PICTURES} pictures"
