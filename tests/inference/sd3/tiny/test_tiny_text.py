"""The tiny model's tokenizers see letters, and its encoders give what SD3's pipeline would ask of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from transformers import CLIPTokenizer, T5Tokenizer

from inference.sd3.tiny.encoders import JOINT_WIDTH, POOLED_WIDTH, TextEncoders
from inference.sd3.tiny.primer import Primer
from inference.sd3.tiny.spelling import CLIP_TOKENS, T5_TOKENS, clip_tokenizer, t5_tokenizer
from inference.sd3.tiny.words import ALPHABET, COLOURS, FACES, GROUNDS, SHAPES, Poster

PROMPT = 'an orange diamond on pale yellow, narrow title "RED 4 BLUE", below "K2II 80"'


def test_a_title_costs_one_t5_token_a_letter() -> None:
    pieces = t5_tokenizer().tokenize(PROMPT)
    first = pieces.index('▁"')
    assert pieces[first + 1 : first + 11] == ["R", "E", "D", "▁", "4", "▁", "B", "L", "U", "E"]
    assert pieces[:first] == [
        "▁an",
        "▁orange",
        "▁diamond",
        "▁on",
        "▁pale",
        "▁yellow",
        ",",
        "▁narrow",
        "▁title",
    ]


@pytest.mark.parametrize(
    "text", [PROMPT, f'"{ALPHABET}"', 'a red ring on black, bold title "A"', "Mixed Case 7!"]
)
def test_t5_gives_text_back_with_its_capitals(text: str) -> None:
    tokenizer = t5_tokenizer()
    assert tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True) == text
    assert tokenizer.unk_token_id not in tokenizer(text).input_ids


def test_clip_knows_every_style_word_as_one_token() -> None:
    tokenizer = clip_tokenizer()
    for name in (*COLOURS, *SHAPES, *FACES, *(word for ground in GROUNDS for word in ground.split())):
        assert tokenizer.tokenize(name) == [f"{name}</w>"]


def test_clips_numbers_are_those_of_weights_trained_before() -> None:
    vocabulary = clip_tokenizer().get_vocab()
    listed = "\n".join(sorted(vocabulary, key=vocabulary.__getitem__))
    assert hashlib.sha256(listed.encode()).hexdigest()[:16] == "20485a2317af9181"


def test_the_style_fits_before_clip_cuts() -> None:
    tokenizer = clip_tokenizer()
    style = tokenizer("an orange diamond on pale yellow, narrow title").input_ids
    assert len(style) <= CLIP_TOKENS


def test_the_longest_prompt_of_the_grammar_fits_t5() -> None:
    longest = Poster("circle", "red", "deep blue", "bold", "ABCDEFGHIJ", "KLMNOPQR")
    assert len(t5_tokenizer()(longest.prompt).input_ids) <= T5_TOKENS


def test_tokenizers_come_back_from_disk_as_they_were(tmp_path: Path) -> None:
    clip_tokenizer().save_pretrained(tmp_path / "clip")
    t5_tokenizer().save_pretrained(tmp_path / "t5")
    clip, t5 = CLIPTokenizer.from_pretrained(tmp_path / "clip"), T5Tokenizer.from_pretrained(tmp_path / "t5")
    assert clip(PROMPT).input_ids == clip_tokenizer()(PROMPT).input_ids
    assert t5(PROMPT).input_ids == t5_tokenizer()(PROMPT).input_ids
    assert (clip.model_max_length, t5.model_max_length) == (CLIP_TOKENS, T5_TOKENS)


@torch.no_grad()
def test_encoders_join_as_the_pipeline_does() -> None:
    torch.manual_seed(0)
    encoders = TextEncoders().eval()
    clip_ids, t5_ids = encoders.tokens([PROMPT, ""])
    joint, pooled = encoders(clip_ids, t5_ids)
    assert joint.shape == (2, CLIP_TOKENS + T5_TOKENS, JOINT_WIDTH)
    assert pooled.shape == (2, POOLED_WIDTH)
    without, _ = encoders(clip_ids, t5_ids, torch.tensor([False, True]))
    assert not without[0, CLIP_TOKENS:].any()
    assert torch.equal(without[1], joint[1])
    assert torch.equal(without[:, :CLIP_TOKENS], joint[:, :CLIP_TOKENS])


def test_the_primer_asks_for_each_letters_place_from_both_ends() -> None:
    encoders = TextEncoders()
    primer = Primer(encoders)
    _, ids = encoders.tokens(['a red ring on black, bold title "AB 9", below "XYZ"'])
    pieces = encoders.t5_tokenizer.convert_ids_to_tokens(ids[0].tolist())
    place, remaining = primer.places(ids)
    asked = [
        (p, int(at), int(left)) for p, at, left in zip(pieces, place[0], remaining[0], strict=True) if at
    ]
    title = [("A", 1, 3), ("B", 2, 2), ("▁", 3, 1), ("9", 4, 0)]
    assert asked == [*title, ("X", 17, 2), ("Y", 18, 1), ("Z", 19, 0)]
