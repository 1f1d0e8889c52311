"""Ids depend on what they are made from, on all of it, and on nothing else."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import PromptRef, Text
from schemas.ids import derived_seed, digest, prompt_key, render_id, result_id

PICTURE: dict[str, Any] = {
    "engine": "layout",
    "model": "layout-1",
    "prompt": "Café",
    "negative_prompt": "fog",
    "texts": (Text("ÉTÉ", "headline", "fr"),),
    "fonts": ("Anton", "Noto Sans"),
    "sampler": "euler",
    "seed": 7,
    "width": 1024,
    "height": 512,
    "steps": 28,
    "guidance": 4.5,
    "ordinal": 0,
    "background_sha256": None,
}
VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)


def test_a_digest_is_the_sha256_of_one_canonical_json() -> None:
    canonical = '["a",1,1.5,null,true,["\\u00e9"],{"a":1,"b":2}]'
    assert (
        digest("a", 1, 1.5, None, True, ("é",), {"b": 2, "a": 1})
        == hashlib.sha256(canonical.encode()).hexdigest()
    )


def test_lists_and_tuples_count_as_the_same_and_so_do_both_zeros() -> None:
    assert digest([1, ("a",)]) == digest((1, ["a"]))
    assert digest(-0.0) == digest(0.0)


def test_values_that_only_look_alike_have_different_digests() -> None:
    alike: list[tuple[object, ...]] = [
        (1,),
        (1.0,),
        (True,),
        ("1",),
        (None,),
        ("null",),
        (),
        ("",),
        ([],),
        ({},),
    ]
    splits: list[tuple[object, ...]] = [
        ("ab", "c"),
        ("a", "bc"),
        ("abc",),
        (["ab", "c"],),
        ("a,b",),
        ("a", "b"),
    ]
    assert len({digest(*parts) for parts in alike + splits}) == len(alike + splits)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_without_a_value_has_no_digest(value: float) -> None:
    with pytest.raises(ValueError, match=r"parts\[1\]\[0\]: cannot be hashed"):
        digest("a", [value])


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, object(), {1: "a"}])
def test_what_json_cannot_hold_has_no_digest(value: object) -> None:
    with pytest.raises(TypeError, match=r"parts\[0\]"):
        digest(value)


def test_ids_do_not_depend_on_the_process() -> None:
    code = "from schemas.ids import *; print(digest({'b': 1, 'a': 'é'}), derived_seed('s', 3))"
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == [digest({"b": 1, "a": "é"}), str(derived_seed("s", 3))]


@given(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5), st.text(max_size=5))
def test_two_prompts_never_share_a_key(source: str, id: str, other_source: str, other_id: str) -> None:
    same = (source, id) == (other_source, other_id)
    assert (prompt_key(source, id) == prompt_key(other_source, other_id)) is same


def test_a_separator_in_a_name_cannot_make_two_prompts_one() -> None:
    assert prompt_key('a","b', "c") != prompt_key("a", 'b","c')
    assert prompt_key("shop", "p-1") == b'["shop","p-1"]'


@given(VALUES, VALUES)
def test_a_derived_seed_fits_in_32_bits(first: object, second: object) -> None:
    assert 0 <= derived_seed(first, second) < 2**32


def test_derived_seeds_spread() -> None:
    seeds = [derived_seed("shop", "p-1", variant) for variant in range(1000)]
    assert len(set(seeds)) == 1000
    assert 0.45 < sum(seed >= 2**31 for seed in seeds) / 1000 < 0.55


def test_a_result_has_its_own_id_for_each_ref_attempt_and_finality() -> None:
    ref = PromptRef("s", "a")
    ids = [
        result_id(ref, 0, True),
        result_id(ref, 0, False),
        result_id(ref, 1, True),
        result_id(replace(ref, variant=1), 0, True),
        result_id(replace(ref, run="replay-1"), 0, True),
        result_id(replace(ref, id="b"), 0, True),
        result_id(replace(ref, source="t"), 0, True),
    ]
    assert len(set(ids)) == len(ids)
    assert result_id(ref, 0, True) == result_id(PromptRef("s", "a"), 0, True)


CHANGES: dict[str, Any] = {
    "engine": "http_render",
    "model": "layout-2",
    "prompt": "Cafe",
    "negative_prompt": "",
    "texts": (Text("ÉTÉ", "subtitle", "fr"),),
    "fonts": ("Noto Sans", "Anton"),
    "sampler": "heun",
    "seed": 8,
    "width": 512,
    "height": 1024,
    "steps": None,
    "guidance": 4.6,
    "ordinal": 1,
    "background_sha256": "0" * 64,
}


@pytest.mark.parametrize("part", PICTURE)
def test_everything_that_shapes_a_picture_changes_its_id(part: str) -> None:
    assert render_id(**{**PICTURE, part: CHANGES[part]}) != render_id(**PICTURE)


def test_the_same_words_typed_in_another_unicode_form_draw_the_same_picture() -> None:
    decomposed = {"prompt": "Cafe\u0301", "texts": (Text("E\u0301TE\u0301", "headline", "fr"),)}
    assert render_id(**{**PICTURE, **decomposed}) == render_id(**PICTURE)


def test_whole_guidance_is_the_same_as_a_number_or_an_integer() -> None:
    assert render_id(**{**PICTURE, "guidance": 4}) == render_id(**{**PICTURE, "guidance": 4.0})


def test_how_a_text_is_judged_does_not_change_its_picture() -> None:
    critical = (replace(PICTURE["texts"][0], critical=True),)
    assert render_id(**{**PICTURE, "texts": critical}) == render_id(**PICTURE)
