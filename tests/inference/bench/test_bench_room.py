"""What the engines, the store and the ledger of a bench are opened with."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from inference.assets import AssetStore
from inference.bench.alone import house_of
from inference.bench.contestant import NotAtHand
from inference.bench.room import open_room
from inference.engines.ledger import Begun, Call, Ledger
from inference.spending import Spending
from schemas.events import PromptRef

LONG_AGO = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


async def test_a_call_whose_worker_left_is_given_up_while_a_bench_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger.open(str(tmp_path / "ledger.db"), clock=lambda: LONG_AGO)
    call = Call(ref=PromptRef("s", "1"), ordinal=0, asked="", render_id="r", engine="e", model="m", reserve=4)
    begun = ledger.begin(call)
    assert isinstance(begun, Begun)
    ledger.sent(begun.row)
    tended = asyncio.Event()
    tend = Spending.tend

    async def seen(spending: Spending, store: AssetStore) -> None:
        await tend(spending, store)
        tended.set()

    monkeypatch.setattr(Spending, "tend", seen)
    async with open_room(house_of({}, str(tmp_path / "pictures")), ("rapidocr",)):
        await asyncio.wait_for(tended.wait(), 60)
        row = ledger.last(call)
        assert row is not None
        assert row.state == "unknown"
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert others == set(), "nothing tends a ledger that is closed"
    ledger.close()


async def test_the_calls_of_others_are_left_to_those_who_have_their_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tended(*_arguments: object, **_options: object) -> None:
        raise AssertionError("tended")

    monkeypatch.setattr(Spending, "keep_tending", tended)
    env = {"GLYPHSTREAM_LEDGER": str(tmp_path / "line.db")}
    async with open_room(house_of(env, str(tmp_path / "pictures")), ("rapidocr",)):
        assert (tmp_path / "line.db").exists()


@pytest.mark.parametrize(
    ("budgets", "ledger", "told"),
    [
        (("engine:imagen4=5",), "l.db", r"imagen4.*\(budgets, GLYPHSTREAM_BUDGETS\)"),
        ((), "file/l.db", r"\(ledger, GLYPHSTREAM_LEDGER\)"),
    ],
    ids=["a budget of no engine", "no place for a ledger"],
)
async def test_money_that_cannot_be_held_is_said_before_anything_is_drawn(
    budgets: tuple[str, ...], ledger: str, told: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    house = house_of({}, str(tmp_path / "pictures"))
    with pytest.raises(NotAtHand, match=told):
        async with open_room(replace(house, budgets=budgets, ledger=str(tmp_path / ledger)), ("rapidocr",)):
            raise AssertionError("opened")
