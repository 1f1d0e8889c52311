"""The whole line on Apache Kafka, as its users meet it: with another client, and the contract file alone."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema
import pytest
import yaml
from aiokafka import AIOKafkaProducer
from confluent_kafka import KafkaException, Message

import schemas
from inference.engines.emulator.serving import emulator_process
from streams.line import STAGES, run_line
from streams.settings import Settings
from tests.support.kafka import header, produce, read_all, read_until

CONTRACT = yaml.safe_load((Path(schemas.__file__).parent / "asyncapi.yaml").read_text("utf-8"))


@pytest.fixture(scope="module")
def emulator_url() -> Any:
    with emulator_process(pace=0.0) as url:
        yield url


@contextlib.asynccontextmanager
async def line(settings: Settings, stages: Sequence[str] = STAGES) -> AsyncIterator[None]:
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(run_line(settings, stages, stop=stop, ready=ready.set))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    try:
        yield
    finally:
        stop.set()
        await task


def settings_for(topics: Any, folder: Path, emulator_url: str = "") -> Settings:
    return Settings(
        bootstrap=topics.bootstrap,
        topic_prefix=topics.prefix,
        assets=str(folder / "assets"),
        emulator_url=emulator_url,
        sd3_medium="none",
        sd3_local="none",
        drain_seconds=10.0,
    )


def body(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(message.value() or b"{}")
    return found


def finals(messages: Sequence[Message]) -> list[dict[str, Any]]:
    return [each for each in map(body, messages) if each["final"]]


async def wait_for_finals(topics: Any, count: int) -> list[dict[str, Any]]:
    found = await asyncio.to_thread(
        read_until,
        topics.bootstrap,
        topics.prefix + CONTRACT["channels"]["results"]["address"],
        lambda messages: len(finals(messages)) >= count,
    )
    return finals(found)


def resolve(reference: str) -> Any:
    node: Any = CONTRACT
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def payload_schema(channel: str, message: str) -> dict[str, Any]:
    """The payload's JSON Schema, with the contract file as the place its references point to."""
    payload = resolve(resolve(f"#/channels/{channel}/messages/{message}")["$ref"])["payload"]
    return {**CONTRACT, **payload.get("schema", payload)}


def fetch(asset: dict[str, Any]) -> bytes:
    return Path(unquote(urlsplit(asset["uri"]).path)).read_bytes()


async def test_a_stranger_with_the_contract_file_alone_gets_a_finished_picture(
    topics: Any, tmp_path: Path, emulator_url: str
) -> None:
    prompt = {
        "id": "stranger-1",
        "source": "https://example.test/shop",
        "prompt": 'a poster for a jazz night, "BLUE HOUR"',
        "width": 512,
        "height": 512,
        "fast_preview": True,
    }
    jsonschema.validate(prompt, payload_schema("prompts", "prompt"))
    address = topics.prefix + CONTRACT["channels"]["prompts"]["address"]
    produce(topics.bootstrap, address, [(None, json.dumps(prompt).encode(), [])])
    async with line(settings_for(topics, tmp_path, emulator_url)):
        (final,) = await wait_for_finals(topics, 1)
    jsonschema.validate(final, payload_schema("results", "result"))
    assert (final["ref"]["source"], final["ref"]["id"]) == (prompt["source"], prompt["id"])
    assert final["status"] in {"accepted", "best_effort"}
    assert final["emulated"]
    for asset in (final["pictures"]["image"], final["pictures"]["original"]):
        assert hashlib.sha256(fetch(asset)).hexdigest() == asset["sha256"]


def square(id: str, **fields: Any) -> tuple[bytes | None, bytes, list[tuple[str, bytes]]]:
    prompt = {"id": id, "source": "shop", "prompt": 'a "SALE" sign', "width": 256, "height": 256, **fields}
    return None, json.dumps(prompt).encode(), []


async def test_a_prompt_sent_again_is_drawn_and_answered_once_also_after_a_restart(
    topics: Any, tmp_path: Path, emulator_url: str
) -> None:
    address, settings = topics.prefix + "prompts", settings_for(topics, tmp_path, emulator_url)
    again = square("again")
    produce(topics.bootstrap, address, [again, again, again, square("second", tags=["layout-only"])])
    async with line(settings):
        await wait_for_finals(topics, 2)
    produce(topics.bootstrap, address, [again, square("third", tags=["layout-only"])])
    async with line(settings):
        await wait_for_finals(topics, 3)
    found = finals(read_all(topics.bootstrap, topics.prefix + "results"))
    assert sorted(final["ref"]["id"] for final in found) == ["again", "second", "third"]
    renders = [body(message)["job"] for message in read_all(topics.bootstrap, topics.prefix + "renders")]
    attempts = [(job["ref"]["id"], job["ordinal"]) for job in renders]
    assert len(attempts) == len(set(attempts))


