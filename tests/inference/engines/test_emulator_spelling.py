from __future__ import annotations

import math
import unicodedata
from random import Random

import pytest

from inference.engines.emulator.drawing import Drawing, texts_of
from inference.engines.emulator.profiles import load_profiles
from inference.engines.emulator.spelling import fault, misspell, words_of

SCRIPTS = [
    "SUMMER SALE",
    "50% OFF",
    "Été à Zürich",
    "ΚΑΛΟΚΑΙΡΙ",
    "Летняя распродажа",
    "تخفيضات الصيف",
    "מבצע קיץ",
    "महोत्सव संगीत",
    "เทศกาลดนตรีฤดูร้อน",
    "夏のセール開催中",
    "夏季大促销",
    "여름 세일",
]
WORDS = "Grand opening Saturday live music free entry bring friends"


def drawing(engine: str, seed: int, rate: float) -> Drawing:
    return Drawing(
        prompt=f'A poster that says "{WORDS}"', width=64, height=64, seed=seed, engine=engine, misspell=rate
    )


def wrong_words(engine: str, rate: float, seeds: int) -> int:
    asked = WORDS.split()
    wrong = 0
    for seed in range(seeds):
        (text,) = texts_of(drawing(engine, seed, rate))
        drawn = text.text.split()
        assert len(drawn) == len(asked)
        wrong += sum(a != b for a, b in zip(asked, drawn, strict=True))
    return wrong


@pytest.mark.parametrize("engine", sorted(load_profiles()))
def test_an_engine_misspells_at_the_rate_of_its_profile(engine: str) -> None:
    rate, seeds = load_profiles()[engine].misspell, 400
    trials = seeds * len(WORDS.split())
    # Five standard deviations: the dice are fixed by the seeds, so this cannot come and go.
    margin = 5 * math.sqrt(rate * (1 - rate) / trials)
    assert abs(wrong_words(engine, rate, seeds) / trials - rate) < margin


def test_the_local_preview_spells_worst_and_the_largest_model_best() -> None:
    profiles = load_profiles()
    rates = {name: profile.misspell for name, profile in profiles.items()}
    brief = [
        "sd3.5_local",
        "sd3.5_medium",
        "dalle3_hd",
        "ideogram_v2a_turbo",
        "imagen4_remote",
        "imagen4_ultra",
    ]
    assert [rates[name] for name in brief] == sorted((rates[name] for name in brief), reverse=True)
    assert min(profiles, key=lambda name: profiles[name].delay_s) == "sd3.5_local"


def test_the_same_request_is_misspelt_the_same_way_and_another_seed_anew() -> None:
    spelled = [texts_of(drawing("sd3.5_local", seed, 0.5)) for seed in (1, 1, 2)]
    assert spelled[0] == spelled[1]
    assert spelled[0] != spelled[2]


def test_two_engines_make_different_mistakes() -> None:
    assert texts_of(drawing("a", 1, 0.5)) != texts_of(drawing("b", 1, 0.5))


def test_roles_survive_the_mistakes() -> None:
    prompt = 'Poster, title "SUMMER SALE", price "$49"'
    texts = texts_of(Drawing(prompt=prompt, width=64, height=64, seed=3, engine="e", misspell=1.0))
    assert [text.role for text in texts] == ["headline", "price"]


@pytest.mark.parametrize("text", SCRIPTS)
def test_a_fault_changes_every_word_of_any_script(text: str) -> None:
    for word in (word for part in text.split() for word in words_of(part)):
        for seed in range(60):
            changed = fault(word, Random(seed))
            assert changed
            assert changed != word, (word, seed)


@pytest.mark.parametrize("text", SCRIPTS)
def test_a_fault_stays_in_its_script(text: str) -> None:
    def scripts(words: str) -> set[str]:
        return {unicodedata.name(char).split()[0] for char in words if char.isalpha()}

    for seed in range(60):
        assert scripts(misspell(text, 1.0, Random(seed))) <= scripts(text)


@pytest.mark.parametrize("text", [*SCRIPTS, "", "  two  spaces\n", "— • —"])
def test_a_perfect_speller_changes_nothing(text: str) -> None:
    assert misspell(text, 0.0, Random(1)) == text


def test_what_holds_no_letter_is_left_alone() -> None:
    assert misspell("— & •", 1.0, Random(1)) == "— & •"


def test_unspaced_scripts_are_misspelt_by_runs_of_four() -> None:
    assert words_of("夏のセール開催中") == ["夏のセー", "ル開催中"]
    assert words_of("plainly") == ["plainly"]
