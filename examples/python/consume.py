"""Saves the picture of every final result. Needs confluent-kafka and nothing of glyphstream's.

    python consume.py posters        until Ctrl-C
    python consume.py posters 1      ends after one final

Killed anywhere, it carries on where it was: a picture is on disk before its offset is committed.
"""

import argparse
import hashlib
import json
import os
import re
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message

BOOTSTRAP = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")
TOPIC = os.environ.get("GLYPHSTREAM_TOPIC_PREFIX", "") + "results"
GROUP = os.environ.get("KAFKA_GROUP_ID", "poster-archive")  # your service; its members share the work


def main() -> None:
    parser = argparse.ArgumentParser(description="Save the picture of every final result.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("finals", type=int, nargs="?", help="end after so many; never by default")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)

    consumer = Consumer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "group.id": GROUP,
            "isolation.level": "read_committed",  # else you see results that were taken back
            "auto.offset.reset": "earliest",  # a new group misses nothing
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([TOPIC])
    try:
        with suppress(KeyboardInterrupt):
            for message, result in islice(finals(consumer), args.finals):
                print(result["ref"]["id"], result["status"], save(result, args.folder), flush=True)
                consumer.commit(message=message, asynchronous=False)
    finally:
        consumer.close()


def finals(consumer: Consumer) -> Iterator[tuple[Message, dict[str, Any]]]:
    """Every prompt ends in exactly one of these for each variant; previews and replays pass by."""
    while True:
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            raise KafkaException(message.error())
        result = json.loads(message.value() or b"")
        if result["final"] and result["ref"]["run"] == "live":
            yield message, result


def save(result: dict[str, Any], folder: Path) -> str:
    """The file, or why there is none (refused, failed, expired...). Saving twice does no harm."""
    if not result["pictures"]:
        return str(result["reason"])
    image = result["pictures"]["image"]
    # file: and http(s): as they are; s3:, gs: and az: take your cloud's own client here.
    with urllib.request.urlopen(image["uri"]) as answer:
        data = answer.read()
    if hashlib.sha256(data).hexdigest() != image["sha256"]:
        raise SystemExit(f"{image['uri']} is not the picture that was promised; its offset stays uncommitted")
    ref = result["ref"]
    name = re.sub("[^A-Za-z0-9-]", "_", ref["id"])[:40]  # an id may hold anything, slashes too
    path = folder / f"{name}.{ref['variant']}.{image['sha256'][:12]}.png"
    path.write_bytes(data)
    return str(path)


if __name__ == "__main__":
    main()
