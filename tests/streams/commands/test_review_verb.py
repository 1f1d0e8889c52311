"""review: what is refused before Kafka is asked, and the whole way on Apache Kafka itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import httpx
import pytest

from inference.assets import AssetStore
from schemas.events import Result, Review, Status
from schemas.ids import digest
from schemas.topics import RESULTS, REVIEWS
from schemas.wire import decode, encode, key_for
from streams.cli import main
from streams.commands.review import command
from tests.conftest import TestTopics
from tests.support.kafka import Row, header, produce, read_all
from tests.support.reviews import final, reading, stored

START_S = 60.0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--previews", "--only", "accepted"), "leave one out"),
        (("--only", "fine"), "'fine' is not one of"),
        (("--sample", "0"), "0 is not in the range"),
        (("--reviewer", " "), "give 1 to 200"),
        (("--reviewer", "x" * 201), "has 201 characters"),
        (("--reviewer", "\udcff"), "is no UTF-8"),
        (("--sample", "3", "compare"), "--sample belongs to `review` alone"),
        (("compare", "--seed", "-1"), "-1 is not in the range"),
        (("compares",), "compares"),
    ],
    ids=["previews", "status", "sample", "nameless", "name", "bytes", "compare", "seed", "mistyped"],
)
def test_what_cannot_be_honoured_is_refused(
    arguments: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["review", *arguments, "--bootstrap", "127.0.0.1:1"])
    assert left.value.code == 2
    assert told in capsys.readouterr().err


def test_the_verb_and_its_options_are_explained_though_it_is_a_group() -> None:
    unexplained = [each.name for each in command.params if isinstance(each, click.Option) and not each.help]
    assert unexplained == []
    told = command.get_help(click.Context(command, info_name="review"))
    assert "Examples:\n  glyphstream review" in told
    assert "Exit codes:" in told


async def finals(folder: Path) -> list[Result]:
    """Four finals, the last of which is not accepted, a preview, and a final without a picture."""
    store = AssetStore.open(folder)
    said: tuple[tuple[str, float, Status | None], ...] = (
        ("1", 0.99, "accepted"),
        ("2", 0.98, "accepted"),
        ("3", 0.97, "accepted"),
        ("4", 0.30, "needs_review"),
        ("5", 0.50, None),
    )
    made = [
        final(name, await stored(store, name), reading(score), status=status) for name, score, status in said
    ]
    return [*made, Result(id="none", ref=made[0].ref, final=True, status="refused")]


def write(topics: TestTopics, results: list[Result]) -> None:
    rows: list[Row] = [(key_for(each), encode(each), []) for each in results]
    produce(topics.bootstrap, topics.name(RESULTS.name), [*rows, (b"k", b"no result", [])])


@contextlib.asynccontextmanager
async def reviewing(topics: TestTopics, assets: Path, *more: str) -> AsyncIterator[httpx.AsyncClient]:
    """A session of the command itself, which a Ctrl-C ends; it leaves with 0."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "streams.cli", "review", *more, *places(topics, assets),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    try:
        address = (await asyncio.wait_for(child.stdout.readline(), START_S)).decode().strip()
        if not address:
            _, said = await child.communicate()
            pytest.fail(said.decode())
        headers = {"origin": "http://" + urlsplit(address).netloc}
        async with httpx.AsyncClient(base_url=address, headers=headers, trust_env=False) as client:
            yield client
        child.send_signal(signal.SIGINT)
        _, said = await asyncio.wait_for(child.communicate(), START_S)
        assert child.returncode == 0, said.decode()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


def places(topics: TestTopics, assets: Path) -> list[str]:
    return ["--bootstrap", topics.bootstrap, "--topic-prefix", topics.prefix, "--assets", str(assets)]


async def call(topics: TestTopics, assets: Path, *arguments: str) -> int:
    """The exit code; in a thread, since a verb has an event loop of its own."""

    def run() -> int:
        with pytest.raises(SystemExit) as left:
            main([*arguments, *places(topics, assets)])
        assert isinstance(left.value.code, int)
        return left.value.code

    return await asyncio.to_thread(run)


async def judge(client: httpx.AsyncClient, wrong: bytes, *, score: int) -> None:
    """Judges what is left: everything can be read but the picture with those bytes."""
    number: int | None = (await client.get("session")).json()["next"]
    while number is not None:
        picture = (await client.get(f"pictures/{number}/image")).content
        turn = (await client.get(f"pictures/{number}")).json()["turn"]
        answer = {
            "turn": turn,
            "score": score,
            "readable": not picture.endswith(wrong),
            "milliseconds": 1_500,
        }
        told = await client.post(f"pictures/{number}/review", json=answer)
        assert told.status_code == 200, told.text
        number = told.json()["next"]


