"""What may be asked for a prompt, over the real registry."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest

from inference.engines.adapters import HostedEngines
from inference.engines.registry import Engines, load_registry
from inference.legibility.readers import reader_entry
from schemas.events import Spec, Text
from streams.routing.expected.deciding import Offer
from streams.routing.expected.offering import OursPerHour, can_read, offers_here
from streams.routing.expected.policyfile import load_policy

POLICY = load_policy()
OURS = OursPerHour(gpu=3.0, cpu=0.05)
SPEC = Spec(
    prompt="a poster", texts=(Text("SALE"),), negative_prompt="", width=1024, height=1024, sampler="euler",
    steps=None, guidance=None, seed=1, locale="en",
)  # fmt: skip
KEYS = {entry.key_env: "a-key" for entry in load_registry() if entry.key_env}


def offered(spec: Spec = SPEC, today: dt.date = dt.date(2026, 11, 24), **changes: Any) -> dict[str, Offer]:
    registry = load_registry()
    given: dict[str, Any] = {"environ": {}, "hosted": HostedEngines(registry), **changes}
    engines = Engines(registry, today=lambda: today, **given)
    return {offer.engine: offer for offer in offers_here(POLICY, engines, OURS)(spec)}


def test_without_keys_models_and_emulator_only_our_own_type_is_offered() -> None:
    assert set(offered()) == {"layout"}


def test_an_engine_is_offered_where_its_key_is_set_at_what_a_picture_may_cost_at_most() -> None:
    found = offered(environ=KEYS)
    assert "gemini-3-pro-image" in found
    prices = {entry.name: entry.price for entry in load_registry()}
    for name, offer in found.items():
        assert not offer.emulated
        assert offer.usd >= prices[name].list_usd(1024, 1024)


def test_our_own_machine_costs_its_time() -> None:
    seconds = POLICY.compose.seconds
    assert offered()["layout"].usd == pytest.approx(seconds * OURS.cpu / 3600)


def test_what_the_emulator_would_draw_is_marked() -> None:
    found = offered(emulator_url="http://127.0.0.1:9")
    played = {entry.name for entry in load_registry() if entry.stands_in}
    assert set(found) == {name for name in POLICY.engines if name in played} | {"layout"}
    assert {name for name, offer in found.items() if not offer.emulated} == {"layout"}


def test_an_engine_that_draws_no_such_size_is_not_offered() -> None:
    wide = dataclasses.replace(SPEC, width=2048, height=512)
    assert "ideogram_v2a_turbo" in offered(environ=KEYS)
    assert "ideogram_v2a_turbo" not in offered(wide, environ=KEYS)


@pytest.mark.parametrize(("text", "readable"), [("SALE 50%", True), ("ลดราคา", False)])
def test_a_text_can_be_read_where_a_reader_knows_its_letters(text: str, readable: bool) -> None:
    known = can_read({"rapidocr": reader_entry("rapidocr").characters()})
    assert known((Text(text),)) is readable
    assert known((Text("SALE"), Text(text))) is readable
    assert known(())
