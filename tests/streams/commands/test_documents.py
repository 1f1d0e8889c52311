from __future__ import annotations

import json
from pathlib import Path

import pytest

from streams.commands.documents import Document, check, checked_or_failure, read_documents, split_documents
from streams.commands.verb import Failure

SOUND = b'{"source": "s", "id": "1", "prompt": "p"}'


def test_json_lines_keep_their_numbers_over_blank_lines() -> None:
    documents = split_documents(SOUND + b"\n\n" + SOUND.replace(b'"1"', b'"2"') + b"\n")
    assert [document.place for document in documents] == ["line 1", "line 3"]


def test_one_object_may_span_lines_and_follow_a_byte_order_mark() -> None:
    pretty = b"\xef\xbb\xbf" + json.dumps(json.loads(SOUND), indent=2).encode()
    assert [prompt.event.id for prompt in check(split_documents(pretty)).prompts] == ["1"]


def test_an_array_is_cut_into_its_own_bytes() -> None:
    documents = split_documents(b"[" + SOUND + b", " + b'{"id": 7}' + b"]")
    assert documents == (Document("item 1", SOUND), Document("item 2", b'{"id": 7}'))


def test_all_faults_of_all_lines_are_told_with_their_place_field_and_value() -> None:
    data = b'{"source": "s", "id": "1", "prompt": "p", "width": 7}\nnot json\n{"source": "s", "id": 3}'
    faults = check(split_documents(data)).faults
    assert [fault.partition(": ")[0] for fault in faults][:2] == ["line 1", "line 2"]
    assert faults[0].startswith("line 1: width: ")
    assert "7" in faults[0]
    assert {fault.split(": ")[1] for fault in faults if fault.startswith("line 3")} == {"id", "prompt"}


def test_an_unknown_field_is_a_warning_with_the_likely_name() -> None:
    checked = check(split_documents(SOUND.replace(b"}", b', "widht": 512}')))
    assert checked.faults == ()
    assert checked.warnings == ("line 1: widht (did you mean width?): unknown field, nobody reads it",)


def test_a_field_given_twice_is_a_fault() -> None:
    checked = check(split_documents(SOUND.replace(b"}", b', "prompt": "q"}')))
    assert checked.faults == ("line 1: prompt: is given twice; keep one",)


def test_another_prompt_under_the_same_name_is_a_fault_and_a_resend_is_none() -> None:
    resend = check(split_documents(SOUND + b"\n" + SOUND))
    assert resend.faults == ()
    other = check(split_documents(SOUND + b"\n" + SOUND.replace(b'"p"', b'"q"')))
    assert len(other.faults) == 1
    assert other.faults[0].startswith("line 2: id: is the same as on line 1")


@pytest.mark.parametrize("content", [b"", b"\n\n"], ids=["nothing", "blank lines"])
def test_an_empty_file_says_what_to_put_in_it(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "empty.jsonl"
    file.write_bytes(content)
    with pytest.raises(Failure, match=r"empty\.jsonl: is empty; give one JSON object"):
        read_documents(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="nowhere: No such file"):
        read_documents(tmp_path / "nowhere")


def test_a_faulty_file_prints_every_fault_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_bytes(b'{"id": 3}\n' + SOUND)
    with pytest.raises(Failure, match=r"bad\.jsonl: 3 faults"):
        checked_or_failure(file)
    assert capsys.readouterr().err.count("line 1: ") == 3
