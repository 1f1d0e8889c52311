"""What all workers share, in a real database: counted once, decided once, explored within its share."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from inference.engines.ledger import Ledger, LedgerError, LedgerMissing
from schemas.events import PromptRef
from streams.routing.expected.deciding import Ending, Tried, learned
from streams.routing.expected.features import Features
from streams.routing.expected.keeping import Kept
from streams.routing.expected.policyfile import load_policy
from streams.routing.expected.rates import Table
from streams.routing.expected.remembering import News, Place, Taken
from tests.inference.engines.ledger.ledger_postgres import LocalPostgres, NoPostgres

POLICY = load_policy()
POSTER = Features(regions=2, characters=20, latin=True, critical_digits=False)
DENSE = Features(regions=5, characters=90, latin=True, critical_digits=True)
LOCAL, HOSTED = "sd3.5_medium", "gemini-3.1-flash-image"


@pytest.fixture(scope="module")
def postgres() -> Iterator[LocalPostgres]:
    try:
        server = LocalPostgres.start()
    except NoPostgres as error:
        pytest.skip(str(error))
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.xdist_group("postgresql"))])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "ledger.db")
    server: LocalPostgres = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def kept(address: str) -> Iterator[Kept]:
    memory = Kept(address)
    yield memory
    memory.close()


def place(id: str, ordinal: int = 0, run: str = "live") -> Place:
    return Place(PromptRef("shop", id, 0, run), ordinal)


def news(
    id: str,
    *endings: Ending,
    engine: str = HOSTED,
    emulated: bool = False,
    features: Features = POSTER,
    model: str = "a-model",
    render_id: str = "",
    run: str = "live",
    usd: float = 0.05,
) -> News:
    tries = tuple(Tried(engine, ending) for ending in endings)
    return News(
        place=place(id, len(tries) - 1, run),
        features=features,
        tries=tries,
        emulated={engine: emulated},
        model=model,
        render_id=render_id or f"picture of {id}",
        usd=usd,
    )


def taken(
    *, explored: bool = False, held: float = 0.0, engine: str = HOSTED, emulated: bool = False
) -> Taken:
    return Taken(
        step="draw", engine=engine, reason="a reason", explored=explored, held=held, emulated=emulated,
        asked="a question", policy=POLICY.label, rates="0123", seen={HOSTED: 3},
    )  # fmt: skip


def rates(kept: Kept, engine: str = HOSTED, *, emulated: bool = False) -> tuple[Table, int]:
    found = kept.snapshot(POLICY, {engine: emulated})
    return found.table, found.seen.get(engine, 0)


def in_memory(stream: Sequence[News]) -> Table:
    """The same results, learned without a database."""
    table = POLICY.table()
    for one in stream:
        table = learned(POLICY, table, one.features, one.tries)
    return table


def test_a_result_told_twice_counts_once_and_is_paid_once(kept: Kept) -> None:
    assert kept.learn(POLICY, news("1", "pass"))
    assert not kept.learn(POLICY, news("1", "pass"))
    found = kept.snapshot(POLICY, {HOSTED: False})
    assert found.seen == {HOSTED: 1}
    assert found.purse.spent == pytest.approx(0.05)
    assert found.table.counts()[HOSTED] == in_memory([news("1", "pass")]).counts()[HOSTED]


def test_what_is_kept_is_what_would_be_learned_in_memory_and_outlives_the_process(
    kept: Kept, address: str
) -> None:
    stream = [
        news("1", "far", "pass"),
        news("2", "pass", features=DENSE),
        news("3", "near"),
        news("4", "refused"),
    ]
    for one in stream:
        kept.learn(POLICY, one)
    again = Kept(address)
    told = again.snapshot(POLICY, {HOSTED: False})
    again.close()
    for features in (POSTER, DENSE):
        expected = in_memory(stream).posterior(HOSTED, features.bucket)
        found = told.table.posterior(HOSTED, features.bucket)
        # The tilt is found by Newton's method, from nothing after a restart.
        assert (found.a, found.b) == pytest.approx((expected.a, expected.b), rel=1e-3)


def test_results_of_many_workers_are_all_counted_one_after_the_other(kept: Kept, address: str) -> None:
    workers = [kept, Kept(address), Kept(address)]
    stream = [news(str(number), "pass" if number % 3 else "far") for number in range(45)]
    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(lambda n: workers[n % 3].learn(POLICY, stream[n // 2]), range(90)))
    assert sum(told) == len(stream)
    table, seen = rates(kept)
    assert seen == len(stream)
    assert kept.table_after(POLICY, {HOSTED: seen}, {HOSTED: False}).counts() == table.counts()
    for worker in workers[1:]:
        worker.close()


def test_the_rates_behind_any_decision_can_be_made_again_from_the_results(kept: Kept) -> None:
    digests = []
    for number in range(6):
        kept.learn(POLICY, news(str(number), "far" if number % 2 else "pass"))
        digests.append(kept.snapshot(POLICY, {HOSTED: False}))
    for then in digests:
        again = kept.table_after(POLICY, then.seen, {HOSTED: False})
        assert dataclasses.replace(then, table=again).digest == then.digest
    assert len({then.digest for then in digests}) == 6


def test_results_of_the_emulator_teach_nothing_of_the_real_engine(kept: Kept) -> None:
    for number in range(20):
        kept.learn(POLICY, news(str(number), "far", emulated=True))
    real, emulated = rates(kept)[0], rates(kept, emulated=True)[0]
    assert real.counts() == POLICY.table().counts()
    assert emulated.posterior(HOSTED, POSTER.bucket).mean < real.posterior(HOSTED, POSTER.bucket).mean
    assert kept.snapshot(POLICY, {HOSTED: False}).purse.spent == 0.0


def test_the_same_picture_judged_for_another_run_tells_nothing_new(kept: Kept) -> None:
    kept.learn(POLICY, news("1", "far", render_id="one"))
    assert kept.learn(POLICY, news("1", "far", render_id="one", run="replay", usd=0.0))
    assert rates(kept)[1] == 1


def test_another_model_behind_a_name_begins_with_what_was_published(kept: Kept) -> None:
    for number in range(8):
        kept.learn(POLICY, news(f"old {number}", "far", model="tiny (cpu float32; 4 steps)"))
    kept.learn(POLICY, news("gone", "failed", model=""))
    assert rates(kept)[0].posterior(HOSTED, POSTER.bucket).mean < 0.5
    kept.learn(POLICY, news("new", "pass", model="medium (cuda bfloat16; 28 steps)"))
    kept.learn(POLICY, news("newer", "pass", model="medium (cpu float32; 28 steps)"))
    table, seen = rates(kept)
    alone = in_memory([news("a", "pass"), news("b", "pass")]).posterior(HOSTED, POSTER.bucket)
    assert table.posterior(HOSTED, POSTER.bucket).mean == pytest.approx(alone.mean, rel=1e-3)
    assert kept.table_after(POLICY, {HOSTED: seen}, {HOSTED: False}).counts() == table.counts()


def test_an_engine_that_was_away_or_unknown_to_the_policy_teaches_nothing_but_is_paid(kept: Kept) -> None:
    kept.learn(POLICY, news("1", "failed"))
    kept.learn(POLICY, news("2", "pass", engine="an engine of tomorrow"))
    assert rates(kept)[1] == 0
    assert kept.snapshot(POLICY, {HOSTED: False}).purse.spent == pytest.approx(0.10)


def test_a_picture_without_words_teaches_nothing_about_spelling(kept: Kept) -> None:
    kept.learn(POLICY, news("1", "pass", features=dataclasses.replace(POSTER, regions=0, characters=0)))
    assert rates(kept)[0].counts() == POLICY.table().counts()


def test_a_decision_is_made_once_and_the_purse_is_booked_once(kept: Kept, address: str) -> None:
    kept.learn(POLICY, news("paid", "pass", usd=10.0))
    mine, theirs = taken(explored=True, held=0.06), taken(explored=True, held=0.05, engine=LOCAL)
    assert kept.keep(POLICY, place("1"), mine) == mine
    again = Kept(address)
    assert again.keep(POLICY, place("1"), theirs) == mine
    assert again.recall(place("1")) == mine
    assert again.recall(place("1", run="replay")) is None
    assert again.snapshot(POLICY, {HOSTED: False}).purse.explored == pytest.approx(0.06)
    again.close()


def test_exploring_never_passes_its_share_however_many_try_at_once(kept: Kept, address: str) -> None:
    """$10 spent, 3 % of it is $0.30: five pictures of $0.06 fit, to the micro-dollar."""
    kept.learn(POLICY, news("paid", "pass", usd=10.0))
    workers = [kept, Kept(address), Kept(address), Kept(address)]

    def explore(number: int) -> bool:
        decision = taken(explored=True, held=0.06)
        return workers[number % 4].keep(POLICY, place(str(number)), decision) is not None

    with ThreadPoolExecutor(8) as pool:
        drawn = list(pool.map(explore, range(40)))
    assert POLICY.exploration.share == 0.03
    assert sum(drawn) == 5
    assert kept.snapshot(POLICY, {HOSTED: False}).purse.explored == pytest.approx(0.30)
    refused = [number for number, found in enumerate(drawn) if not found]
    assert all(kept.recall(place(str(number))) is None for number in refused)
    for worker in workers[1:]:
        worker.close()


def test_the_emulator_s_money_is_no_money_to_explore_with(kept: Kept) -> None:
    kept.learn(POLICY, news("paid", "pass", usd=10.0, emulated=True))
    assert kept.keep(POLICY, place("1"), taken(explored=True, held=0.06)) is None
    assert kept.keep(POLICY, place("1"), taken(explored=True, held=0.06, emulated=True)) is not None


def test_it_lives_beside_the_ledger_and_neither_minds_the_other(kept: Kept, address: str) -> None:
    Ledger.open(address).close()
    kept.learn(POLICY, news("1", "pass"))
    Ledger.open(address).close()
    assert rates(kept)[1] == 1


def test_names_that_no_database_takes_are_kept_as_escapes(kept: Kept) -> None:
    strange = dataclasses.replace(news("1", "pass"), place=Place(PromptRef("a\0b", "\ud800"), 0))
    assert kept.learn(POLICY, strange)
    assert not kept.learn(POLICY, strange)


def test_a_look_makes_nothing(tmp_path: Path) -> None:
    absent = Kept(str(tmp_path / "none.db"))
    with pytest.raises(LedgerMissing, match="nothing was routed by expected cost yet"):
        absent.look()
    assert list(tmp_path.iterdir()) == []
    absent.close()


def test_tables_of_a_newer_program_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    first = Kept(str(file))
    first.open()
    first.close()
    with sqlite3.connect(file) as connection:
        connection.execute("INSERT INTO routing_schema VALUES (99)")
    connection.close()
    with pytest.raises(LedgerError, match="version 99, and this glyphstream knows 1"):
        Kept(str(file)).open()
