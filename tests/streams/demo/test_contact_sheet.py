from __future__ import annotations

import dataclasses
import io
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from schemas.events import Asset, Pictures, PromptEvent
from streams.demo.sheet.cards import Card, Side, Word, cards
from streams.demo.sheet.drawing import MISSED, READ, Masthead, contact_sheet
from streams.demo.sheet.grid import MARGIN, PAGE, place
from streams.demo.sheet.lettering import fitted, letter
from streams.demo.sheet.page import as_html, link
from tests.streams.demo.finals_made import asset, attempt, final, reading

HEAD = Masthead("1 prompt", (("79%", "read"),), "a note")
PROMPT = PromptEvent(id="1", source="s", prompt="p")


def card(sides: int = 1, *, height: int = 768, words: tuple[Word, ...] = ()) -> Card:
    side = Side("first", "sd3.5_medium", 0.5, True, asset(height=height), words)
    return Card("title", "accepted", "route", "reason", (side,) * sides, "foot")


def png(image: Asset, rgb: tuple[int, int, int] = (0, 0, 255)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (image.width, image.height), rgb).save(out, "PNG")
    return out.getvalue()


def test_a_prompt_accepted_at_once_has_one_picture_and_any_other_two() -> None:
    once, twice = final("1", [attempt(0)]), final("1", [attempt(0), attempt(1)], variant=1)
    drawn = list(cards([dataclasses.replace(PROMPT, variants=2)], [twice, once]))
    assert [[side.label for side in each.sides] for each in drawn] == [[""], ["first", "final"]]
    assert [each.title for each in drawn] == ["1 · A", "1 · B"]


def test_locales_name_their_cards() -> None:
    prompt = dataclasses.replace(PROMPT, locales=("en", "fr"))
    finals = [final("1", [attempt(0)], variant=1, locale="fr"), final("1", [attempt(0)])]
    assert [each.title for each in cards([prompt], finals)] == ["1 · en", "1 · fr"]


def test_a_final_without_a_picture_has_its_card() -> None:
    refused = attempt(0, outcome="refused", pictures=None, legibility=None)
    (only,) = cards([PROMPT], [final("1", [refused], status="needs_review", reason="gore")])
    assert (only.status, only.reason, only.sides[0].image) == ("needs review", "gore", None)
    assert contact_sheet(HEAD, [only], {}).startswith(b"\x89PNG")


@given(
    st.lists(
        st.builds(card, st.sampled_from([1, 2]), height=st.sampled_from([256, 512, 768, 3000])), max_size=30
    )
)
def test_no_card_overlaps_another_or_leaves_the_page(drawn: list[Card]) -> None:
    placed, bottom = place(drawn, 100)
    assert len(placed) == len(drawn)
    for index, one in enumerate(placed):
        assert one.x >= MARGIN
        assert one.x + one.width <= PAGE - MARGIN + 1e-6
        assert one.y + one.height <= bottom
        for other in placed[index + 1 :]:
            apart_x = one.x + one.width <= other.x or other.x + other.width <= one.x
            apart_y = one.y + one.height <= other.y or other.y + other.height <= one.y
            assert apart_x or apart_y


def test_read_words_are_green_and_missed_ones_red_and_struck() -> None:
    read = contact_sheet(
        HEAD, [card(words=(Word("SALE", "read", "", "en"),))], {asset().sha256: png(asset())}
    )
    missed_words = (Word("SALE", "missed", "SAIE", "en"),)
    missed = contact_sheet(HEAD, [card(words=missed_words)], {asset().sha256: png(asset())})
    # The legend shows both colours once: the card must add to one and not to the other.
    assert _count(read, READ) > _count(missed, READ)
    assert _count(missed, MISSED) > _count(read, MISSED)


def _count(sheet: bytes, rgb: tuple[int, int, int]) -> int:
    pixels = np.asarray(Image.open(io.BytesIO(sheet)).convert("RGB"))
    return int((pixels == rgb).all(axis=-1).sum())


def test_the_picture_itself_is_on_the_sheet() -> None:
    sheet = contact_sheet(HEAD, [card()], {asset().sha256: png(asset())})
    assert _count(sheet, (0, 0, 255)) > 10_000


@pytest.mark.parametrize(
    "text",
    [
        "SUMMER SALE",
        "تخفيضات رمضان",
        "שוק הלילה",
        "दीपावली महोत्सव",
        "ตลาดน้ำยามค่ำ",
        "春茶上市",
        "夏祭り",
        "ΝΥΧΤΕΣ",
        "Boğaz'da",
    ],
)
def test_every_script_of_the_demo_is_set_with_real_glyphs(text: str) -> None:
    shaped = letter(text, 0, 0, size=17, rgb=READ, width=400).lines[0].shaped
    assert shaped.glyphs
    assert all(glyph.id != 0 for glyph in shaped.glyphs)


def test_arabic_is_joined_and_runs_from_the_right() -> None:
    joined = fitted("سلام", size=17, width=400, weight=400, locale="ar")
    apart = [fitted(ch, size=17, width=400, weight=400, locale="ar").glyphs[0].id for ch in "سلام"]
    assert [glyph.id for glyph in joined.glyphs] != apart
    assert joined.glyphs[0].cluster > joined.glyphs[-1].cluster


@given(st.text(max_size=60), st.floats(30, 300))
def test_a_line_never_grows_beyond_its_room(text: str, width: float) -> None:
    assert fitted(text, size=17, width=width, weight=400, locale="en").advance * 17 <= width + 1e-6


class Images(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.sources.append(dict(attrs)["src"] or "")
        self.scripts += tag == "script"


def test_a_hostile_prompt_stays_text_on_the_page(tmp_path: Path) -> None:
    words = (Word('"><script>alert(1)</script>', "missed", "<b>", "en"),)
    page = Images()
    page.feed(as_html(HEAD, [dataclasses.replace(card(words=words), title="<script>")], tmp_path))
    assert page.scripts == 0
    assert len(page.sources) == 1


def test_pictures_are_linked_so_that_the_folder_can_be_moved(tmp_path: Path) -> None:
    inside = dataclasses.replace(asset(), uri=(tmp_path / "assets" / "a b.png").as_uri())
    assert link(inside, tmp_path) == "assets/a%20b.png"
    assert link(dataclasses.replace(asset(), uri="s3://bucket/a.png"), tmp_path) == "s3://bucket/a.png"


def test_unreadable_words_are_neither_read_nor_missed() -> None:
    shown = attempt(0, legibility=reading(None, ("夜", "unreadable_by_reader")))
    (only,) = cards([PROMPT], [final("1", [shown], pictures=Pictures(image=asset(), original=asset()))])
    assert [word.verdict for word in only.sides[0].words] == ["unreadable_by_reader"]
