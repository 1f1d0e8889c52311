"""What interrupted runs have cost counts, and what they have drawn is not taken for today's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from inference.bench.journal import Journal
from inference.bench.running import NotBegun, run
from schemas.events import Spec
from tests.inference.bench.scripted import STAMP, ScriptedEngine, as_asked, hosted, posters, setup_of

LIVE = {"PEN_KEY": "k"}
PAID = {"pen": hosted("pen", 0.04)}


class PulledPlug(BaseException):
    """Ends a run as Ctrl-C does, while a picture is under way."""


def unplugged_after(pictures: int) -> ScriptedEngine:
    def script(spec: Spec) -> Sequence[str]:
        if len(engine.drawn) > pictures:
            raise PulledPlug
        return as_asked(spec)

    engine = ScriptedEngine(script, usd=0.04)
    return engine


async def test_interrupted_runs_together_stay_within_the_budget(tmp_path: Path) -> None:
    """Each run warms up, draws one picture and is cut off in its next, which may be billed."""
    engines = []
    for spent in (0.12, 0.24):
        engines.append(unplugged_after(2))
        setup = setup_of({"pen": engines[-1]}, posters(3), entries=PAID, environ=LIVE, max_usd=0.4)
        with Journal(tmp_path / "j", STAMP) as journal:
            with pytest.raises(PulledPlug):
                await run(setup, journal=journal)
            assert journal.paid == pytest.approx(spent)
    last = ScriptedEngine(as_asked, usd=0.04)
    setup = setup_of({"pen": last}, posters(3), entries=PAID, environ=LIVE, max_usd=0.4)
    with Journal(tmp_path / "j", STAMP) as journal, pytest.raises(NotBegun, match=r"cost \$0.24, which"):
        await run(setup, journal=journal)
    assert 0.04 * sum(len(each.drawn) for each in engines) == pytest.approx(0.24)


async def test_what_costs_nothing_leaves_no_trace_of_being_asked_for(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", STAMP) as journal:
        await run(setup_of({"pen": as_asked}, posters(2), warm_up=0), journal=journal)
    assert len((tmp_path / "j").read_bytes().splitlines()) == 1 + 4


async def test_a_gate_over_nothing_but_kept_pictures_is_refused(tmp_path: Path) -> None:
    """As after a change of the engine without --fresh: the old pictures would pass for the new ones."""
    setup = setup_of({"pen": as_asked}, posters(2), samples=1)
    gated = replace(setup, gated=True)
    with Journal(tmp_path / "j", STAMP) as journal:
        assert (await run(gated, journal=journal)).kept == 0
    with Journal(tmp_path / "j", STAMP) as journal:
        assert (await run(setup, journal=journal)).kept == 2
        with pytest.raises(
            NotBegun, match=r"--fail-if: all 2 pictures are in .*j from an earlier run.*--fresh"
        ):
            await run(gated, journal=journal)
        more = await run(replace(gated, samples=2), journal=journal)
    assert more.kept == 2
    assert more.report.engines[0].figures.samples == 4
