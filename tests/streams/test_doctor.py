from __future__ import annotations

import ctypes
import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

import pytest

from inference.engines.adapters import HostedEngines
from inference.engines.base import Uncertain
from inference.engines.entries import Entry, Price, Registry, load_registry
from inference.engines.registry import Engines
from streams.cli import main
from streams.doctor import (
    check_assets,
    check_broker,
    check_disk,
    check_drawing,
    check_fonts,
    check_gpu,
    check_local,
)
from streams.doctor_check import Check
from streams.doctor_money import check_ends, check_engines, check_ledger
from streams.settings import Settings
from tests.inference.paid_house import Clock, House, Provider, make_job

TODAY = dt.date(2026, 11, 24)
NOWHERE = Settings(bootstrap="127.0.0.1:1")


@pytest.fixture(autouse=True)
def no_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the digests nor the hub's models of whoever runs the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for variable in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(variable, raising=False)


async def test_calls_that_wait_for_a_person_are_told(tmp_path: Path) -> None:
    settings = Settings(ledger=str(tmp_path / "ledger.db"))
    assert check_ledger(settings, {}) == Check("ledger", "ok", "none yet: nothing was spent")
    house = House(tmp_path / "ledger.db", Clock())
    provider = Provider(answers=[Uncertain("no whole answer", billed="unknown")])
    await house.worker(provider).render(make_job())
    await house.opened[0].aclose()
    found = check_ledger(settings, {})
    assert found.state == "absent"
    assert found.detail.endswith(": calls of unknown outcome: 1, without a price: 0")
    broken = check_ledger(Settings(ledger="postgresql://nobody@127.0.0.1:1/none"), {})
    assert broken.state == "broken"
    shared = check_ledger(Settings(assets="s3://posters"), {"OPENAI_API_KEY": "k"})
    assert (shared.state, shared.fix) == ("broken", "set GLYPHSTREAM_LEDGER")


def test_a_broker_that_can_be_started_is_absent_and_no_fault() -> None:
    found = check_broker(NOWHERE)
    assert found.state == "absent"
    assert found.detail.startswith("none at 127.0.0.1:1 (")
    assert "can start here" in found.detail
    assert found.fix == "glyphstream broker"


def test_a_bootstrap_address_that_is_none_is_shown() -> None:
    assert check_broker(Settings(bootstrap="kafka")).detail == "bootstrap 'kafka' is no HOST:PORT"


def test_a_running_broker_is_found(kafka: str) -> None:
    assert check_broker(Settings(bootstrap=kafka)) == Check("broker", "ok", f"1 broker at {kafka}")


def test_assets_need_a_folder_that_can_be_written(tmp_path: Path) -> None:
    assert check_assets(Settings(assets=str(tmp_path / "new"))).detail.endswith("new (will be made)")
    assert check_assets(Settings(assets="s3://bucket/x")).detail == "s3://bucket/x (not tried)"


def test_disk_is_measured_where_the_assets_will_lie(tmp_path: Path) -> None:
    found = check_disk(Settings(assets=str(tmp_path / "a" / "b")))
    assert found.detail.endswith(f"GiB free at {tmp_path.resolve()}")


def test_no_driver_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> ctypes.CDLL:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert check_gpu().state == "absent"


def test_every_pinned_font_package_covers_its_script() -> None:
    assert [check.state for check in check_fonts()] == ["ok"]


def test_a_key_is_named_but_never_shown() -> None:
    checks = list(check_engines(NOWHERE, {"GEMINI_API_KEY": "hunter2"}))
    assert Check("keys", "ok", "GEMINI_API_KEY is set") in checks
    assert not any("hunter2" in f"{check.detail} {check.fix}" for check in checks)
    missing = next(check for check in checks if check.detail.startswith("OPENAI_API_KEY"))
    assert missing.state == "absent"
    assert "dalle3_hd" in missing.detail


def test_keys_that_are_set_and_not_used_are_said_to_be() -> None:
    checks = list(check_engines(Settings(hosted=False), {"GEMINI_API_KEY": "hunter2"}))
    assert any(check.detail.startswith("no hosted engine is called here") for check in checks)


def entry(name: str, left: int | None = None, successor: str | None = None, usd: float = 0.04) -> Entry:
    return Entry(
        name=name,
        adapter="gemini",
        model="gemini-3.1-flash-image",
        title=name,
        roles=("final",),
        price=Price(priced_on=TODAY, usd=usd),
        key_env="GEMINI_API_KEY",
        not_after=None if left is None else TODAY + dt.timedelta(days=left),
        successor=successor,
    )


