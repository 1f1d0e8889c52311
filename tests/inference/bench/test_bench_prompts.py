from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from inference.bench.asking import from_file, from_text, spec_of
from inference.bench.plan import PlanError
from inference.bench.samples import Subject

EVENT = {"source": "s", "id": "1", "prompt": "a sign", "texts": [{"text": "SALE"}], "locale": "de"}


def test_quoted_words_are_what_must_be_read() -> None:
    event = from_text('A jazz poster: "BLUE HOUR", below it "Late sets"', width=256, height=320)
    assert [text.text for text in event.texts] == ["BLUE HOUR", "Late sets"]
    assert (event.width, event.height) == (256, 320)
    assert event.id.startswith("blue-hour-late-sets-")
    assert Subject.of(event).regions == 2


def test_a_prompt_without_words_expects_none() -> None:
    event = from_text("poster layout")
    assert event.texts == ()
    assert event.id.startswith("poster-layout-")
    assert Subject.of(event).script == "none"


def test_a_file_mixes_plain_lines_and_events_whose_own_fields_win(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text(f'a sign: "OPEN"\n\n{json.dumps({**EVENT, "width": 512})}\n', "utf-8")
    plain, event = from_file(path, width=256, height=256)
    assert (plain.width, event.width, event.height) == (256, 512, 256)
    assert (event.id, [text.text for text in event.texts]) == ("1", ["SALE"])
    assert [text.locale for text in event.texts] == ["de"]


def test_what_a_bench_decides_itself_is_taken_out() -> None:
    line = json.dumps(
        {**EVENT, "seed": 7, "variants": 9, "deadline": "2020-01-01T00:00:00Z", "locales": ["de"]}
    )
    event = from_text(line)
    assert (event.seed, event.variants, event.deadline, event.locales) == (None, 1, None, ())
    assert spec_of(event, 12).seed == 12


def test_the_same_prompt_has_the_same_id_and_another_one_another() -> None:
    assert from_text("a") == from_text("a")
    assert from_text('"A" b').id != from_text('"A" c').id


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"locales": ["de", "fr"]}, "locales: a bench draws each prompt in one locale; got de, fr"),
        ({"texts": [{"text": "VENTE", "locale": "fr"}]}, "texts.0..locale: is not among `locales`"),
        ({"width": 7}, "width: must be an integer from 64"),
    ],
)
def test_what_cannot_be_compared_names_the_line_and_the_field(
    tmp_path: Path, fields: dict[str, Any], told: str
) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text(f"fine\n{json.dumps({**EVENT, **fields})}\n", "utf-8")
    with pytest.raises(PlanError, match=f"prompts.txt, line 2: .*{told}"):
        from_file(path)


def test_only_lf_and_cr_lf_end_a_line_and_a_mark_of_byte_order_is_none_of_it(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    event = json.dumps({**EVENT, "prompt": "a sign\u2028in two lines"}, ensure_ascii=False)
    path.write_bytes(f'\ufeffa sign: "OPEN"\r\n{event}\na\x85b\n'.encode())
    first, second, third = (each.prompt for each in from_file(path))
    assert (first, second, third) == ('a sign: "OPEN"', "a sign\u2028in two lines", "a\x85b")


@pytest.mark.parametrize("content", [b"", b" \n\n", b"\xff\xfe\xff"])
def test_a_file_without_prompts_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p").write_bytes(content)
    with pytest.raises(PlanError, match=r"--prompts .*; (write one prompt a line|give a UTF-8 text file)"):
        from_file(tmp_path / "p")


def test_the_repositorys_own_prompts_can_all_be_asked() -> None:
    events = from_file(Path("prompts/ai_posters.txt"))
    assert len({Subject.of(event).digest for event in events}) == len(events) >= 120
    assert all(event.texts for event in events)
