"""Judges a run by what lies in the logs alone, with no code of the runtime.

Every input has its outcome exactly once, in order; every commit covers only what was put out with it or
before it; dead letters are whole.
"""

from __future__ import annotations

import base64
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import orjson
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from tests.simulation.coordinator import Committed
from tests.simulation.log import Entry
from tests.simulation.scenario import Scenario, Work
from tests.simulation.stage import result_key

CODES = {
    "permanent": b"sim-permanent",
    "hopeless": b"failed",
    "good": b"failed",
    "poison": b"not-json",
    "unread": b"invalid",
    "unparsable": b"unparsable",
}


@dataclass(frozen=True, slots=True)
class History:
    """The committed logs of one run. `begins` is each input partition's first offset at its end."""

    scenario: Scenario
    inputs: Sequence[Entry]
    results: Sequence[Entry]
    letters: Sequence[Entry]
    commits: Sequence[Committed]
    begins: Mapping[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class _Input:
    """`name` is what a result of it is called. `repeats`: it must be dropped as a resend. `open`: whether it
    is worked on cannot be told, because the memory or the record itself may be gone.
    """

    entry: Entry
    work: Work
    name: str
    repeats: bool
    open: bool

    @property
    def place(self) -> tuple[int, int]:
        return self.entry.partition, self.entry.offset

    def __str__(self) -> str:
        return f"{self.work.kind} {self.name} at {self.entry.partition}@{self.entry.offset}"


def problems(history: History) -> list[str]:
    """One sentence for each broken promise; none where all were kept."""
    inputs = list(_inputs(history))
    letters: dict[tuple[int, int], list[Entry]] = defaultdict(list)
    for entry in history.letters:
        letters[_place(entry)].append(entry)
    return [
        *_results(history, inputs),
        *_letters(history, inputs, letters),
        *_order(history, inputs),
        *_commits(history, inputs, letters),
    ]


def _inputs(history: History) -> Iterator[_Input]:
    scenario = history.scenario
    latest: dict[tuple[int, str], tuple[int, Entry]] = {}
    counts: Counter[int] = Counter()
    for entry in history.inputs:
        number = int(dict(entry.headers)["x-number"])
        work = scenario.works[number]
        begin = history.begins[TopicPartition(entry.topic, entry.partition)]
        name = f"unread-{number}" if work.kind == "unread" else str(number)
        counts[entry.partition] += 1
        nth = counts[entry.partition]
        before = latest.get((entry.partition, name))
        latest[entry.partition, name] = nth, entry
        gone = entry.offset < begin
        if not scenario.remembers or before is None or not _gives_result(work):
            yield _Input(entry, work, name, False, gone)
            continue
        # The promise: so many records apart, with at most one offset between two that is none.
        far = nth - before[0] > scenario.horizon or entry.offset - before[1].offset > 2 * scenario.horizon
        gone = gone or far or before[1].offset < begin
        yield _Input(entry, work, name, not gone, gone)


def _gives_result(work: Work) -> bool:
    return work.kind not in ("poison", "unparsable")


def _results(history: History, inputs: Sequence[_Input]) -> Iterator[str]:
    """Every work once: none lost, none twice, none invented."""
    least: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for given in inputs:
        if _gives_result(given.work):
            least[given.name] += not given.repeats and not given.open
            most[given.name] += not given.repeats
    found = Counter(_result(entry)["id"] for entry in history.results)
    for name in sorted(most.keys() | found.keys()):
        if found[name] < least[name]:
            yield f"lost: {name} has {found[name]} results of {least[name]}"
        if found[name] > most[name]:
            yield f"duplicate: {name} has {found[name]} results of {most[name]}"


def _letters(
    history: History, inputs: Sequence[_Input], letters: Mapping[tuple[int, int], Sequence[Entry]]
) -> Iterator[str]:
    """Every dead letter once, whole, and beside its failed result where it has one."""
    failed = {_transaction(entry) for entry in history.results if _result(entry)["status"] == "failed"}
    by_place = {given.place: given for given in inputs}
    for place, found in letters.items():
        known = by_place.get(place)
        if known is None:
            yield f"dead letter of nothing: {place}"
            continue
        if len(found) > 1:
            yield f"duplicate: {len(found)} dead letters of {known}"
        yield from _flaws(known, found[0])
        if _gives_result(known.work) and (found[0].transaction, known.name) not in failed:
            yield f"dead letter of {known} without its failed result in the same transaction"
    for given in inputs:
        due = given.work.kind in ("poison", "unparsable", "unread") or (
            given.work.kind in ("permanent", "hopeless") and given.work.keeps_letter
        )
        if due and not given.repeats and not given.open and given.place not in letters:
            yield f"lost: no dead letter of {given}"


def _flaws(given: _Input, letter: Entry) -> Iterator[str]:
    headers = dict(letter.headers)
    entry = given.entry
    gone = given.work.kind == "unparsable"
    if not gone:
        whole = (letter.key, letter.value, letter.timestamp) == (entry.key, entry.value, entry.timestamp)
        if not whole or letter.headers[: len(entry.headers)] != entry.headers:
            yield f"dead letter of {given} differs from its record"
    expected = {
        "x-error-stage": b"sim",
        "x-error-code": CODES[given.work.kind],
        "x-original-topic": entry.topic.encode(),
        "x-original-timestamp": b"-1" if gone else b"%d" % entry.timestamp,
    }
    for name, value in expected.items():
        if headers.get(name) != value:
            yield f"dead letter of {given}: {name} is {headers.get(name)!r}, not {value!r}"
    for name in ("x-error-class", "x-error-message"):
        if not headers.get(name):
            yield f"dead letter of {given}: {name} is missing"


def _order(history: History, inputs: Sequence[_Input]) -> Iterator[str]:
    """What was written under one key comes in the order of its inputs."""
    if history.scenario.keyless:
        return
    offsets: dict[str, list[int]] = defaultdict(list)
    for given in inputs:
        offsets[given.name].append(given.entry.offset)
    keys = {given.name: result_key(given.work) for given in inputs}
    seen: Counter[str] = Counter()
    last: dict[tuple[int, bytes], int] = {}
    for entry in history.results:
        name = _result(entry)["id"]
        if name not in keys:
            continue
        if entry.key != keys[name]:
            yield f"result of {name} has the key {entry.key!r}"
        line = entry.partition, keys[name]
        nth = min(seen[name], len(offsets[name]) - 1)
        offset = offsets[name][nth]
        seen[name] += 1
        # Of several records of one name it cannot be told which was worked on.
        if offset < last.get(line, -1) and len(offsets[name]) == 1:
            yield f"order: {name} ({offset}) came after {last[line]} of its key"
        last[line] = max(offset, last.get(line, -1)) if len(offsets[name]) == 1 else last.get(line, -1)


def _commits(
    history: History, inputs: Sequence[_Input], letters: Mapping[tuple[int, int], Sequence[Entry]]
) -> Iterator[str]:
    """No commit covers what is not put out, and none goes back."""
    order = {commit.transaction: nth for nth, commit in enumerate(history.commits)}
    done: dict[str, list[int]] = defaultdict(list)
    for entry in history.results:
        done[_result(entry)["id"]].append(order.get(entry.transaction or 0, len(order)))
        if entry.transaction not in order:
            yield f"result {_result(entry)['id']} was put out without an offset"
    lines: dict[int, list[_Input]] = defaultdict(list)
    for given in inputs:
        lines[given.entry.partition].append(given)
    last: dict[TopicPartition, int] = {}
    for nth, commit in enumerate(history.commits):
        before = last.get(commit.tp, 0)
        if commit.mark.offset < before:
            yield f"commit {commit.tp.partition}@{commit.mark.offset} goes back from {before}"
        last[commit.tp] = commit.mark.offset
        finished = finished_offsets(commit.mark)
        for given in lines[commit.tp.partition]:
            covered = given.entry.offset < commit.mark.offset or given.entry.offset in finished
            # A resend is finished by being dropped, also while the first of its kind is still under way.
            if not covered or given.open or given.repeats:
                continue
            if _gives_result(given.work):
                put_out = any(at <= nth for at in done[given.name])
            else:
                found = letters.get(given.place, ())
                put_out = any(order.get(entry.transaction or 0, nth + 1) <= nth for entry in found)
            if not put_out:
                yield f"commit {commit.tp.partition}@{commit.mark.offset} covers unfinished {given}"


def finished_offsets(mark: OffsetAndMetadata) -> set[int]:
    """The bitset in a commit's metadata, `g1:BASE:BITS`, least significant bit first."""
    if not mark.metadata:
        return set()
    version, base, bits = mark.metadata.split(":")
    assert (version, int(base)) == ("g1", mark.offset), mark
    found = set()
    for number, byte in enumerate(base64.b64decode(bits)):
        found |= {mark.offset + 8 * number + bit for bit in range(8) if byte & (1 << bit)}
    return found


def _place(letter: Entry) -> tuple[int, int]:
    headers = dict(letter.headers)
    return int(headers["x-original-partition"]), int(headers["x-original-offset"])


def _transaction(entry: Entry) -> tuple[int | None, str]:
    return entry.transaction, _result(entry)["id"]


def _result(entry: Entry) -> dict[str, str]:
    found: dict[str, str] = orjson.loads(entry.value or b"{}")
    return found
