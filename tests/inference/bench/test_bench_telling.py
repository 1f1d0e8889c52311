"""What a person is told of a bench, and of the machine it ran on."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
from pathlib import Path
from typing import Any

import pytest

from inference.assets import AssetStore
from inference.bench import tables
from inference.bench.command import pictures_of
from inference.bench.details import Detail
from inference.bench.machine import described
from inference.bench.pace import Pace
from inference.bench.plan import Draw, plan
from inference.bench.running import Progress, run
from inference.bench.screen import Screen, plain
from tests.inference.bench.benches import report, sample, subjects
from tests.inference.bench.scripted import ScriptedEngine, as_asked, hosted, picture_of, posters, setup_of


async def test_a_row_shows_the_three_axes_of_an_engine() -> None:
    engines = {"pen": ScriptedEngine(as_asked, usd=0.04), "own": ScriptedEngine(as_asked, usd=0.000_004)}
    live = {"entries": {"pen": hosted("pen")}, "environ": {"PEN_KEY": "k"}, "max_usd": 1.0}
    shown = tables.engines((await run(setup_of(engines, posters(4), **live))).report)
    pen, own = (dict(zip(shown.columns, row, strict=True)) for row in shown.rows)
    assert (pen["engine"], pen["pictures"], pen["s p50"]) == ("pen", "8", "1.00 (1.00 to 1.00)")
    assert pen["accepted"].startswith("100 % (51 to ")
    assert pen["$/1,000 accepted"] == "$40.00 (hosted $40.00)"
    assert own["$/1,000 rendered"] == "$0.00400"
    assert shown.title == "4 prompts x 2, seed 1; read by scripted 1; two cores"


async def test_what_did_not_come_and_was_not_judged_is_counted() -> None:
    made = report(
        ["pen"],
        subjects(2),
        lambda draw: (
            {"outcome": "refused", "accepted": False, "score": None, "reason": "not this"}
            if draw.sample
            else {"accepted": None, "score": None}
        ),
    )
    (row,) = tables.engines(made).rows
    assert row[1] == "4 (2 refused, 2 not judged)"
    assert row[4:6] == ("-", "0 % (0 to 66)")
    assert tables.missing(made.engines[0].samples) == ["pen: 2 refused: not this"]


def test_of_many_reasons_the_most_common_are_told_and_the_others_counted() -> None:
    def refused(draw: Draw) -> dict[str, Any]:
        reason = "busy" if draw.sample else f"cannot spell {draw.subject.id}"
        return {"outcome": "failed", "accepted": False, "score": None, "reason": reason}

    told = tables.missing(report(["pen"], subjects(8), refused).engines[0].samples)
    assert told[0] == "pen: 8 failed: busy"
    assert told[1].startswith("pen: 1 failed: cannot spell p")
    assert len(told) == 6
    assert told[5] == "pen: 4 failed for other reasons, which are in --json"


async def test_pairs_say_whether_it_could_be_luck() -> None:
    engines = {"good": as_asked, "bad": lambda _spec: ["OPEN LATTE"], "same": as_asked}
    shown = tables.pairs((await run(setup_of(engines, posters(10), rounds=2_000))).report)
    told = {(row[0], row[1]): row[-1] for row in shown.rows}
    assert told["accepted", "good - bad"] == "significant"
    assert told["accepted", "good - same"] == "could be luck"


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\x1b[31mb", "a\\x1b[31mb"), ("a\u202eb", "a\\u202eb"), ("Été 漢字 50 %", "Été 漢字 50 %")],
)
def test_nothing_that_is_told_steers_the_terminal(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_without_a_terminal_a_line_now_and_then_shows_that_it_goes_on(
    capfd: pytest.CaptureFixture[str],
) -> None:
    (draw,) = plan(["pen"], subjects(1), samples=1, seed=1, warm_up=0)
    last = Detail(sample=sample(draw))
    clock = itertools.count(0.0, 20.0).__next__
    with Screen(clock=clock) as screen:
        for done in range(1, 5):
            screen.watch(Progress(done, 4, 0, last, spent=1.5, eta_s=3_700.0))
    said = capfd.readouterr()
    assert said.out == ""
    assert [line.partition(",")[0] for line in said.err.splitlines()] == [
        "2 of 4 pictures",
        "4 of 4 pictures",
    ]
    assert "1:01:40 left, $1.50 spent; last pen: p0, score 1.00" in said.err


def test_an_engine_that_has_drawn_nothing_is_expected_to_take_as_long_as_the_others() -> None:
    draws = plan(["a", "b"], subjects(2), samples=1, seed=1, warm_up=0)
    pace = Pace({"a": 1, "b": 2}, draws)
    assert pace.eta_s == 0.0
    pace.note("a", 4.0)
    assert (pace.done, pace.eta_s) == (1, 4.0 + 2 * 4.0 / 2)


def test_the_machine_is_told_by_what_times_depend_on(tmp_path: Path) -> None:
    cpus = tmp_path / "cpuinfo"
    cpus.write_text("processor\t: 0\nmodel name\t: Fast 9000\nprocessor\t: 1\nmodel name\t: Fast 9000\n")
    for number in range(2):
        card = tmp_path / "gpus" / str(number)
        card.mkdir(parents=True)
        (card / "information").write_text("Model: \t\t NVIDIA H100\nIRQ: 1\n")
    told = described(cpus, tmp_path / "gpus")
    assert " Fast 9000, " in told
    assert told.endswith(", 2 x NVIDIA H100")
    assert "core" in described(tmp_path / "none", tmp_path / "none")


def test_a_picture_is_found_in_the_store_or_where_a_baseline_left_it(tmp_path: Path) -> None:
    store = AssetStore.open(tmp_path / "ours")
    ours, theirs = picture_of(["OURS"]), picture_of(["THEIRS"])
    picture = pictures_of(store)
    kept = asyncio.run(store.put(ours, "image/png"))
    file = tmp_path / f"{hashlib.sha256(theirs).hexdigest()}.png"
    file.write_bytes(theirs)
    assert picture(kept.uri) == ours
    assert picture(file.as_uri()) == theirs
    file.write_bytes(b"something else")
    assert picture(file.as_uri()) is None
    assert picture((tmp_path / "gone.png").as_uri()) is None
    assert picture("s3://bucket/none.png") is None


def test_a_pipe_that_a_baseline_names_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / f"{'0' * 64}.png"
    os.mkfifo(pipe)
    assert pictures_of(AssetStore.open(tmp_path / "ours"))(pipe.as_uri()) is None
