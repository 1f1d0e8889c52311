"""The example producers and consumers, each language held to the same promises."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its documented place, without __all__
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from schemas.events import PromptRef, Text
from schemas.wire import headers_for, key_for
from tests.conftest import TestTopics
from tests.examples.conftest import Client
from tests.examples.fenced import EXAMPLES
from tests.examples.finals import NOW, picture, publish, result
from tests.examples.prompts import headers_of, prompt_of
from tests.support.kafka import read_until

JAZZ = PromptRef("campaign-tool", "../spring/jazz-17")


@pytest.fixture
def posters(tmp_path: Path) -> Path:
    return tmp_path / "posters"


def committed(client: Client, topics: TestTopics) -> list[int]:
    """The offsets from which the example's group would go on; none for a partition never committed."""
    group = client.shell.env["KAFKA_GROUP_ID"]
    reader = Consumer({"bootstrap.servers": topics.bootstrap, "group.id": group})
    partitions = [TopicPartition(topics.name("results"), number) for number in (0, 1)]
    found = reader.committed(partitions, timeout=30)
    reader.close()
    return [partition.offset for partition in found if partition.offset >= 0]


def test_the_shown_lines_send_a_prompt_and_save_its_poster(
    client: Client, topics: TestTopics, tmp_path: Path
) -> None:
    said = client.follow_page("Send a prompt")
    (message,) = read_until(topics.bootstrap, topics.name("prompts"), bool)
    assert f"offset {message.offset()}" in said
    prompt = prompt_of(message)
    assert prompt.texts == (Text("JAZZ NIGHT"), Text("CAFÉ BLEU"))
    assert message.key() == key_for(prompt)
    sent = headers_of(message)
    assert set(sent) == {name for name, _ in headers_for(prompt, producer="any", time=NOW)}
    assert sent["ce_subject"] == key_for(prompt)

    image = picture(tmp_path / "assets", "navy")
    ref = PromptRef(prompt.source, prompt.id)
    publish(topics.bootstrap, topics.name("results"), [result(ref, image, status="accepted")])
    said = client.follow_page("Save finished posters")
    (saved,) = (client.shell.folder / "out" / "posters").iterdir()
    assert str(saved.relative_to(client.shell.folder)) in said


def test_a_producer_fails_when_the_broker_refuses(client: Client, topics: TestTopics) -> None:
    limit = ConfigEntry("max.message.bytes", "2000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topics.name("prompts"), incremental_configs=[limit])
    admin = AdminClient({"bootstrap.servers": topics.bootstrap})
    for changed in admin.incremental_alter_configs([resource]).values():
        changed.result(30)
    done = client.produce("too-long", "x" * 5_000)
    assert done.returncode != 0
    assert "sent" not in done.stdout
    assert "larger" in done.stderr or "MSG_SIZE_TOO_LARGE" in done.stderr


def test_only_committed_finals_of_the_live_run_are_saved(
    client: Client, topics: TestTopics, tmp_path: Path, posters: Path
) -> None:
    colours = ("navy", "red", "green", "yellow")
    poster, taken_back, preview, replayed = (picture(tmp_path / "assets", colour) for colour in colours)
    replay = PromptRef(JAZZ.source, JAZZ.id, run="replay-7")
    second = PromptRef(JAZZ.source, JAZZ.id, variant=1)
    publish(
        topics.bootstrap,
        topics.name("results"),
        [
            result(JAZZ, preview, status=None),
            result(replay, replayed, status="accepted"),
            result(JAZZ, poster, status="accepted"),
            result(second, None, status="refused", reason="the engine declined the prompt"),
        ],
        taken_back=[result(JAZZ, taken_back, status="accepted")],
    )
    done = client.consume(str(posters), "2")
    assert done.returncode == 0, done.stderr
    (saved,) = posters.iterdir()
    assert saved.name == f"___spring_jazz-17.0.{poster.sha256[:12]}.png"
    assert saved.read_bytes() == Path(poster.uri.removeprefix("file://")).read_bytes()
    assert done.stdout.splitlines() == [
        f"{JAZZ.id} accepted {saved}",
        f"{JAZZ.id} refused the engine declined the prompt",
    ]


def test_a_damaged_picture_is_neither_saved_nor_passed_over(
    client: Client, topics: TestTopics, tmp_path: Path, posters: Path
) -> None:
    image = picture(tmp_path / "assets", "navy")
    stored = Path(image.uri.removeprefix("file://"))
    whole = stored.read_bytes()
    publish(topics.bootstrap, topics.name("results"), [result(JAZZ, image, status="accepted")])

    stored.write_bytes(whole[:-1] + b"\0")
    done = client.consume(str(posters), "1")
    assert done.returncode != 0
    assert f"{image.uri} is not the picture that was promised" in done.stderr
    assert list(posters.iterdir()) == []
    assert committed(client, topics) == []

    stored.write_bytes(whole)
    done = client.consume(str(posters), "1")
    assert done.returncode == 0, done.stderr
    (saved,) = posters.iterdir()
    assert saved.read_bytes() == whole
    # It was the first record of its partition, so the next is 1: the mark of the transaction.
    assert committed(client, topics) == [1]


@pytest.mark.parametrize("script", sorted((EXAMPLES / "python").glob("*.py")), ids=lambda path: path.name)
def test_a_python_example_needs_nothing_but_a_kafka_client(script: Path) -> None:
    imported = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(script.read_text("utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported - sys.stdlib_module_names == {"confluent_kafka"}
