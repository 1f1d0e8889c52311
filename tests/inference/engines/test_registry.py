from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from inference.engines.entries import Sizes
from inference.engines.registry import (
    EngineGone,
    Registry,
    RegistryError,
    UnknownEngine,
    load_registry,
)

TODAY = dt.datetime.now(dt.UTC).date()
GOOD = """
old: {adapter: a, model: m1, title: Old, roles: [final], price: {usd: 0.04, priced_on: 2026-01-01},
      not_after: 2026-08-16, successor: new}
new: {adapter: a, model: m2, title: New, roles: [final], price: {usd: 0.05, priced_on: 2026-01-01}}
"""


@pytest.fixture(scope="module")
def checked_in() -> Registry:
    return load_registry()


def load(tmp_path: Path, text: str) -> Registry:
    path = tmp_path / "registry.yaml"
    path.write_text(text)
    return load_registry(path)


def test_every_successor_chain_ends_with_an_engine_that_lives_today(checked_in: Registry) -> None:
    for entry in checked_in:
        assert checked_in.resolve(entry.name, today=TODAY).alive(TODAY), entry.name


def test_the_engines_of_the_brief_are_all_there(checked_in: Registry) -> None:
    brief = {
        "layout",
        "http_render",
        "sd3.5_local",
        "sd3.5_medium",
        "imagen4_remote",
        "imagen4_ultra",
        "dalle3_hd",
        "ideogram_v2a_turbo",
    }
    assert brief <= set(checked_in.names)


def test_the_dead_models_are_followed_by_others(checked_in: Registry) -> None:
    day = dt.date(2026, 11, 23)
    for name in ("imagen4_remote", "imagen4_ultra", "dalle3_hd"):
        assert checked_in.resolve(name, today=day).name != name


def test_every_hosted_engine_has_a_price_and_a_key_to_set(checked_in: Registry) -> None:
    hosted = [entry for entry in checked_in if entry.price.per == "image"]
    assert hosted
    for entry in hosted:
        assert entry.price.list_usd(1024, 1024) > 0, entry.name
        assert entry.key_env, entry.name


def test_an_engine_lives_through_its_last_day_and_not_one_more(tmp_path: Path) -> None:
    registry = load(tmp_path, GOOD)
    assert registry.resolve("old", today=dt.date(2026, 8, 16)).name == "old"
    assert registry.resolve("old", today=dt.date(2026, 8, 17)).name == "new"
    assert registry.get("old").days_left(dt.date(2026, 8, 6)) == 10
    assert registry.get("new").days_left(TODAY) is None


def test_an_engine_that_ended_without_a_successor_says_when(tmp_path: Path) -> None:
    registry = load(tmp_path, GOOD.replace(", successor: new", ""))
    with pytest.raises(EngineGone, match=r"'old' ended on 2026-08-16 and has no successor"):
        registry.resolve("old", today=TODAY)


def test_an_unknown_name_lists_the_known_and_the_likely_one_first(checked_in: Registry) -> None:
    with pytest.raises(
        UnknownEngine, match=r"unknown 'dalle3_hq'; did you mean 'dalle3_hd'\? Known: layout, http_render"
    ):
        checked_in.get("dalle3_hq")


def test_successors_that_lead_in_a_circle_are_refused(tmp_path: Path) -> None:
    circle = GOOD.replace(
        "price: {usd: 0.05, priced_on: 2026-01-01}", "price: {priced_on: 2026-01-01}, successor: old"
    )
    with pytest.raises(RegistryError, match=r"old\.successor: comes back: old -> new -> old"):
        load(tmp_path, circle)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (GOOD.replace("successor: new", "successor: newer"), r"old\.successor: no entry 'newer'; known: old"),
        (GOOD.replace("usd: 0.04", "usd: cheap"), r"old: Expected .* at `\$\.price\.usd`; got 'cheap'"),
        (GOOD.replace("usd: 0.04", "usd: -1"), r"old: Expected `float` >= 0.* - at `\$\.price\.usd`"),
        (GOOD.replace("roles: [final]", "roles: [finish]", 1), r"old: Invalid enum value 'finish'"),
        (GOOD.replace("title: Old", "titel: Old"), r"old: .*field `(titel|title)`"),
        (GOOD.replace("not_after: 2026-08-16", "not_after: soon"), r"old: .*at `\$\.not_after`"),
        (GOOD + GOOD.strip().splitlines()[-1], r"'new' is given twice"),
        ("[1, 2]", r"must map engine names to entries; got list"),
        ("a: 3", r"a: must map fields to values; got 3"),
        ("a: [", r"registry\.yaml"),
        (
            GOOD.replace(
                "usd: 0.05,", "usd: 0.05, by_pixels: [{up_to: 20, usd: 1}, {up_to: 10, usd: 2}],"
            ),
            r"new\.price\.by_pixels: up_to must rise from step to step; got \[20, 10\]",
        ),
        (
            GOOD.replace("usd: 0.05,", "usd: 0.05, by_pixels: [{up_to: 20, usd: 1}],"),
            r"new\.sizes\.max_pixels: None has no price; price\.by_pixels ends at 20",
        ),
    ],
)  # fmt: skip
def test_a_wrong_registry_names_the_entry_and_the_field(tmp_path: Path, broken: str, message: str) -> None:
    with pytest.raises(RegistryError, match=message):
        load(tmp_path, broken)


def test_an_alias_leads_to_its_engine_which_keeps_its_own_name(checked_in: Registry) -> None:
    assert checked_in.get("local-sd3.5").name == "sd3.5_local"
    assert "local-sd3.5" not in checked_in.names
    with pytest.raises(UnknownEngine, match=r"unknown 'local-sd3'; did you mean 'local-sd3.5'\?"):
        checked_in.get("local-sd3")


@pytest.mark.parametrize("taken", ["new", "o"], ids=["a name", "an alias"])
def test_two_engines_cannot_answer_to_one_name(taken: str, tmp_path: Path) -> None:
    first = GOOD.replace("title: Old,", "title: Old, aliases: [o],")
    with pytest.raises(RegistryError, match=f"new.aliases: '{taken}' is (new|old) already; use another"):
        load(tmp_path, first.replace("title: New,", f"title: New, aliases: [{taken}],"))


def test_a_larger_picture_costs_what_its_size_step_says(checked_in: Registry) -> None:
    price = checked_in.get("gemini-3.1-flash-image").price
    assert price.list_usd(512, 512) == 0.04482
    assert price.list_usd(1024, 1024) == 0.0672
    assert price.list_usd(1024, 1200) == 0.1008
    assert price.list_usd(3840, 3840) == 0.1512


def test_our_own_machines_cost_by_the_second(checked_in: Registry) -> None:
    price = checked_in.get("sd3.5_medium").price
    assert price.of(1024, 1024, 36.0, usd_per_gpu_hour=2.5, usd_per_cpu_hour=9.0) == pytest.approx(0.025)
    price = checked_in.get("layout").price
    assert price.of(1024, 1024, 36.0, usd_per_gpu_hour=9.0, usd_per_cpu_hour=0.1) == pytest.approx(0.001)


def test_a_size_the_engine_cannot_draw_is_named_with_those_it_can() -> None:
    assert Sizes(only=("1024x1024",)).objection(512, 512) == "draws no 512x512; it draws 1024x1024"
    assert "at most 100" in (Sizes(max_pixels=100).objection(16, 16) or "")
    assert "3 times" in (Sizes(max_ratio=3.0).objection(1024, 256) or "")
    assert Sizes(max_ratio=3.0, max_pixels=10**6).objection(768, 256) is None
