from __future__ import annotations

import json
from pathlib import Path

from schemas.events import PromptEvent
from streams.demo.figures import engine_figures, yardstick
from streams.demo.report import Run, report, write_report
from streams.demo.tables import dollars, engine_table, seconds
from tests.streams.demo.finals_made import attempt, final, reading

RUN = Run(
    policy="hybrid", started="2026-11-23T09:00:00+00:00", seconds=30.0, continued=False, assets_verified=3
)
PROMPT = PromptEvent(id="1", source="s", prompt="p")


def test_a_report_has_one_entry_a_prompt_with_all_it_took(tmp_path: Path) -> None:
    missed = attempt(0, verdict="escalate", legibility=reading(0.5, ("SALE", "missed")))
    finals = [final("1", [missed, attempt(1, "imagen4_ultra", verdict="accept")], reason="score 1.00")]
    engines, measured = engine_figures(finals), yardstick(finals, [0.134])
    path = tmp_path / "report.json"
    write_report(path, report(RUN, [PROMPT], finals, engines, measured))
    told = json.loads(path.read_bytes())
    (entry,) = told["prompts"]
    (only,) = entry["finals"]
    assert (entry["prompt"], only["status"], only["reason"], only["usd"]) == (
        "p",
        "accepted",
        "score 1.00",
        0.02,
    )
    assert [tried["verdict"] for tried in only["attempts"]] == ["escalate", "accept"]
    assert only["attempts"][0]["texts"][0]["verdict"] == "missed"
    assert only["picture"]["image"]["uri"].startswith("file:///")
    assert told["measured"]["first_read"] == {
        "read": 0, "of": 1, "share": 0.0, "wilson_95": [0.0, told["measured"]["first_read"]["wilson_95"][1]]
    }  # fmt: skip
    assert "not measured here" in told["brief"]["note"]
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_dollars_of_what_the_emulator_drew_are_said_to_be_list_prices() -> None:
    emulated, ours = attempt(0), attempt(0, "layout", emulated=False)
    shown = engine_table(engine_figures([final("1", [emulated]), final("2", [ours])]))
    cells = zip(shown.columns[0].cells, shown.columns[-1].cells, strict=True)
    told = {str(engine): str(kind) for engine, kind in cells}
    assert told == {"sd3.5_medium": "list price, emulated", "layout": "measured"}


def test_absent_figures_are_a_dash_and_small_ones_keep_their_digits() -> None:
    assert (dollars(None), seconds(None)) == ("-", "-")
    assert (dollars(0.0183), dollars(1.847), dollars(134.2)) == ("$0.0183", "$1.85", "$134")