LONG = 900_000
BAD_EVENTS: list[tuple[str, bytes | None, list[tuple[str, bytes]], str, bool]] = [
    # why it is bad, value, headers, what the message names, whether source and id can be read
    ("not JSON", b"{oops", [], "JSON", False),
    ("wrong type", b'{"id":"b1","source":"shop","prompt":"x","steps":"many"}', [], "steps", True),
    ("out of bounds", b'{"id":"b2","source":"shop","prompt":"x","width":8}', [], "width", True),
    (
        "unknown version",
        b'{"id":"b3","source":"shop","prompt":"x"}',
        [("ce_type", b"glyphstream.prompt.v9")],
        "ce_type",
        True,
    ),
    ("null value", None, [], "value", False),
    (
        "900 KB",
        json.dumps({"id": "b4", "source": "shop", "prompt": "x" * LONG}).encode(),
        [],
        "prompt",
        True,
    ),
]


async def test_bad_events_are_answered_by_name_and_everything_behind_them_flows(
    topics: Any, tmp_path: Path
) -> None:
    address = topics.prefix + "prompts"
    rows = [(b"key", value, headers) for _, value, headers, _, _ in BAD_EVENTS]
    good = {
        "id": "good",
        "source": "shop",
        "prompt": "x",
        "tags": ["layout-only"],
        "width": 256,
        "height": 256,
    }
    rows += [(None, b"no key, no JSON", []), (b"key", json.dumps(good).encode(), [])]
    produce(topics.bootstrap, address, rows)
    with pytest.raises(KafkaException, match=r"(?i)too large|size"):
        produce(topics.bootstrap, address, [(b"key", b"x" * 10_000_000, [])])
    named = [value for _, value, _, _, readable in BAD_EVENTS if readable]
    async with line(settings_for(topics, tmp_path)):
        found = await wait_for_finals(topics, len(named) + 1)
    statuses = {final["ref"]["id"]: final["status"] for final in found}
    assert statuses == {"b1": "failed", "b2": "failed", "b3": "failed", "b4": "failed", "good": "accepted"}
    letters = {
        letter.value(): letter for letter in read_all(topics.bootstrap, topics.prefix + "dead-letters")
    }
    assert len(letters) == len(BAD_EVENTS) + 1
    for why, value, _, name, _ in BAD_EVENTS:
        assert name in header(letters[value], "x-error-message"), why
        assert letters[value].key() == b"key"


async def test_a_prompt_that_only_compression_let_through_is_kept_and_those_behind_it_flow(
    topics: Any, tmp_path: Path
) -> None:
    """Kafka checks the compressed batch: ten megabytes of one letter pass a limit of one."""
    bomb = json.dumps({"id": "bomb", "source": "shop", "prompt": "x" * 10_000_000}).encode()
    async with AIOKafkaProducer(
        bootstrap_servers=topics.bootstrap, compression_type="gzip", max_request_size=20_000_000
    ) as producer:
        await producer.send_and_wait(topics.prefix + "prompts", bomb, b"key")
    _, good, _ = square("good", tags=["layout-only"])
    produce(topics.bootstrap, topics.prefix + "prompts", [(b"key", good, [])])
    async with line(settings_for(topics, tmp_path)):
        found = await wait_for_finals(topics, 2)
    assert {final["ref"]["id"]: final["status"] for final in found} == {"bomb": "failed", "good": "accepted"}
    (letter,) = read_all(topics.bootstrap, topics.prefix + "dead-letters")
    stored = fetch({"uri": header(letter, "x-claim-uri")})
    assert hashlib.sha256(stored).hexdigest() == header(letter, "x-claim-sha256")
    assert base64.b64decode(json.loads(stored)["value"]) == bomb


async def test_variants_and_locales_each_get_a_final_of_their_own(topics: Any, tmp_path: Path) -> None:
    prompt = {
        "id": "ab",
        "source": "shop",
        "prompt": "a shop window",
        "variants": 2,
        "locales": ["en", "fr"],
        "texts": [{"text": "SALE", "locale": "en"}, {"text": "SOLDES", "locale": "fr"}],
        "tags": ["layout-only"],
        "width": 256,
        "height": 256,
    }
    produce(topics.bootstrap, topics.prefix + "prompts", [(None, json.dumps(prompt).encode(), [])])
    async with line(settings_for(topics, tmp_path)):
        found = await wait_for_finals(topics, 4)
    assert sorted((final["ref"]["variant"], final["locale"]) for final in found) == [
        (0, "en"),
        (1, "en"),
        (2, "fr"),
        (3, "fr"),
    ]
    assert all(final["status"] == "accepted" for final in found)
    assert len({final["pictures"]["image"]["sha256"] for final in found}) == 4
