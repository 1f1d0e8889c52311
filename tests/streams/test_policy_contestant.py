"""Policies in the bench, over scripted engines and a scripted reader."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from inference.assets import AssetStore, StoreFailed
from inference.bench.asking import from_text
from inference.bench.engine import EngineContestant, Studio
from inference.bench.plan import Draw
from inference.bench.running import NotBegun, run
from inference.bench.samples import Subject
from inference.engines.base import Refused, Transient, Unsupported
from inference.engines.registry import Resolved, load_registry
from inference.render import RenderService
from inference.spending import Spending
from schemas.events import PromptEvent, PromptRef, Spec
from streams.policy_contestant import PolicyContestant
from streams.routing.expected.advising import Advisor
from streams.routing.expected.offering import OursPerHour, can_read, offers_here
from streams.routing.expected.policyfile import load_policy
from streams.routing.expected.remembering import Forgetful
from streams.routing.policy import POLICIES
from tests.inference.bench.scripted import (
    READER,
    PixelReader,
    Pool,
    ScriptedEngine,
    as_asked,
    hosted,
    posters,
    setup_of,
    studio_of,
)

LIVE = {"PEN_KEY": "k"}
HOSTED = ("imagen4_remote", "imagen4_ultra", "dalle3_hd", "ideogram_v2a_turbo")


def wrong(_spec: Spec) -> Sequence[str]:
    return ["NO SUCH WORDS HERE"]


def near(_spec: Spec) -> Sequence[str]:
    return ["OPEN LAXE"]


def studio(
    environ: Mapping[str, str] | None = None, **scripts: Any
) -> tuple[Studio, dict[str, ScriptedEngine]]:
    """Every engine of the policies; those not scripted draw what they are asked."""
    registry = load_registry()
    engines = {
        entry.name: ScriptedEngine(
            scripts.get(entry.name.replace(".", "_"), as_asked),
            usd=0.04 if entry.name in HOSTED else 0.001,
            by_construction=entry.name == "layout",
        )
        for entry in registry
    }
    entries = {name: hosted(name) for name in HOSTED}
    return studio_of(Pool(engines, entries), environ=environ), engines


def contestant(name: str, made: Studio) -> PolicyContestant:
    return PolicyContestant(POLICIES[name], made, load_registry())


PREVIEWED = replace(posters(1)[0], fast_preview=True)
PRECISE = replace(posters(1)[0], requires_typography_precision=True)


def draw_of(event: PromptEvent, name: str) -> Draw:
    return Draw(f"policy:{name}", Subject.of(event), sample=2, seed=77)


async def drawn(name: str, event: PromptEvent, made: Studio) -> Any:
    return await contestant(name, made).draw(event, draw_of(event, name))


async def test_a_preview_that_passes_is_the_sample() -> None:
    made, engines = studio()
    detail = await drawn("hybrid", PREVIEWED, made)
    assert [attempt.engine for attempt in detail.attempts] == ["sd3.5_medium"]
    assert (detail.sample.engine, detail.sample.seed, detail.sample.sample) == ("policy:hybrid", 77, 2)
    assert detail.sample.accepted is True
    assert engines["sd3.5_medium"].drawn[0].seed == 77
    assert [line.text for line in detail.lines] == ["OPEN LATE"]


async def test_what_all_attempts_took_and_cost_is_the_samples() -> None:
    made, _ = studio(sd3_5_medium=near)
    detail = await drawn("hybrid", PREVIEWED, made)
    engines = [attempt.engine for attempt in detail.attempts]
    assert engines == ["sd3.5_medium", "sd3.5_medium", "imagen4_remote"]
    assert detail.sample.seconds == 3.0
    assert detail.sample.usd_hosted == pytest.approx(0.04)
    assert detail.sample.usd_infrastructure == pytest.approx(0.002)
    assert detail.sample.score == 1.0
    assert detail.sample.accepted is True


async def test_the_shown_lines_are_those_of_the_finals_picture() -> None:
    def unable(_spec: Spec) -> Sequence[str]:
        raise Unsupported("does not fit")

    made, _ = studio(imagen4_remote=near, imagen4_ultra=wrong, layout=unable)
    detail = await drawn("hybrid", PRECISE, made)
    assert [attempt.engine for attempt in detail.attempts] == ["imagen4_remote", "imagen4_ultra", "layout"]
    assert detail.sample.image == detail.attempts[0].pictures.image.uri
    assert detail.legibility == detail.attempts[0].legibility
    assert [line.text for line in detail.lines] == ["OPEN LAXE"]
    assert detail.sample.accepted is False


async def test_each_policy_goes_its_own_way() -> None:
    went = {}
    for name in POLICIES:
        made, _ = studio()
        detail = await drawn(name, PREVIEWED, made)
        went[name] = [attempt.engine for attempt in detail.attempts]
    assert went == {
        "hybrid": ["sd3.5_medium"],
        "local-first": ["sd3.5_medium", "imagen4_remote"],
        "hosted-first": ["imagen4_ultra"],
    }


async def test_a_refusal_by_all_is_a_sample_without_a_picture() -> None:
    def refusing(_spec: Spec) -> Sequence[str]:
        raise Refused("withheld")

    scripts: Any = dict.fromkeys(HOSTED, refusing)
    made, _ = studio(**scripts)
    detail = await drawn("hosted-first", PREVIEWED, made)
    assert (detail.sample.outcome, detail.sample.accepted, detail.sample.score) == ("refused", False, None)
    assert "withheld" in detail.sample.reason


async def test_an_engine_that_does_not_answer_hands_on_at_once() -> None:
    def silent(_spec: Spec) -> Sequence[str]:
        raise Transient("no answer")

    made, _ = studio(sd3_5_medium=silent)
    detail = await drawn("hybrid", PREVIEWED, made)
    assert [attempt.outcome for attempt in detail.attempts] == ["failed", "rendered"]
    assert detail.sample.accepted is True


async def test_what_no_reader_covers_is_not_judged() -> None:
    made, _ = studio()
    detail = await drawn("hosted-first", from_text('"ОТКРЫТО"', width=64, height=64), made)
    assert (detail.sample.outcome, detail.sample.accepted) == ("rendered", None)


async def test_what_is_set_in_type_is_accepted_where_no_reader_covers_it() -> None:
    made, _ = studio()
    event = replace(from_text('"ОТКРЫТО"', width=64, height=64), tags=("layout-only",))
    assert (await drawn("hybrid", event, made)).sample.accepted is True


async def test_a_store_that_fails_is_no_engines_fault() -> None:
    class Full(AssetStore):
        async def put(self, *_picture: object, **_size: object) -> Any:
            raise StoreFailed("the disk is full")

    made, engines = studio()
    full = Full.open("memory://")
    service = type(made.service)(Pool(engines), full, no_cache=True)
    with pytest.raises(StoreFailed, match="the disk is full"):
        await drawn("hybrid", PREVIEWED, replace(made, service=service, store=full))


def test_the_most_that_a_picture_may_cost_is_what_the_policy_may_spend() -> None:
    made, _ = studio(LIVE)
    policy = contestant("hybrid", made)
    assert policy.price(PREVIEWED) == pytest.approx(2 * 0.04)
    assert policy.price(replace(PREVIEWED, budget_usd=0.05)) == 0.05
    assert policy.live == "PEN_KEY"


async def test_only_what_went_to_a_provider_is_paid() -> None:
    made, _ = studio(LIVE, sd3_5_medium=near)
    policy = contestant("hybrid", made)
    detail = await policy.draw(PREVIEWED, draw_of(PREVIEWED, "hybrid"))
    assert policy.paid(PREVIEWED, detail) == pytest.approx(0.04)
    emulated = replace(detail, attempts=tuple(replace(each, emulated=True) for each in detail.attempts))
    assert policy.paid(PREVIEWED, emulated) == 0.0


def test_other_engines_behind_a_policy_are_another_model() -> None:
    made, engines = studio()
    gone = {name: engine for name, engine in engines.items() if name != "dalle3_hd"}

    class Fewer(Pool):
        def resolve(self, name: str) -> Any:
            found = super().resolve(name)
            return replace(found, model="another") if name not in self.engines else found

    fewer = replace(made, engines=Fewer(gone))
    assert contestant("hybrid", made).model == contestant("hybrid", made).model
    assert contestant("hybrid", made).model != contestant("hybrid", fewer).model
    assert contestant("hybrid", made).model.startswith("hybrid-1 (")


async def test_policies_and_engines_are_compared_in_one_run() -> None:
    made, _ = studio(sd3_5_medium=near)
    events = [replace(event, fast_preview=True) for event in posters(3)]
    setup = replace(
        setup_of({}, events),
        contestants=[EngineContestant("sd3.5_medium", made), contestant("hybrid", made)],
        readers=(READER,),
    )
    local, hybrid = (await run(setup)).report.engines
    assert (local.figures.accepted_samples, hybrid.figures.accepted_samples) == (0, 6)
    assert [s.seed for s in local.samples if not s.warm_up] == [
        s.seed for s in hybrid.samples if not s.warm_up
    ]


async def test_a_policy_with_a_live_key_wants_a_budget() -> None:
    made, engines = studio(LIVE)
    setup = replace(setup_of({}, posters(2)), contestants=[contestant("hybrid", made)])
    with pytest.raises(NotBegun, match=r"policy:hybrid \(key in PEN_KEY\)"):
        await run(setup)
    assert not any(engine.drawn for engine in engines.values())


async def test_a_reader_without_an_answer_leaves_the_final_unjudged() -> None:
    class Dead(PixelReader):
        async def read(self, _png: bytes) -> Any:
            raise ValueError("no picture")

    made, _ = studio()
    detail = await drawn("hosted-first", PREVIEWED, replace(made, ocr=Dead()))
    assert (detail.sample.outcome, detail.sample.accepted, detail.lines) == ("rendered", None, ())


async def test_contestants_that_ask_the_same_of_one_engine_are_each_drawn_for(tmp_path: Path) -> None:
    @dataclass
    class Paid(Pool):
        def most_usd(self, _resolved: Resolved, _spec: Spec) -> float | None:
            return 0.04

    pen = ScriptedEngine(as_asked, usd=0.04)
    pool = Paid(defaultdict(lambda: pen), {name: hosted(name) for name in HOSTED})
    made = studio_of(pool)
    spending = Spending.open(str(tmp_path / "ledger.db"))
    made = replace(made, service=RenderService(pool, made.store, no_cache=True, spending=spending))
    for name in ("hybrid", "hosted-first"):
        detail = await drawn(name, PRECISE, made)
        assert (detail.sample.outcome, detail.sample.usd_hosted) == ("rendered", 0.04)
        assert [attempt.engine for attempt in detail.attempts] == ["imagen4_remote"]
    engine = EngineContestant("imagen4_remote", made)
    detail = await engine.draw(PRECISE, draw_of(PRECISE, "hybrid"))
    assert (detail.sample.outcome, detail.sample.usd_hosted) == ("rendered", 0.04)
    assert len(pen.drawn) == 3
    await spending.aclose()


def test_a_run_is_no_longer_than_an_event_may_name() -> None:
    made = studio()[0].run_of("n" * 300)
    assert msgspec.convert({"source": "s", "id": "1", "run": made}, PromptRef).run == made


async def test_expected_costs_are_reckoned_from_what_is_published() -> None:
    made, _ = studio(sd3_5_medium_text=wrong)
    offers = offers_here(load_policy(), made.engines, OursPerHour(gpu=3.0, cpu=0.05))
    advisor = Advisor(load_policy(), Forgetful(), offers, can_read(made.ocr.coverage))
    one = PolicyContestant(advisor, made, load_registry())
    first = await one.draw(PREVIEWED, draw_of(PREVIEWED, "expected"))
    again = await one.draw(PREVIEWED, draw_of(PREVIEWED, "expected"))
    went = [attempt.engine for attempt in first.attempts]
    assert went[0] == "sd3.5_medium_text"
    assert went == [attempt.engine for attempt in again.attempts]
    assert first.sample.engine == "policy:expected"
    assert first.sample.accepted is True
    assert one.price(PREVIEWED) > 0
