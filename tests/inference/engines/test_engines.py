from __future__ import annotations

import datetime as dt
import subprocess
import sys
from typing import Any

import pytest

from inference.engines.adapters import HostedEngines
from inference.engines.entries import load_registry
from inference.engines.registry import Engines, EngineUnavailable, Resolved, UnknownEngine

EMULATOR = "http://127.0.0.1:9/"


def make_engines(
    emulator_url: str | None = EMULATOR,
    render_url: str | None = None,
    today: dt.date = dt.date(2026, 11, 23),
    **environ: str,
) -> Engines:
    return Engines(
        load_registry(),
        today=lambda: today,
        emulator_url=emulator_url,
        render_url=render_url,
        environ=environ,
    )


def test_an_ended_engine_resolves_to_its_successor_and_says_so() -> None:
    resolved = make_engines().resolve("imagen4_remote")
    assert resolved.name == "imagen4_remote"
    assert resolved.entry.name == "gemini-3.1-flash-image"
    assert resolved.emulated
    assert "imagen4_remote ended on 2026-08-16; gemini-3.1-flash-image follows it" in resolved.reason
    assert resolved.reason.endswith("the emulator stands in")


def test_an_engine_is_still_itself_on_its_last_day() -> None:
    resolved = make_engines(today=dt.date(2026, 8, 16)).resolve("imagen4_remote")
    assert resolved.entry.name == "imagen4_remote"


def test_a_key_calls_its_provider_unless_hosted_engines_are_off() -> None:
    def resolved(**options: Any) -> Resolved:
        registry = load_registry()
        engines = Engines(
            registry,
            today=lambda: dt.date(2026, 11, 23),
            emulator_url=EMULATOR,
            environ={"IDEOGRAM_API_KEY": "k"},
            **options,
        )
        return engines.resolve("ideogram_v2a_turbo")

    speaking = HostedEngines(load_registry())
    assert not resolved(hosted=speaking).emulated
    off = resolved(hosted=speaking, calls_hosted=False)
    assert off.emulated
    assert "not called here: set GLYPHSTREAM_HOSTED to true; the emulator stands in" in off.reason
    assert resolved().emulated


def test_a_server_with_a_key_may_cost_money_and_is_not_called_where_hosted_engines_are_off() -> None:
    def model(environ: dict[str, str], *, calls_hosted: bool) -> str:
        engines = Engines(
            load_registry(),
            today=lambda: dt.date(2026, 11, 23),
            emulator_url=EMULATOR,
            render_url="https://pictures.example/draw",
            environ=environ,
            calls_hosted=calls_hosted,
        )
        return engines.resolve("http_render").model

    keyed = {"GLYPHSTREAM_RENDER_KEY": "k"}
    assert model(keyed, calls_hosted=True) == "http_render@pictures.example/draw"
    assert model(keyed, calls_hosted=False) == "emulator:http_render"
    assert model({}, calls_hosted=False) == "http_render@pictures.example/draw"


def test_without_an_emulator_the_error_says_what_is_missing_and_how_to_get_it() -> None:
    engines = make_engines(emulator_url=None)
    with pytest.raises(EngineUnavailable, match=r"sd3_local.*GLYPHSTREAM_EMULATOR_URL"):
        engines.resolve("sd3.5_local")
    with pytest.raises(EngineUnavailable, match=r"set GLYPHSTREAM_RENDER_URL; or run the emulator"):
        engines.resolve("http_render")


def test_layout_is_never_emulated() -> None:
    resolved = make_engines().resolve("layout")
    assert not resolved.emulated
    assert resolved.reason == ""


def test_http_render_is_real_where_an_address_is_set_and_emulated_where_not() -> None:
    assert make_engines().resolve("http_render").emulated
    real = make_engines(render_url="http://user:secret@render.test:8000/draw?x=1").resolve("http_render")
    assert not real.emulated
    assert real.model == "http_render@render.test:8000/draw"


def test_two_servers_behind_http_render_never_share_a_model_name() -> None:
    models = {
        make_engines(render_url=url).resolve("http_render").model
        for url in (None, "http://a/draw", "http://b/draw")
    }
    assert len(models) == 3


def test_an_unknown_engine_is_refused_by_name() -> None:
    with pytest.raises(UnknownEngine, match="did you mean 'layout'"):
        make_engines().resolve("layot")


async def test_an_engine_is_built_once_and_anew_after_closing() -> None:
    engines = make_engines()
    first = engines.engine("imagen4_remote")
    assert engines.engine("gemini-3.1-flash-image") is first
    assert engines.engine("imagen4_ultra") is not first
    await engines.aclose()
    assert engines.engine("imagen4_remote") is not first
    await engines.aclose()


def test_resolving_imports_no_http_client_and_no_typography() -> None:
    code = (
        "import sys, datetime as dt; from inference.engines.registry import Engines, load_registry;"
        "engines = Engines(load_registry(), today=lambda: dt.date(2026, 11, 23), emulator_url='http://x');"
        "engines.resolve('dalle3_hd');"
        "sys.exit(', '.join({'httpx', 'starlette', 'uvicorn', 'skia', 'PIL', 'torch'} & set(sys.modules))"
        " or 0)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