def ends(*changed: Entry, emulator_url: str | None = None, **env: str) -> dict[str, Check]:
    """What is said of `changed` engines of the registry, by the level or the engine that it begins with."""
    entries = {one.name: one for one in load_registry() if one.not_after is None}
    entries |= {name: entry(name) for name in ("imagen4_remote", "imagen4_ultra", "dalle3_hd")}
    registry = Registry(entries | {one.name: one for one in changed})
    engines = Engines(
        registry, today=lambda: TODAY, emulator_url=emulator_url, environ=env, hosted=HostedEngines(registry)
    )
    return {check.detail.split()[0].rstrip(":"): check for check in check_ends(engines, TODAY)}


@pytest.mark.parametrize(
    ("left", "level", "state"),
    [(60, "note", "ok"), (30, "warning", "absent"), (7, "urgent", "absent"), (0, "urgent", "absent")],
)
def test_an_end_that_nears_is_told_60_30_and_7_days_ahead(left: int, level: str, state: str) -> None:
    found = ends(entry("imagen4_remote", left, "gemini-3.1-flash-image"))
    assert list(found) == [level]
    assert found[level].state == state
    assert "gemini-3.1-flash-image follows it, $0.0272 a picture dearer" in found[level].detail


def test_an_end_that_is_far_away_and_engines_that_no_route_leads_to_are_not_told() -> None:
    assert ends(entry("imagen4_remote", 61, "layout"), entry("unasked", -1)) == {}


def test_an_end_without_successor_is_worth_knowing_and_then_keeps_the_line_from_working() -> None:
    assert ends(entry("dalle3_hd", 60))["note"].state == "absent"
    gone = ends(entry("dalle3_hd", -1))["dalle3_hd"]
    assert (gone.state, gone.fix) == ("broken", "give it a successor in the registry")


def test_an_ended_engine_is_no_fault_where_its_successor_can_be_called() -> None:
    ended = entry("imagen4_remote", -100, "gemini-3.1-flash-image")
    called = ends(ended, GEMINI_API_KEY="hunter2")["imagen4_remote"]
    assert (called.state, called.fix) == ("ok", "")
    assert "ended on 2026-08-16, 100 days ago; gemini-3.1-flash-image follows it" in called.detail
    played = ends(ended, emulator_url="http://127.0.0.1:1")["imagen4_remote"]
    assert played.state == "ok"
    assert played.detail.endswith("the emulator stands in")
    missing = ends(ended)["imagen4_remote"]
    assert missing.state == "absent"
    assert "set GEMINI_API_KEY" in missing.fix


def test_doctor_answers_for_this_machine_and_leaves_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["doctor", "--json", "--bootstrap", "127.0.0.1:1"])
    checks = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert left.value.code == 0
    assert {"python", "broker", "assets", "disk", "gpu", "fonts", "readers", "keys", "ends"} <= {
        c["name"] for c in checks
    }


def test_a_reader_nobody_has_keeps_the_line_from_working(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLYPHSTREAM_READERS", "crystal-ball")
    with pytest.raises(SystemExit) as left:
        main(["doctor", "--bootstrap", "127.0.0.1:1"])
    assert left.value.code == 1
    said = capsys.readouterr()
    assert "'crystal-ball' is not installed" in said.out
    assert "the line cannot work here yet: readers" in said.err


def test_looking_for_a_gpu_and_for_local_models_does_not_load_torch() -> None:
    code = (
        "import sys; from streams.doctor import check_gpu, check_local\n"
        "from streams.settings import Settings\n"
        "check_gpu(); list(check_local(Settings())); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_device_is_shown_with_its_reason_and_each_local_engine_with_its_checkpoint() -> None:
    device, *engines = check_local(Settings(sd3_medium="none", sd3_local="none", sd3_text="none"))
    assert device.state == "ok"
    assert device.detail.partition(",")[0] in ("cpu", "cuda")
    assert len(device.detail.partition(": ")[2]) > 5
    assert [check.state for check in engines] == ["absent"] * 3
    assert engines[0].detail == "sd3.5_local: the settings say that no local model is used"
    assert "hf download stabilityai/stable-diffusion-3.5-medium" in engines[1].fix
    assert engines[1].fix.endswith("GLYPHSTREAM_SD3_MEDIUM=FOLDER")


def test_a_local_model_that_was_named_and_is_not_there_keeps_the_line_from_working(tmp_path: Path) -> None:
    _, local, medium, _ = check_local(Settings(sd3_medium=str(tmp_path / "nowhere"), sd3_local="none"))
    assert (local.state, medium.state) == ("absent", "broken")
    assert "nowhere" in medium.detail
    assert medium.fix == "correct GLYPHSTREAM_SD3_MEDIUM, or leave it empty"


def test_a_machine_without_the_libraries_for_drawing_is_told_their_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "skia", None)
    found = check_drawing()
    assert found.state == "broken"
    assert "libegl1" in found.fix
