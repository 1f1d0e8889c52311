"""The start-up cache is an optimisation: a broker starts where none can be made."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.broker import warmup
from streams.broker.errors import BrokerError
from streams.broker.jars import kafka_folder, pinned_jars
from streams.broker.launch import Runtime


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own whose jars need no download."""
    monkeypatch.setenv("GLYPHSTREAM_CACHE", str(tmp_path))
    monkeypatch.setattr(warmup, "fetch_jars", lambda folder, **_: (folder / pinned_jars()[0].name,))
    return kafka_folder()


def test_a_trained_cache_is_used_and_not_trained_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warmup, "train", lambda _runtime, path: path.write_bytes(b"classes"))
    first = warmup.prepare()
    monkeypatch.setattr(warmup, "train", _fail)
    assert first.startup_cache is not None
    assert first.startup_cache.parent == cache
    assert f"-XX:AOTCache={first.startup_cache}" in first.command("Main", heap_mb=64)
    assert warmup.prepare() == first


def test_failed_training_is_told_once_and_the_broker_starts_without(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warmup, "train", _fail)
    told: list[str] = []
    assert warmup.prepare(told.append).startup_cache is None
    assert warmup.prepare(told.append).startup_cache is None
    assert [message for message in told if "the JVM would not" in message] == [told[-1]]
    assert len(told) == 2
    assert cache.exists()


def _fail(_runtime: Runtime, _cache: Path) -> None:
    raise BrokerError("the JVM would not")
