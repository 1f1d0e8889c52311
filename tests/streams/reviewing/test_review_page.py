"""The page's server on loopback: who may talk to it, what it tells before a judgement, what it writes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from inference.assets import AssetStore
from inference.reviews.pictures import Picture, picture_of
from schemas.events import Review
from streams.reviewing.records import WriteFailed
from streams.reviewing.serving import DRAIN_S, PageServer, PortTaken
from streams.reviewing.session import Session, review_id, turns
from tests.support.reviews import PNG, final, reading, stored

HOSTILE = '<img src=x onerror="alert(1)"></script>&'
GOOD = {"turn": 0, "score": 4, "readable": True, "comment": "", "milliseconds": 1_200}


@dataclass
class Log:
    """Stands for the topic; the next write fails where `broken` is set."""

    reviews: list[Review] = field(default_factory=list)
    broken: bool = False

    async def write(self, review: Review) -> None:
        # A broker may have written what it never confirmed.
        self.reviews.append(review)
        if self.broken:
            self.broken = False
            raise WriteFailed("t-reviews: RequestTimedOutError: [Error 7]")


@dataclass
class Desk:
    client: httpx.AsyncClient
    session: Session
    log: Log
    server: PageServer

    async def get(self, path: str) -> Any:
        answer = await self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def judge(self, number: int, **changes: object) -> httpx.Response:
        return await self.client.post(f"pictures/{number}/review", json=GOOD | changes)


async def gallery(folder: Path, text: str = "OPEN LATE") -> tuple[AssetStore, list[Picture]]:
    store = AssetStore.open(folder)
    results = [
        final(f"{number}", await stored(store, f"{number}"), reading(0.91, text)) for number in range(3)
    ]
    return store, [picture for each in results if (picture := picture_of(each)) is not None]


def damage(folder: Path, sha256: str) -> None:
    next(folder.rglob(f"{sha256}.png")).write_bytes(b"another")


@contextlib.asynccontextmanager
async def served(
    folder: Path, *, sighted: bool = False, text: str = "OPEN LATE", given: int = 0
) -> AsyncIterator[Desk]:
    store, pictures = await gallery(folder, text)
    log = Log()
    before = {picture.render_id: given for picture in pictures if given}
    session = Session("dana", pictures, before, log.write, sighted=sighted)
    server = PageServer(session, store)
    running = asyncio.create_task(server.run(lambda _address: None))
    parts = urlsplit(server.address)
    headers = {"origin": f"{parts.scheme}://{parts.netloc}"}
    async with httpx.AsyncClient(base_url=server.address, headers=headers, trust_env=False) as client:
        yield Desk(client, session, log, server)
    server.stop()
    await asyncio.wait_for(running, 10)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with served(tmp_path) as made:
        yield made


@pytest.mark.parametrize("token", ["", "x/", "x" * 22 + "/"], ids=["none", "short", "as long"])
async def test_without_the_token_nothing_is_told(desk: Desk, token: str) -> None:
    root = desk.server.address.removesuffix(urlsplit(desk.server.address).path)
    for path in ("", "session", "pictures/0/image", "page.js"):
        assert (await desk.client.get(f"{root}/{token}{path}")).status_code == 404


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "127.0.0.1:1@evil.example", "[::1]:80", ""],
)
async def test_a_host_name_that_is_not_ours_is_refused(desk: Desk, host: str) -> None:
    assert (await desk.client.get("session", headers={"host": host})).status_code in (400, 421)


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "null", ""])
async def test_another_origin_can_write_nothing(desk: Desk, origin: str) -> None:
    for path in ("pictures/0/review", "pictures/0/reveal", "finish"):
        answer = await desk.client.post(path, json=GOOD, headers={"origin": origin})
        assert answer.status_code == 403
    assert desk.log.reviews == []


async def test_a_form_can_write_nothing(desk: Desk) -> None:
    answer = await desk.client.post("pictures/0/review", data={"score": "4"})
    assert answer.status_code == 415


async def test_nothing_on_the_page_comes_from_elsewhere_or_runs_inline(desk: Desk) -> None:
    answer = await desk.client.get("")
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "style=" not in answer.text
    assert '<script type="module" src="page.js"></script>' in answer.text
    assert answer.headers["referrer-policy"] == "no-referrer"
    script = (await desk.client.get("page.js")).text
    assert not any(
        word in script for word in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(")
    )


async def test_a_strangers_words_stay_words(tmp_path: Path) -> None:
    async with served(tmp_path, text=HOSTILE) as desk:
        answer = await desk.client.get("pictures/0")
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.json()["texts"] == [{"text": HOSTILE, "critical": True}]
        assert HOSTILE not in (await desk.client.get("")).text


async def test_nothing_gives_the_engine_score_or_price_away_before_the_judgement(desk: Desk) -> None:
    told = await desk.client.get("pictures/0")
    assert told.json()["shown"] is None
    for word in (
        "layout",
        "secret-model",
        "0.91",
        "0.0625",
        "accepted",
        desk.session.places[0].picture.render_id,
    ):
        assert word not in told.text
    assert (await desk.client.post("pictures/0/reveal", json={})).status_code == 403

    await desk.judge(0)
    shown = (await desk.client.post("pictures/0/reveal", json={})).json()
    assert (shown["engine"], shown["score"], shown["usd"]) == ("layout", 0.91, 0.0625)


async def test_a_mind_changed_after_the_reveal_is_no_longer_blind(desk: Desk) -> None:
    await desk.judge(0)
    await desk.judge(0, turn=1, score=3)
    await desk.client.post("pictures/0/reveal", json={})
    await desk.judge(0, turn=2, readable=False)
    assert [review.seen_blind for review in desk.log.reviews] == [True, True, False]


async def test_a_sighted_session_says_so_in_every_review(tmp_path: Path) -> None:
    async with served(tmp_path, sighted=True) as desk:
        assert (await desk.get("pictures/1"))["shown"]["score"] == 0.91
        await desk.judge(1)
        assert desk.log.reviews[0].seen_blind is False


async def test_a_judgement_is_written_with_all_that_was_said(desk: Desk) -> None:
    answer = await desk.judge(1, score=2, readable=None, comment="The é is odd.", milliseconds=5_300)
    assert answer.json() == {"total": 3, "judged": 1, "next": 2}
    (review,) = desk.log.reviews
    picture = desk.session.places[1].picture
    assert review == Review(
        id=review_id(picture.render_id, "dana", 0),
        ref=picture.ref,
        render_id=picture.render_id,
        reviewer="dana",
        score=2,
        readable=None,
        seen_blind=True,
        milliseconds=5_300,
        comment="The é is odd.",
    )


async def test_an_answer_that_is_sent_again_is_the_same_review(desk: Desk) -> None:
    for _ in range(3):
        assert (await desk.judge(0)).status_code == 200
    assert len(desk.log.reviews) == 1


async def test_an_answer_whose_writing_failed_keeps_its_id_when_it_is_sent_again(desk: Desk) -> None:
    desk.log.broken = True
    refused = await desk.judge(0)
    assert refused.status_code == 503
    assert "try again" in refused.json()["error"]
    assert (await desk.get("session"))["judged"] == 0
    assert (await desk.judge(0)).status_code == 200
    first, second = desk.log.reviews
    assert first == second
    assert turns(desk.log.reviews, "dana") == {first.render_id: 1}


async def test_going_back_shows_what_was_said_and_a_changed_mind_is_the_next_review(desk: Desk) -> None:
    await desk.judge(0, comment="blurred")
    told = await desk.get("pictures/0")
    assert told["answer"] == {"score": 4, "readable": True, "comment": "blurred"}
    assert told["turn"] == 1
    await desk.judge(0, turn=1, score=1)
    assert [review.score for review in desk.log.reviews] == [4, 1]
    assert len({review.id for review in desk.log.reviews}) == 2
    assert (await desk.get("session"))["judged"] == 1


async def test_two_windows_cannot_overwrite_each_other_unawares(desk: Desk) -> None:
    await desk.judge(0)
    answer = await desk.judge(0, readable=False)
    assert answer.status_code == 409
    assert len(desk.log.reviews) == 1


async def test_judging_again_goes_on_from_the_turns_of_earlier_sessions(tmp_path: Path) -> None:
    async with served(tmp_path, given=2) as desk:
        assert (await desk.get("pictures/0"))["turn"] == 2
        await desk.judge(0, turn=2)
        review = desk.log.reviews[0]
        assert review.id == review_id(review.render_id, "dana", 2)


async def test_skipped_pictures_are_come_back_to(desk: Desk) -> None:
    assert (await desk.judge(1)).json()["next"] == 2
    assert (await desk.judge(2)).json()["next"] is None
    assert (await desk.get("session"))["next"] == 0


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"score": 6}, "$.score"),
        ({"score": None}, "$.score"),
        ({"readable": "yes"}, "$.readable"),
        ({"comment": "x" * 2_001}, "$.comment"),
        ({"milliseconds": -1}, "$.milliseconds"),
        ({"turn": "0"}, "$.turn"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
async def test_an_answer_that_is_none_is_refused_by_its_field(
    desk: Desk, changes: dict[str, object], told: str
) -> None:
    answer = await desk.judge(0, **changes)
    assert answer.status_code == 400
    assert told in answer.json()["error"]
    assert desk.log.reviews == []


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"comment": "\xff"}', b'{"more": ' + b"[" * 30_000, b'{"comment": "\\ud800"}'],
    ids=["nothing", "an array", "no UTF-8", "deep", "half a pair"],
)
async def test_what_is_no_answer_at_all_is_refused(desk: Desk, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = await desk.client.post("pictures/0/review", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("answer: ")
    assert desk.log.reviews == []


async def test_what_was_judged_in_an_earlier_session_is_no_longer_blind(tmp_path: Path) -> None:
    async with served(tmp_path, given=1) as desk:
        await desk.judge(0, turn=1)
        assert [review.seen_blind for review in desk.log.reviews] == [False]


async def test_of_a_picture_that_was_never_scored_the_words_are_unknown_and_not_none(tmp_path: Path) -> None:
    store, pictures = await gallery(tmp_path)
    session = Session("dana", [replace(pictures[0], legibility=None)], {}, Log().write)
    server = PageServer(session, store)
    running = asyncio.create_task(server.run(lambda _address: None))
    async with httpx.AsyncClient(base_url=server.address, trust_env=False) as client:
        assert (await client.get("pictures/0")).json()["texts"] is None
    server.stop()
    await asyncio.wait_for(running, 10)


async def test_told_twice_to_stop_the_server_does_not_wait_for_answers(tmp_path: Path) -> None:
    store, pictures = await gallery(tmp_path)
    asked, never = asyncio.Event(), asyncio.Event()

    async def write(_review: Review) -> None:
        asked.set()
        await never.wait()

    server = PageServer(Session("dana", pictures, {}, write), store)
    running = asyncio.create_task(server.run(lambda _address: None))
    headers = {"origin": server.address.removesuffix(urlsplit(server.address).path)}
    async with httpx.AsyncClient(base_url=server.address, headers=headers, trust_env=False) as client:
        posting = asyncio.create_task(client.post("pictures/0/review", json=GOOD))
        await asyncio.wait_for(asked.wait(), 10)
        server.stop()
        server.stop()
        await asyncio.wait_for(running, DRAIN_S / 2)
        never.set()
        posting.cancel()
        await asyncio.gather(posting, return_exceptions=True)


async def test_an_endless_answer_is_cut_off(desk: Desk) -> None:
    answer = await desk.judge(0, comment="x" * 100_000)
    assert answer.status_code == 413


async def test_pictures_come_from_the_store_checked(desk: Desk, tmp_path: Path) -> None:
    answer = await desk.client.get("pictures/2/image")
    assert answer.content == PNG + b"2"
    assert answer.headers["content-type"] == "image/png"
    image = desk.session.places[2].picture.image
    damage(tmp_path, image.sha256)
    damaged = await desk.client.get("pictures/2/image")
    assert damaged.status_code == 404
    assert "should be" in damaged.json()["error"]


async def test_a_picture_that_can_hold_a_script_is_not_shown(tmp_path: Path) -> None:
    store = AssetStore.open(tmp_path)
    drawn = picture_of(final("1", await stored(store, "1", "image/svg+xml"), reading(0.9)))
    assert drawn is not None
    server = PageServer(Session("dana", [drawn], {}, Log().write), store)
    running = asyncio.create_task(server.run(lambda _address: None))
    async with httpx.AsyncClient(base_url=server.address, trust_env=False) as client:
        assert (await client.get("pictures/0/image")).status_code == 404
    server.stop()
    await asyncio.wait_for(running, 10)


@pytest.mark.parametrize("number", ["3", "-1", "x", "٣", "9" * 5_000], ids=["3", "-1", "x", "Arabic", "huge"])
async def test_there_is_no_other_picture(desk: Desk, number: str) -> None:
    assert (await desk.client.get(f"pictures/{number}")).status_code == 404


async def test_finishing_on_the_page_stops_the_server(tmp_path: Path) -> None:
    store, pictures = await gallery(tmp_path)
    server = PageServer(Session("dana", pictures, {}, Log().write), store)
    running = asyncio.create_task(server.run(lambda _address: None))
    origin = server.address.removesuffix(urlsplit(server.address).path)
    async with httpx.AsyncClient(base_url=server.address, trust_env=False) as client:
        answer = await client.post("finish", json={}, headers={"origin": origin})
    assert answer.json() == {"total": 3, "judged": 0}
    await asyncio.wait_for(running, 10)


async def test_a_port_that_is_taken_is_named(desk: Desk) -> None:
    port = urlsplit(desk.server.address).port
    assert port is not None
    with pytest.raises(PortTaken, match=f"port {port}: cannot be bound"):
        PageServer(desk.session, AssetStore.open("memory://"), port=port)