async def test_what_people_say_on_the_page_is_written_left_out_next_time_and_compared(
    topics: TestTopics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assets = tmp_path / "assets"
    write(topics, await finals(assets))

    async with reviewing(topics, assets, "--reviewer", "dana", "--only", "accepted") as client:
        assert (await client.get("session")).json()["total"] == 3
        await judge(client, b"2", score=5)
    async with reviewing(topics, assets, "--reviewer", "dana") as client:
        assert (await client.get("session")).json() == {
            "reviewer": "dana", "sighted": False, "next": 0, "total": 1, "judged": 0
        }  # fmt: skip
        await judge(client, b"4", score=1)
    async with reviewing(topics, assets, "--reviewer", "lee", "--previews") as client:
        assert (await client.get("session")).json()["total"] == 5
        await judge(client, b"4", score=4)
    assert await call(topics, assets, "review", "--reviewer", "dana") == 0
    assert "dana has judged all 4" in capsys.readouterr().err

    messages = read_all(topics.bootstrap, topics.name(REVIEWS.name))
    reviews = [decode(Review, message.value(), message.headers() or ()) for message in messages]  # type: ignore[arg-type]  # the stubs tell what may be sent
    assert len({review.id for review in reviews}) == len(reviews) == 9
    for message, review in zip(messages, reviews, strict=True):
        assert message.key() == key_for(review)
        assert (header(message, "ce_id"), header(message, "ce_source")) == (review.id, "glyphstream/review")
        assert header(message, "ce_type") == "glyphstream.review.v1"
        assert (review.seen_blind, review.milliseconds) == (True, 1_500)

    assert await call(topics, assets, "review", "compare", "--json") == 0
    told = last_json(capsys)
    assert (told["reviews"], told["pictures"], told["unknown"]) == (9, 5, 0)
    # Dana and Lee differ over picture 2, so people have no word on it.
    assert (told["undecided"], told["automatic"]["pictures"]) == (1, 4)
    assert told["people"]["readable"]["same"]["value"] == 0.75
    table = [
        told["automatic"][f"{ours}_{theirs}"]
        for ours in ("accepted", "rejected")
        for theirs in ("readable", "unreadable")
    ]
    assert table == [2, 0, 1, 1]
    (wrong,) = told["automatic"]["false_rejects"]
    assert (wrong["id"], wrong["render_id"]) == ("5", digest("test render", "5"))
    assert wrong["uri"].startswith("file://")

    assert await call(topics, assets, "review", "compare", "--reviewer", "dana") == 0
    shown = capsys.readouterr().out
    assert "Accepted, but people cannot read it" in shown
    assert "with 4 pictures (2 readable, 2 not) nothing can be told yet of the threshold 0.85" in shown

    assert await call(topics, assets, "review", "compare", "--reviewer", "dnaa") == 2
    assert "dnaa has judged nothing; there are reviews by dana, lee" in capsys.readouterr().err


async def test_nothing_to_judge_and_nothing_to_compare_are_said_and_no_fault(
    topics: TestTopics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await call(topics, tmp_path, "review") == 0
    assert "there are no pictures in `results` yet" in capsys.readouterr().err
    assert await call(topics, tmp_path, "review", "compare") == 0
    assert "nothing to compare yet" in capsys.readouterr().out


async def test_another_asset_store_than_the_lines_is_noticed_at_once(
    topics: TestTopics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(topics, await finals(tmp_path / "assets"))
    assert await call(topics, tmp_path / "elsewhere", "review") == 1
    assert "is --assets the store that the line writes to?" in capsys.readouterr().err


def lose(folder: Path, results: list[Result]) -> None:
    for result in results:
        assert result.pictures is not None
        next(folder.rglob(f"{result.pictures.image.sha256}.png")).unlink()


async def test_a_picture_that_was_lost_keeps_nobody_from_judging_the_others(
    topics: TestTopics, tmp_path: Path
) -> None:
    results = await finals(tmp_path)
    write(topics, results)
    # Whichever comes first, most are gone.
    lose(tmp_path, results[:3])
    async with reviewing(topics, tmp_path, "--reviewer", "dana") as client:
        told = await client.get("session")
        assert told.json()["total"] == 4


def last_json(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out.splitlines()[-1])
