"""The dollars that Prometheus is told are those that providers charged."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from inference.engines.emulator.scripts import Step
from streams.metrics import Metrics
from tests.inference.engines.provider_street import job, opened_street

LATER = dt.date(2026, 11, 24)


async def test_dollars_by_engine_are_those_that_providers_charged(tmp_path: Path) -> None:
    metrics = Metrics()
    async with opened_street(tmp_path / "ledger.db", LATER) as street:
        service = street.service(observer=metrics)
        for number, name in enumerate(("imagen4_remote", "imagen4_remote", "ideogram_v2a_turbo")):
            assert (await service.render(job(name, ref=str(number), seed=number))).outcome == "rendered"
        await service.render(job("imagen4_remote", ref="0", seed=0))
        street.emulator.scripts.add(Step(fault="withhold", charge=True))
        assert (await service.render(job("ideogram_v2a_turbo", ref="3", seed=3))).outcome == "refused"
        booked = street.booked()
        assert len(street.emulator.ledger.rows) == 4
    told = {
        engine: metrics.registry.get_sample_value("glyphstream_spend_usd_total", {"engine": engine})
        for engine in booked
    }
    assert told == {engine: pytest.approx(micros / 1_000_000) for engine, micros in booked.items()}
    refused = {
        "engine": "ideogram_v2a_turbo", "outcome": "refused", "kind": "refused_output", "emulated": "false"
    }  # fmt: skip
    assert metrics.registry.get_sample_value("glyphstream_engine_calls_total", refused) == 1
