from schemas.events import PromptEvent, Text
from streams.routing.fanout import specs


def test_variants_times_locales_each_with_its_own_seed_and_words() -> None:
    event = PromptEvent(
        id="p",
        source="s",
        prompt="a poster",
        variants=2,
        locales=("en", "fr"),
        texts=(Text("SALE", locale="en"), Text("SOLDES", locale="fr"), Text("50%")),
    )
    made = list(specs(event))
    assert [variant for variant, _ in made] == [0, 1, 2, 3]
    assert [spec.locale for _, spec in made] == ["en", "en", "fr", "fr"]
    assert [text.text for text in made[0][1].texts] == ["SALE", "50%"]
    assert [text.text for text in made[3][1].texts] == ["SOLDES", "50%"]
    assert len({spec.seed for _, spec in made}) == 4


def test_seeds_are_the_same_at_every_replay() -> None:
    event = PromptEvent(id="p", source="s", prompt="a poster", variants=3)
    assert list(specs(event)) == list(specs(event))


def test_another_prompt_has_another_seed() -> None:
    one, other = (PromptEvent(id=name, source="s", prompt="a poster") for name in ("a", "b"))
    assert next(specs(one))[1].seed != next(specs(other))[1].seed


def test_an_explicit_seed_is_used_for_the_first_variant_as_it_is() -> None:
    event = PromptEvent(id="p", source="s", prompt="a poster", seed=7, variants=2)
    seeds = [spec.seed for _, spec in specs(event)]
    assert seeds[0] == 7
    assert seeds[1] != 7


def test_words_in_quotes_are_expected_when_none_are_given() -> None:
    event = PromptEvent(id="p", source="s", prompt='a poster that says "OPEN LATE"')
    assert [text.text for text in next(specs(event))[1].texts] == ["OPEN LATE"]


def test_a_locale_matches_however_it_is_written() -> None:
    event = PromptEvent(
        id="p", source="s", prompt="x", locales=("pt-br",), texts=(Text("OFERTA", locale="pt_BR"),)
    )
    assert [text.text for text in next(specs(event))[1].texts] == ["OFERTA"]


def test_the_prompt_of_a_locale_quotes_that_locales_words_alone() -> None:
    event = PromptEvent(
        id="p",
        source="s",
        prompt='a shop window, "SUMMER SALE" above "ends soon"',
        locales=("en", "fr"),
        texts=(
            Text("SUMMER SALE", locale="en"),
            Text("ends soon", role="subtitle", locale="en"),
            Text("SOLDES", locale="fr"),
            Text("bientôt fini", role="subtitle", locale="fr"),
        ),
    )
    english, french = (spec.prompt for _, spec in specs(event))
    assert english == event.prompt
    assert french == 'a shop window, "SOLDES" above "bientôt fini"'
