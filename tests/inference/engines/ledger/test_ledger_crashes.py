"""A worker that is killed at any step loses no call and doubles none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from inference.engines.ledger import Ledger
from inference.engines.ledger.reporting import audit, report, waiting
from tests.inference.engines.ledger.ledger_provider import Provider


@pytest.mark.slow
def test_a_kill_at_any_step_neither_loses_nor_doubles_a_call(address: str, tmp_path: Path) -> None:
    provider = Provider(tmp_path / "charges")
    command = [
        sys.executable,
        "-m",
        "tests.inference.engines.ledger.ledger_crashes",
        address,
        str(provider.file),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2_000:]
    told = json.loads(ended.stdout)
    assert told["kills"] > told["jobs"] > 30, told
    ledger = Ledger.open(address, create=False)
    charged, held = provider.times_charged(), waiting(ledger.database)
    (line,) = report(ledger.database, by=())

    assert set(charged.values()) == {1}, "no job is paid twice"
    assert line.images + line.unknown == told["jobs"], "every job has its picture, or waits for a person"
    assert line.under_way == 0
    assert line.settled + sum(row.committed for row in held if charged[row.job]) == sum(
        micros for _, micros in provider.charges()
    ), "the provider's bill is ours"
    assert {int(row.call.ref.id) % 2 for row in held} == {0}, "where the provider can be asked, nobody waits"
    assert {charged[row.job] for row in held} == {0, 1}, "held both before and after the charge"
    assert audit(ledger.database) == ()
    ledger.close()
