"""The chaos's own parts: a checker that cannot fail would prove nothing."""

from __future__ import annotations

import collections
from pathlib import Path

import pytest

from tests.chaos.checker import Ledger
from tests.chaos.history import History
from tests.chaos.plan import counts_for, plan
from tests.chaos.report import put_section
from tests.chaos.run import command_of, parser, prepare
from tests.chaos.workload import (
    RESEND_WITHIN,
    Workload,
    kind,
    number_of_letter,
    owed,
    value,
)

WORKLOAD = Workload(2_000, keys=20, partitions=4)
GOOD = [number for number in range(2_000) if kind(number) == "good"]


def full_ledger(skip: frozenset[int] = frozenset()) -> Ledger:
    ledger = Ledger(WORKLOAD)
    for number in range(WORKLOAD.events):
        if number not in skip and kind(number) != "unreadable":
            ledger.result(number)
        if kind(number) != "good":
            ledger.letter(number)
    return ledger


def test_a_ledger_with_each_thing_owed_once_and_in_order_is_clean() -> None:
    verdict = full_ledger().verdict()
    assert verdict.clean
    assert (verdict.results, verdict.letters) == (owed(2_000).results, owed(2_000).letters)


def test_a_missing_result_is_lost() -> None:
    verdict = full_ledger(frozenset({GOOD[7]})).verdict()
    assert (verdict.lost, verdict.duplicates, verdict.clean) == (1, 0, False)


def test_a_second_result_is_a_duplicate_and_no_inversion() -> None:
    ledger = full_ledger()
    ledger.result(GOOD[7])
    verdict = ledger.verdict()
    assert (verdict.lost, verdict.duplicates, verdict.inversions, verdict.clean) == (0, 1, 0, False)


def test_a_first_result_after_a_later_one_of_its_key_is_an_inversion() -> None:
    ledger = full_ledger(frozenset({GOOD[7]}))
    ledger.result(GOOD[7])
    verdict = ledger.verdict()
    assert (verdict.lost, verdict.inversions, verdict.clean) == (0, 1, False)


def test_dead_letters_that_are_missing_double_or_of_good_events_are_found() -> None:
    refused, second = [number for number in range(2_000) if kind(number) != "good"][:2]
    ledger = Ledger(WORKLOAD)
    for number in range(WORKLOAD.events):
        if kind(number) != "unreadable":
            ledger.result(number)
        if kind(number) != "good" and number != refused:
            ledger.letter(number)
    ledger.letter(second)
    ledger.letter(GOOD[0])
    verdict = ledger.verdict()
    assert (verdict.letters_lost, verdict.letters_twice, verdict.letters_wrong) == (1, 1, 1)


def test_what_names_no_event_is_foreign() -> None:
    ledger = full_ledger()
    ledger.result(WORKLOAD.events)
    ledger.nonsense()
    assert ledger.verdict().foreign == 2


def test_the_stream_repeats_itself_and_resends_only_readable_events_to_their_own_partition() -> None:
    stream = list(WORKLOAD.stream())
    assert stream == list(WORKLOAD.stream())
    assert [number for number, again in stream if not again] == list(range(WORKLOAD.events))
    again = [number for number, again in stream if again]
    assert 20 < len(again) < 200
    assert all(kind(number) != "unreadable" for number in again)
    assert len(again) == len(set(again))
    first = {number: at for at, (number, repeated) in enumerate(stream) if not repeated}
    last = {number: at for at, (number, repeated) in enumerate(stream) if repeated}
    assert max(last[number] - first[number] for number in again) < 2 * RESEND_WITHIN


def test_a_dead_letter_names_its_event_whether_or_not_it_could_be_read() -> None:
    for wanted in ("refused", "unreadable"):
        number = next(number for number in range(2_000) if kind(number) == wanted)
        assert number_of_letter(value(3, number)) == number


def test_a_plan_has_what_was_asked_for_and_the_seed_decides_the_rest() -> None:
    counts = counts_for(20)
    actions = plan(1, counts, 0.5)
    assert collections.Counter(action.kind for action in actions) == collections.Counter(counts)
    assert actions == plan(1, counts, 0.5)
    assert actions != plan(2, counts, 0.5)


def test_a_history_cut_short_in_a_line_is_read_up_to_it(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    history.note("session")
    history.note("kill", "w0001")
    with (tmp_path / "history.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"at": "2026')
    assert history.counts() == {"session": 1, "kill": 1}


def test_a_section_is_replaced_and_the_others_stay(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    put_section(page, "One", "first")
    put_section(page, "Two", "second")
    put_section(page, "One", "third\n\n| a | b |")
    assert page.read_text("utf-8") == (
        "# Reliability, measured\n\n## One\n\nthird\n\n| a | b |\n\n## Two\n\nsecond\n"
    )


def test_a_run_is_named_by_the_command_that_repeats_it(tmp_path: Path) -> None:
    given = [
        "--events",
        "500",
        "--kills",
        "3",
        "--control",
        "one-id-per-worker",
        "--out",
        str(tmp_path / "out"),
    ]
    folder, settings = prepare(parser().parse_args(given))
    command = command_of(settings)
    assert command == (
        "python -m tests.chaos.run --events 500 --kills 3 --seed 1 --control one-id-per-worker"
    )
    assert prepare(parser().parse_args(["--resume", str(folder)])) == (folder, settings)


def test_a_folder_without_a_run_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="name the --out of an earlier run"):
        prepare(parser().parse_args(["--resume", str(tmp_path)]))
