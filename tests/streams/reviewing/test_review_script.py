"""The page's script in a real browser: what is shown, what a key does, what cannot be judged."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from PIL import Image

from inference.assets import AssetStore
from inference.reviews.pictures import Picture, picture_of
from schemas.events import Asset, Review
from streams.reviewing.records import WriteFailed
from streams.reviewing.serving import PageServer
from streams.reviewing.session import Session
from tests.streams.reviewing.browser import Page, chromium
from tests.support.reviews import final, reading

HOSTILE = "<img src=x onerror=\"document.title='taken'\"></script><b>&amp;\u202e"
# A picture of a number's colour: 10, 20, 30 of red.
STEP = 10
ON_SCREEN = (
    "document.querySelector('#image').naturalWidth > 0 && !document.querySelector('[data-score]').disabled"
)


@dataclass
class Log:
    """Stands for the topic; while `broken` no write is confirmed."""

    reviews: list[Review] = field(default_factory=list)
    broken: bool = False

    async def write(self, review: Review) -> None:
        if self.broken:
            raise WriteFailed("t-reviews: no word from the broker in 10 s")
        self.reviews.append(review)


class SlowStore(AssetStore):
    """A store that keeps one picture back until it is let go."""

    def __init__(self, store: AssetStore, slow: bytes) -> None:
        # Nothing but `get` is asked of it, and that asks the other.
        self.store = store
        self.slow = hashlib.sha256(slow).hexdigest()
        self.go_on = asyncio.Event()

    async def get(self, asset: Asset) -> bytes:
        if asset.sha256 == self.slow:
            await self.go_on.wait()
        return await self.store.get(asset)


@dataclass
class Desk:
    page: Page
    session: Session
    log: Log


def png(number: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (16, 8), (STEP * (number + 1), 0, 0)).save(out, "PNG")
    return out.getvalue()


async def gallery(store: AssetStore, texts: Sequence[str]) -> list[Picture]:
    made = []
    for number, text in enumerate(texts):
        image = await store.put(png(number), "image/png", 16, 8)
        picture = picture_of(final(f"{number}", image, reading(0.91, text)))
        assert picture is not None
        made.append(replace(picture, reason=text, engine=text))
    return made


@contextlib.asynccontextmanager
async def reviewed(
    folder: Path, pictures: Sequence[Picture], store: AssetStore, *, sighted: bool = False
) -> AsyncIterator[Desk]:
    log = Log()
    session = Session("dana", pictures, {}, log.write, sighted=sighted)
    server = PageServer(session, store)
    running = asyncio.create_task(server.run(lambda _address: None))
    try:
        async with chromium(folder / "profile") as page:
            await page.open(server.address)
            await page.until("!document.querySelector('#judging').hidden")
            yield Desk(page, session, log)
    finally:
        server.stop()
        await asyncio.wait_for(running, 20)


@pytest.fixture
def store(tmp_path: Path) -> AssetStore:
    return AssetStore.open(tmp_path / "assets")


async def picture_shown(desk: Desk, number: int) -> None:
    await desk.page.until(
        f"document.querySelector('#heading').textContent.startsWith('Picture {number + 1} ') && ({ON_SCREEN})"
    )


async def said(desk: Desk) -> list[tuple[bool | None, int]]:
    """What was written; all that the page still wants to say is said before."""
    await desk.page.until("!document.body.hasAttribute('aria-busy')")
    return [(review.readable, review.score) for review in desk.log.reviews]


async def test_two_keys_judge_a_picture_and_the_next_one_comes(tmp_path: Path, store: AssetStore) -> None:
    async with reviewed(tmp_path, await gallery(store, ["ONE", "TWO", "THREE"]), store) as desk:
        await picture_shown(desk, 0)
        assert await desk.page.text("texts") == "ONE to the letter"
        await desk.page.press("y", "4")
        await picture_shown(desk, 1)
        (review,) = desk.log.reviews
        assert (review.readable, review.score, review.seen_blind) == (True, 4, True)
        assert review.render_id == desk.session.places[0].picture.render_id
        assert "1 of 3 judged, by dana" in await desk.page.text("who")

        await desk.page.press("n", "1")
        await picture_shown(desk, 2)
        await desk.page.press("s")
        await desk.page.until("!document.querySelector('#end').hidden")
        assert await desk.page.text("end-title") == "1 of 3 skipped"
        assert await said(desk) == [(True, 4), (False, 1)]


async def test_a_changed_mind_is_saved_with_its_comment_after_going_back(
    tmp_path: Path, store: AssetStore
) -> None:
    async with reviewed(tmp_path, await gallery(store, ["ONE", "TWO"]), store) as desk:
        await picture_shown(desk, 0)
        await desk.page.press("u", "3")
        await picture_shown(desk, 1)
        await desk.page.press("z")
        await picture_shown(desk, 0)
        pressed = "document.querySelectorAll('fieldset [aria-pressed=true]')"
        assert await desk.page.value(f"[...{pressed}].map((each) => ({{...each.dataset}}))") == [
            {"readable": "null"},
            {"score": "3"},
        ]
        # An answer that stood already is not saved by one key.
        await desk.page.press("5")
        assert await said(desk) == [(None, 3)]
        await desk.page.press("c", "n", "1", "Escape", "Enter")
        await picture_shown(desk, 1)
        assert await said(desk) == [(None, 3), (None, 5)]
        assert desk.log.reviews[1].comment == "n1"


async def test_a_strangers_words_are_shown_and_never_run(tmp_path: Path, store: AssetStore) -> None:
    async with reviewed(tmp_path, await gallery(store, [HOSTILE, HOSTILE]), store) as desk:
        await picture_shown(desk, 0)
        assert await desk.page.value("document.querySelector('#texts bdi').textContent") == HOSTILE
        await desk.page.press("y", "5")
        await picture_shown(desk, 1)
        await desk.page.value("document.querySelector('#reveal').click()")
        await desk.page.until("document.querySelectorAll('#facts dd').length > 3")
        facts = await desk.page.value(
            "[...document.querySelectorAll('#facts dd')].map((each) => each.textContent)"
        )
        assert facts.count(HOSTILE) == 3
        assert await desk.page.value("document.title") == "glyphstream review"
        assert await desk.page.value("document.images.length") == 1
        assert await desk.page.value("document.scripts.length") == 1


async def test_a_picture_is_judged_only_once_it_is_on_the_screen(tmp_path: Path, store: AssetStore) -> None:
    slow = SlowStore(store, png(1))
    async with reviewed(tmp_path, await gallery(store, ["ONE", "TWO"]), slow) as desk:
        await picture_shown(desk, 0)
        await desk.page.press("y", "4")
        await desk.page.until("document.querySelector('#texts').innerText.startsWith('TWO')")
        # Beside the second one's words the first picture would be judged in its place.
        assert await desk.page.value("document.querySelector('#image').naturalWidth") == 0
        await desk.page.press("n", "1")
        assert await said(desk) == [(True, 4)]
        slow.go_on.set()
        await picture_shown(desk, 1)
        await desk.page.press("n", "1")
        await desk.page.until("!document.querySelector('#end').hidden")
        assert await said(desk) == [(True, 4), (False, 1)]


@pytest.mark.parametrize("stored", [None, b"\x89PNG\r\n\x1a\n and no more"], ids=["lost", "undecodable"])
async def test_a_picture_that_cannot_be_shown_can_only_be_skipped(
    tmp_path: Path, store: AssetStore, stored: bytes | None
) -> None:
    pictures = await gallery(store, ["ONE", "TWO"])
    image = Asset("file:///gone.png", "0" * 64, "image/png", 1)
    pictures[0] = replace(pictures[0], image=await store.put(stored, "image/png") if stored else image)
    async with reviewed(tmp_path, pictures, store) as desk:
        await desk.page.until("document.querySelector('#message').innerText.includes('Skip it')")
        await desk.page.press("y", "4")
        assert await said(desk) == []
        await desk.page.press("s")
        await picture_shown(desk, 1)
        assert await desk.page.text("message") == ""


async def test_a_judgement_that_was_not_written_stays_on_the_page_and_is_sent_again(
    tmp_path: Path, store: AssetStore
) -> None:
    async with reviewed(tmp_path, await gallery(store, ["ONE", "TWO"]), store) as desk:
        await picture_shown(desk, 0)
        desk.log.broken = True
        await desk.page.press("y", "2")
        await desk.page.until("document.querySelector('#message').innerText.includes('try again')")
        desk.log.broken = False
        await desk.page.press("Enter")
        await picture_shown(desk, 1)
        assert await said(desk) == [(True, 2)]


async def test_a_key_that_is_held_skips_one_picture_at_most(tmp_path: Path, store: AssetStore) -> None:
    async with reviewed(tmp_path, await gallery(store, ["ONE", "TWO", "THREE"]), store) as desk:
        await picture_shown(desk, 0)
        await desk.page.press("s")
        for _ in range(3):
            await desk.page.press("s", held=True)
            await said(desk)
        await picture_shown(desk, 1)


async def test_expected_words_that_are_unknown_are_not_told_to_be_none(
    tmp_path: Path, store: AssetStore
) -> None:
    known, unknown = await gallery(store, ["ONE", "TWO"])
    async with reviewed(tmp_path, [replace(unknown, legibility=None), known], store) as desk:
        await picture_shown(desk, 0)
        assert (await desk.page.text("expected")).startswith("Which words are expected is not known")
