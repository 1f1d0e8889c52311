from __future__ import annotations

import dataclasses

import pytest

from schemas.events import PromptRef, Result
from streams.cli import main
from streams.commands.results import Wanted, file_name

FINAL = Result(id="r", ref=PromptRef("shop", "poster.7", 2), final=True, status="accepted", locale="fr")
EVERYTHING = Wanted(follow=False, everything=True, source=None, id=None, count=None, timeout_s=None)
PREVIEW = dataclasses.replace(FINAL, final=False, status=None)


def renamed(source: str, id: str) -> Result:
    return dataclasses.replace(FINAL, ref=PromptRef(source, id))


def test_a_picture_is_named_by_source_id_variant_locale_and_status() -> None:
    assert file_name(FINAL, "image/png") == "shop-poster.7-v2-fr-accepted.png"


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a/b", "c:\\x", "ночь", "line\nfeed", "..", "x" * 200], ids=repr
)
def test_no_name_leaves_the_folder(name: str) -> None:
    made = file_name(renamed("s", name), "image/png")
    assert "/" not in made
    assert "\\" not in made
    assert "\n" not in made
    assert made.startswith("s-")
    assert len(made) < 200


@pytest.mark.parametrize(
    ("one", "other"),
    [(("s", "a/b"), ("s", "a:b")), (("a-b", "c"), ("a", "b-c")), (("s", "x" * 199), ("s", "x" * 200))],
    ids=["replaced", "joined", "cut"],
)
def test_two_prompts_never_share_a_file(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert file_name(renamed(*one), "image/png") != file_name(renamed(*other), "image/png")


def test_finals_are_wanted_by_default_and_previews_on_demand() -> None:
    finals = dataclasses.replace(EVERYTHING, everything=False)
    assert finals.takes(FINAL)
    assert not finals.takes(PREVIEW)
    assert EVERYTHING.takes(PREVIEW)


def test_filters_take_source_and_id_together() -> None:
    wanted = dataclasses.replace(EVERYTHING, source="shop", id="poster.7")
    assert wanted.takes(FINAL)
    assert not wanted.takes(renamed("shop", "poster.8"))
    assert not wanted.takes(renamed("other", "poster.7"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--timeout", "5"), "--timeout needs --follow"),
        (("--save", "pictures", "--assets", "ftp://x"), "unknown scheme in 'ftp://x'"),
    ],
    ids=["timeout", "assets"],
)
def test_what_cannot_be_honoured_is_refused_before_reading(
    arguments: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["results", *arguments, "--bootstrap", "127.0.0.1:1"])
    assert left.value.code == 2
    assert told in capsys.readouterr().err
