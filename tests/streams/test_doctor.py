from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from pathlib import Path

import pytest

from streams.cli import main
from streams.doctor import (
    Check,
    check_assets,
    check_broker,
    check_disk,
    check_drawing,
    check_engines,
    check_fonts,
    check_gpu,
    check_local,
)
from streams.settings import Settings

NOWHERE = Settings(bootstrap="127.0.0.1:1")


@pytest.fixture(autouse=True)
def no_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the digests nor the hub's models of whoever runs the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for variable in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(variable, raising=False)


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


def test_doctor_answers_for_this_machine_and_leaves_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["doctor", "--json", "--bootstrap", "127.0.0.1:1"])
    checks = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert left.value.code == 0
    assert {"python", "broker", "assets", "disk", "gpu", "fonts", "readers", "keys"} <= {
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
