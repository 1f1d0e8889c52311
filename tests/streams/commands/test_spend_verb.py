"""spend: what the ledger holds, told to people and to programs, and settled by a person."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from inference.engines.base import EngineError, Refused, Transient, Uncertain
from inference.engines.ledger import Answer, Begun, Call, Held, Known, Leases, Ledger, Row
from inference.engines.ledger.tables import TALLIES
from schemas.events import PromptRef
from streams.commands.spend import command
from streams.commands.verb import App

NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(file: Path) -> Iterator[Ledger]:
    # Leases that the verb, which goes by today's clock, does not find lapsed.
    opened = Ledger.open(str(file), clock=lambda: NOON, leases=Leases(answer_s=100 * 366 * 86_400))
    yield opened
    opened.close()


def call(name: str, *, emulated: bool = False) -> Call:
    return Call(
        ref=PromptRef("shop", name),
        ordinal=0,
        asked="",
        render_id="r",
        engine="gpt-image",
        model="m",
        reserve=40_000,
        campaign="spring",
        emulated=emulated,
    )


def sent(ledger: Ledger, asked: Call) -> Row:
    begun = ledger.begin(asked)
    assert isinstance(begun, Begun)
    return ledger.sent(begun.row)


def spend(file: Path, *arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, obj=App(env={"GLYPHSTREAM_LEDGER": str(file)}))


def told(file: Path, *arguments: str) -> dict[str, list[dict[str, object]]]:
    result = spend(file, "--json", *arguments)
    assert result.exit_code == 0, result.output
    answer: dict[str, list[dict[str, object]]] = json.loads(result.stdout)
    return answer


@pytest.fixture
def lost(ledger: Ledger) -> Row:
    """A ledger with a picture, a billed refusal, one under way, an emulated one, and this one, lost."""
    ledger.settle(sent(ledger, call("a")), Answer.image("file:///a.png", 39_000))
    ledger.settle(sent(ledger, call("b")), Answer.of(Refused("no", billed="billed"), charged=40_000))
    sent(ledger, call("c"))
    ledger.settle(sent(ledger, call("d", emulated=True)), Answer.image("file:///d.png", 38_000))
    error = Uncertain("no answer in [b]120 s[/b]\x1b[2J")
    return ledger.settle(sent(ledger, call("e")), Answer.of(error, charged=0, provider_id="gen-9"))


@pytest.mark.usefixtures("lost")
def test_spent_reserved_and_unknown_money_are_apart_and_emulated_money_is_too(file: Path) -> None:
    real, emulated = told(file)["lines"]
    assert (real["settled_usd"], real["reserved_usd"], real["doubtful_usd"]) == (0.079, 0.04, 0.04)
    assert (real["day"], real["campaign"], real["engine"]) == ("2026-11-23", "spring", "gpt-image")
    assert (emulated["emulated"], emulated["settled_usd"]) == (True, 0.038)


def test_what_waits_for_a_person_is_listed_with_what_it_takes_to_find_it(file: Path, lost: Row) -> None:
    (waits,) = told(file)["waiting"]
    assert (waits["call"], waits["provider_id"], waits["id"], waits["reserved_usd"]) == (
        lost.name, "gen-9", "e", 0.04,
    )  # fmt: skip
    shown = spend(file).output
    assert lost.name in shown
    assert "[b]120 s[/b]\\x1b[2J" in shown, "shown as it is, never obeyed"


@pytest.mark.usefixtures("lost")
def test_a_table_has_the_sums_at_its_foot(file: Path) -> None:
    shown = spend(file, "--by", "run,engine").output
    assert "$0.0790" in shown
    assert "Emulated: no money was spent" in shown


@pytest.mark.usefixtures("lost")
def test_only_the_days_asked_for_are_shown(file: Path) -> None:
    assert told(file, "--since", "2026-11-24")["lines"] == []
    assert len(told(file, "--since", "2026-11-23", "--until", "2026-11-23")["lines"]) == 2
    assert "nothing was spent in these days" in spend(file, "--until", "2026-11-22").output


@pytest.mark.parametrize(("usd", "again"), [("0", True), ("0.04", False)], ids=["not charged", "charged"])
def test_a_person_settles_what_nobody_else_knows(
    file: Path, ledger: Ledger, lost: Row, usd: str, again: bool
) -> None:
    assert isinstance(ledger.begin(call("e")), Held)
    result = spend(file, "settle", lost.name[:8], "--usd", usd, "--reason", "the November invoice")
    assert result.exit_code == 0, result.output
    assert told(file, "--audit")["waiting"] == []
    assert isinstance(ledger.begin(call("e")), Begun) is again


def test_a_picture_without_a_price_gets_one(file: Path, ledger: Ledger) -> None:
    row = ledger.settle(sent(ledger, call("a")), Answer.image("file:///a.png", None))
    (waits,) = told(file)["unpriced"]
    assert waits["call"] == row.name
    assert spend(file, "settle", row.name, "--usd", "0.0132").exit_code == 0
    found = told(file)
    assert (found["unpriced"], found["lines"][0]["settled_usd"], found["lines"][0]["images"]) == (
        [],
        0.0132,
        1,
    )


@pytest.mark.parametrize(
    ("error", "usd", "again"),
    [
        (Refused("no", kind="refused_prompt", billed="unknown"), "0.04", False),
        (Refused("no", kind="refused_prompt", billed="unknown"), "0", False),
        (Transient("502", billed="unknown"), "0.04", False),
        (Transient("502", billed="unknown"), "0", True),
    ],
    ids=["a refusal, charged", "a refusal, free", "a failure, charged", "a failure, free"],
)
def test_an_outcome_without_a_price_waits_for_one_and_is_sent_again_only_if_it_was_free_and_decided_nothing(
    file: Path, ledger: Ledger, error: EngineError, usd: str, again: bool
) -> None:
    row = ledger.settle(sent(ledger, call("a")), Answer.of(error, charged=40_000))
    assert ledger.begin(call("a")) == Known(row)
    found = told(file)
    assert ([each["call"] for each in found["unpriced"]], found["waiting"]) == ([row.name], [])
    assert found["lines"][0]["reserved_usd"] == 0.04
    assert spend(file, "settle", row.name, "--usd", usd, "--reason", "the bill").exit_code == 0
    found = told(file, "--audit")
    assert (found["unpriced"], found["lines"][0]["settled_usd"]) == ([], float(usd))
    begun = ledger.begin(call("a"))
    assert isinstance(begun, Begun) is again
    if not again:
        assert isinstance(begun, Known)
        assert (begun.row.state, begun.row.kind) == (row.state, row.kind)


@pytest.mark.parametrize(
    ("prompt", "refusal"), [("c", "has it under way"), ("a", "it is image at $0.039 and waits for nobody")]
)
@pytest.mark.usefixtures("lost")
def test_a_call_that_waits_for_nobody_is_left_alone(file: Path, prompt: str, refusal: str) -> None:
    result = spend(file, "settle", call(prompt).job[:16], "--usd", "0")
    assert result.exit_code == 1
    assert refusal in result.output


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (("--by", "week"), "give some of day,campaign,engine,model,run"),
        (("--by", "day,day"), "each once"),
        (("--since", "2026-11-24", "--until", "2026-11-23"), "is before --since"),
        (("--by", "day", "settle", "x", "--usd", "0"), "belongs to `spend` alone"),
        (("settle", "x", "--usd", "-1"), "'-1' is out of range"),
        (("settle", "x", "--usd", "much"), "'much' is no amount"),
    ],
    ids=["group", "twice", "days", "place", "negative", "words"],
)
def test_what_cannot_be_honoured_is_refused(file: Path, arguments: tuple[str, ...], refusal: str) -> None:
    result = spend(file, *arguments)
    assert result.exit_code == 2
    assert refusal in result.output


def test_a_ledger_that_is_not_there_is_said_and_none_is_made(file: Path) -> None:
    result = spend(file)
    assert result.exit_code == 1
    assert "there is none yet, nothing was spent" in result.output
    assert not file.exists()


@pytest.mark.usefixtures("lost")
def test_an_audit_that_fails_says_so_in_its_exit_code(file: Path, ledger: Ledger) -> None:
    assert spend(file, "--audit").exit_code == 0
    with ledger.database.writing() as connection:
        connection.execute(TALLIES.update().where(TALLIES.c.scope == "day").values(committed=1))
    result = spend(file, "--audit", "--json")
    assert result.exit_code == 1
    assert "day 2026-11-23: $0.000001 counted, $0.159 in calls" in json.loads(result.stdout)["faults"]


@pytest.mark.parametrize("settled_at_once", [True, False])
def test_a_call_whose_worker_is_gone_waits_for_a_person_though_no_worker_runs(
    file: Path, settled_at_once: bool
) -> None:
    ledger = Ledger.open(str(file), clock=lambda: NOON, leases=Leases(answer_s=60))
    row = sent(ledger, call("a"))
    if not settled_at_once:
        (waits,) = told(file)["waiting"]
        assert (waits["call"], waits["reserved_usd"]) == (row.name, 0.04)
    result = spend(file, "settle", row.name, "--usd", "0.04")
    assert (result.exit_code, result.output) == (0, f"call {row.name}: failed, $0.04\n")
    ledger.close()
