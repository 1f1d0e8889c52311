from pathlib import Path

import pytest

from schemas.events import Text
from streams.routing.expected.features import BUCKETS, Bucket, features_of
from streams.routing.expected.policyfile import POLICY_PATH, PolicyFileError, load_policy


def changed(tmp_path: Path, old: str, new: str) -> Path:
    text = POLICY_PATH.read_text("utf-8")
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {POLICY_PATH.name}"
    path = tmp_path / "policy.yaml"
    path.write_text(text.replace(old, new), "utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("attempts: 4", "attempts: 40", r"<= 7 - at `\$.attempts`; it says 40"),
        ("person_usd: 1.50", "person_usd: -1", r">= 0.0 - at `\$.prices.person_usd`; it says -1"),
        ("way: thompson", "way: gut", r"'gut' - at `\$.exploration.way`"),
        ("share: 0.03", "share: 0.9", r"<= 0.5 - at `\$.exploration.share`; it says 0.9"),
        ("memory: 1000", "memroy: 1000", "memroy"),
        ("alarm: 8", "alarm: 0", r">= 2.0 - at `\$.learning.alarm`; it says 0"),
        ("passes_wrong: 0.025", "passes_wrong: 0.7", r"gate.passes_wrong`; it says 0.7"),
        ("odds: 6.0", "odds: 0.5", r">= 1.0 - at `\$.evidence.odds`; it says 0.5"),
        ("middle: 2.7, dense", "dense", "rates.texts: says nothing of middle"),
        ("engine: layout", "engine: sd3.5_medium", "'sd3.5_medium' composes; take it out"),
        ("name: expected", "name: expected\nname: other", "'name' is given twice; keep one"),
        ("name: expected", "name: [", "while parsing"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told_by_field_value_and_fix(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(PolicyFileError, match=told):
        load_policy(changed(tmp_path, old, new))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyFileError, match=r"none\.yaml: cannot be read"):
        load_policy(tmp_path / "none.yaml")


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.yaml"
    path.write_text("- 1\n")

    with pytest.raises(PolicyFileError, match="must map fields to values; got list"):
        load_policy(path)


def test_published_rates_fall_with_more_text_and_with_digits() -> None:
    policy = load_policy()
    for engine in policy.engines:
        for latin in (True, False):
            rates = [
                policy.published_in(engine, Bucket(load, latin, True))
                for load in ("light", "middle", "dense")
            ]
            assert rates == sorted(rates, reverse=True)
        light = Bucket("light", True, False), Bucket("light", True, True)
        assert policy.published_in(engine, light[0]) > policy.published_in(engine, light[1])


def test_every_engine_has_a_rate_in_every_bucket_and_a_source() -> None:
    policy = load_policy()
    table = policy.table()

    assert set(table.engines) == {*policy.engines, policy.compose.engine}
    assert all(0 < table.prior(name, bucket) < 1 for name in table.engines for bucket in BUCKETS)
    assert all(engine.source.strip() for engine in policy.engines.values())


def test_every_engine_of_the_policy_is_in_the_registry() -> None:
    from inference.engines.registry import load_registry

    policy = load_policy()

    assert {*policy.engines, policy.compose.engine} <= set(load_registry().names)


def test_the_text_trained_engine_is_held_for_better_wherever_its_untrained_twin_can_draw() -> None:
    policy = load_policy()

    for bucket in BUCKETS:
        plain, trained = (policy.published_in(name, bucket) for name in ("sd3.5_medium", "sd3.5_medium_text"))
        assert trained > plain if bucket.latin else trained >= plain
    assert policy.engines["sd3.5_medium_text"].seconds == policy.engines["sd3.5_medium"].seconds


def test_the_dearest_tag_says_what_composing_loses() -> None:
    prices = load_policy().prices

    assert prices.composed(frozenset()) == prices.composed_usd
    assert prices.composed(frozenset({"layout-only"})) == 0
    assert prices.composed(frozenset({"layout-heavy", "stylised"})) == prices.composed_by_tag["stylised"]


@pytest.mark.parametrize(
    ("words", "bucket"),
    [
        (["OPEN LATE"], "light/latin/plain"),
        (["RUN THE CITY", "Sunday 12 April"], "light/latin/digits"),
        (["Four Strings, One Winter", "The Marlowe-Finch Quartet"], "middle/latin/plain"),
        (["a", "b", "c", "d"], "dense/latin/plain"),
        (["x" * 61], "dense/latin/plain"),
        (["夏の祭り"], "light/other/plain"),
    ],
)
def test_a_prompt_is_counted_with_its_like(words: list[str], bucket: str) -> None:
    assert features_of([Text(word, critical=True) for word in words]).bucket.key == bucket


def test_digits_count_where_they_are_critical() -> None:
    assert not features_of([Text("Doors 22:00")]).critical_digits
