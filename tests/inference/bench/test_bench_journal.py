from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from inference.bench.details import Detail
from inference.bench.journal import Journal, JournalError, Stamp
from inference.bench.plan import Key
from inference.bench.samples import Sample
from inference.legibility.base import Line
from schemas.events import Attempt, Legibility, TextReading
from tests.inference.bench.scripted import STAMP

DIGEST = "0" * 64


def kept(seed: int) -> tuple[Key, Detail]:
    sample = Sample(
        engine="pen",
        prompt="p",
        digest=DIGEST,
        sample=0,
        seed=seed,
        outcome="rendered",
        accepted=None,
        score=0.5,
    )
    reading = Legibility(
        score=0.5,
        recall=0.5,
        precision=1.0,
        critical_exact=False,
        texts=(TextReading(text="ÉTÉ 50 %", verdict="missed", read="ETE 50"),),
    )
    line = Line("ETE 50", 0.9, ((0.0, 0.5), (9.0, 0.5), (9.0, 4.0), (0.0, 4.0)), "scripted 1")
    attempt = Attempt(ordinal=0, purpose="final", engine="pen", outcome="rendered", legibility=reading)
    detail = Detail(sample=sample, legibility=reading, lines=(line,), attempts=(attempt,))
    return Key("pen", "m", DIGEST, seed), detail


def written(path: Path, count: int = 3) -> dict[Key, Detail]:
    details = dict(kept(seed) for seed in range(count))
    with Journal(path, STAMP) as journal:
        for key, detail in details.items():
            journal.add(key, detail, 0.25)
    return details


def test_what_was_added_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    details = written(tmp_path / "deep" / "j")
    with Journal(tmp_path / "deep" / "j", STAMP) as journal:
        assert dict(journal.details) == details
        assert journal.paid == 0.75


def test_a_journal_cut_anywhere_keeps_every_whole_line_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "j"
    details = written(path)
    whole = path.read_bytes()
    ends = [at for at, byte in enumerate(whole, 1) if byte == ord("\n")]
    for cut in {*range(0, len(whole), 37), *ends, *(end - 1 for end in ends)}:
        path.write_bytes(whole[:cut])
        left = max(0, sum(end <= cut for end in ends) - 1)
        with Journal(path, STAMP) as journal:
            assert list(journal.details) == list(details)[:left]
            for key in list(details)[left:]:
                journal.add(key, details[key], 0.25)
        assert path.read_bytes() == whole


def test_a_last_line_that_is_cut_off_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "j"
    details = written(path)
    with path.open("ab") as file:
        file.write(b"\0\0\0\0")
    with Journal(path, STAMP) as journal:
        assert dict(journal.details) == details


@pytest.mark.parametrize("line", [b"\0\0\0\0\n", b'{"key": 1, "paid": 4.0}\n'])
def test_a_whole_last_line_that_cannot_be_read_is_named_and_kept(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "j"
    written(path)
    with path.open("ab") as file:
        file.write(line)
    before = path.read_bytes()
    with pytest.raises(JournalError, match=r"j, line 5: .*; delete the line, or give --fresh"):
        Journal(path, STAMP)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"notes of mine\n", b"notes of mine", b"[1, 2]\n", b"\n"])
def test_somebody_elses_file_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "j"
    path.write_bytes(content)
    with pytest.raises(JournalError, match="give another --out"):
        Journal(path, STAMP)
    assert path.read_bytes() == content


def test_a_spoilt_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "j"
    written(path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"spoilt\n", *lines[2:]]))
    with pytest.raises(JournalError, match=r"j, line 3: .*--fresh"):
        Journal(path, STAMP)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("score_version", "another-score", "score_version: was 'scripted-score', is 'another-score' now"),
        ("readers", ("other 2",), r"readers: was \('scripted 1',\), is \('other 2',\) now"),
        ("machine", "a faster one", "machine: was 'two cores'"),
        ("accept", {"score": 0.5}, "accept: was {'score': 0.85}"),
    ],
)
def test_a_journal_of_other_conditions_is_refused_with_the_way_out(
    tmp_path: Path, field: str, value: object, told: str
) -> None:
    written(tmp_path / "j")
    before = (tmp_path / "j").read_bytes()
    with pytest.raises(JournalError, match=f"{told}.*--fresh.*--out"):
        Journal(tmp_path / "j", msgspec.structs.replace(STAMP, **{field: value}))
    assert (tmp_path / "j").read_bytes() == before


@pytest.mark.parametrize("head", [b"{}", b'{"format": "glyphstream.bench.v1"}'])
def test_another_file_is_no_journal(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "j").write_bytes(head + b"\n")
    with pytest.raises(JournalError, match=r"format: must be 'glyphstream.bench-journal.v1'"):
        Journal(tmp_path / "j", STAMP)


def test_a_head_of_this_format_that_lacks_a_field_is_refused(tmp_path: Path) -> None:
    told = msgspec.json.decode(msgspec.json.encode(STAMP))
    (tmp_path / "j").write_bytes(msgspec.json.encode({**told, "readers": 3}) + b"\n")
    with pytest.raises(JournalError, match="its first line lacks"):
        Journal(tmp_path / "j", STAMP)


def test_fresh_begins_anew_and_keeps_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "j"
    written(path)
    old = path.read_bytes()
    other: Stamp = msgspec.structs.replace(STAMP, machine="another")
    with Journal(path, other, fresh=True) as journal:
        assert not journal.details
    assert (tmp_path / "j.old").read_bytes() == old
    with Journal(path, other) as journal:
        assert not journal.details


def test_no_old_journal_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "j"
    for _ in range(3):
        Journal(path, STAMP, fresh=True).close()
        written(path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["j", "j.old", "j.old2"]


def test_two_benches_never_write_one_journal(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", STAMP), pytest.raises(JournalError, match="another bench writes it"):
        Journal(tmp_path / "j", STAMP)
    Journal(tmp_path / "j", STAMP).close()


def test_a_warm_up_drawn_again_replaces_the_first(tmp_path: Path) -> None:
    key, detail = kept(1)
    _, other = kept(2)
    with Journal(tmp_path / "j", STAMP) as journal:
        journal.add(key, detail, 0.1)
        journal.add(key, other, 0.1)
    with Journal(tmp_path / "j", STAMP) as journal:
        assert dict(journal.details) == {key: other}
        assert journal.paid == pytest.approx(0.2)


def test_what_was_asked_for_and_never_came_counts_with_its_price(tmp_path: Path) -> None:
    (lost, _), (came, detail) = kept(1), kept(2)
    with Journal(tmp_path / "j", STAMP) as journal:
        for key in (lost, came, lost):
            journal.intend(key, 0.25)
        journal.add(came, detail, 0.04)
        assert journal.paid == pytest.approx(0.54)
    with Journal(tmp_path / "j", STAMP) as journal:
        assert journal.paid == pytest.approx(0.54)
        assert dict(journal.details) == {came: detail}
        journal.add(lost, detail, 0.05)
        assert journal.paid == pytest.approx(0.34)


@contextlib.contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes: as on a full disk, a write takes what fits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_an_error_and_leaves_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "j"
    details = written(path)
    whole = path.read_bytes()
    key, detail = kept(9)
    with Journal(path, STAMP) as journal:
        with disk_of(len(whole) + 40), pytest.raises(OSError, match="too large"):
            journal.add(key, detail, 0.25)
        assert path.read_bytes() == whole
        assert dict(journal.details) == details
        journal.add(key, detail, 0.25)
    with Journal(path, STAMP) as journal:
        assert dict(journal.details) == {**details, key: detail}
