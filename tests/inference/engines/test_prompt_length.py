from __future__ import annotations

from dataclasses import replace

import pytest

from inference.engines.base import Unsupported
from inference.engines.prompt_length import check_tokens, tokens_in
from tests.inference.engines.playback import SPEC, SUCCESSES, checked_in, engine_at, playing


@pytest.mark.parametrize(
    ("prompt", "tokens"),
    [
        ("", 0),
        (" \n ", 0),
        ("poster", 1),
        ("posters", 2),
        ("typography typography", 4),
        ('A poster that says "SUMMER SALE"', 8),
        ("12345", 2),
        ("50 % OFF!", 4),
        ("日本語のポスター", 8),
        ("ЛЕТО", 2),
        ("cafe\u0301", 1),
    ],
)
def test_a_prompt_is_counted_one_way_for_every_engine(prompt: str, tokens: int) -> None:
    assert tokens_in(prompt) == tokens


@pytest.mark.parametrize(
    "prompt", ["a b c " * 50, "weiß" * 300, "日" * 900, "!?" * 400, "e\u0301" * 500, "x1 " * 80]
)
def test_no_count_is_above_the_bytes_or_below_the_words(prompt: str) -> None:
    assert len(prompt.split()) <= tokens_in(prompt) <= len(prompt.encode())


def test_what_an_engine_reads_it_says_nothing_of() -> None:
    assert check_tokens("pen", "word " * 480, 480) == ""
    assert check_tokens("pen", "word " * 100_000, None) == ""


def test_what_may_be_cut_is_said_and_what_surely_is_cut_is_refused() -> None:
    said = check_tokens("pen", "typography " * 300, 480)
    assert said == "the prompt has about 600 tokens; pen reads 480, and what is beyond them it did not read"
    with pytest.raises(Unsupported, match="pen: prompt: at most 480 tokens; got 481 words; shorten it"):
        check_tokens("pen", "word " * 481, 480)


def test_the_registry_says_which_engines_cut_a_prompt_without_a_word() -> None:
    reads = {entry.name: entry.reads_tokens for entry in checked_in() if entry.reads_tokens}
    assert reads == {"imagen4_remote": 480, "imagen4_ultra": 480, "sd3.5_medium_hosted": 256}


async def test_the_count_and_the_cut_are_told_with_the_picture() -> None:
    case = next(case for case in SUCCESSES if case.name == "stability-drawn")
    prompt = "typography " * 200
    async with playing({}) as player:
        player.answers["/"] = case.bytes_at(player.url)
        engine = engine_at(player.url, case.engine)
        picture = await engine.render(replace(SPEC, prompt=prompt))
        with pytest.raises(Unsupported, match="at most 256 tokens; got 257 words"):
            await engine.render(replace(SPEC, prompt="word " * 257))
        await engine.aclose()
        assert len(player.heard) == 1
    assert picture.used["prompt_tokens"] == 400
    assert picture.note.startswith("the prompt has about 400 tokens; sd3.5_medium_hosted reads 256, and what")
