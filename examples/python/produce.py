"""Sends one prompt to glyphstream. Needs confluent-kafka and nothing of glyphstream's.

    python produce.py spring-jazz-17 "A concert poster at dusk" "JAZZ NIGHT" "Friday 1 May"

The id is yours to choose. Sending the same id again, after any error, makes no second picture.
"""

import argparse
import json
import os
from datetime import UTC, datetime

from confluent_kafka import KafkaError, KafkaException, Message, Producer

BOOTSTRAP = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")
TOPIC = os.environ.get("GLYPHSTREAM_TOPIC_PREFIX", "") + "prompts"
SOURCE = "campaign-tool"  # your service; ids are unique within it


def main() -> None:
    parser = argparse.ArgumentParser(description="Send one prompt to glyphstream.")
    parser.add_argument("id")
    parser.add_argument("prompt", help="what the picture shows")
    parser.add_argument("texts", nargs="*", help="words that must be readable in it")
    args = parser.parse_args()

    prompt = {
        "id": args.id,
        "source": SOURCE,
        "prompt": args.prompt,
        "texts": [{"text": text} for text in args.texts],
    }  # all other fields are optional: schemas/asyncapi.yaml
    key = json.dumps([SOURCE, args.id], ensure_ascii=False, separators=(",", ":"))
    headers = {
        "ce_specversion": "1.0",
        "ce_type": "glyphstream.prompt.v1",
        "ce_source": SOURCE,
        "ce_id": args.id,
        "ce_time": datetime.now(UTC).isoformat(),
        "ce_subject": key,
        "content-type": "application/json",
    }

    producer = Producer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "acks": "all",
            "enable.idempotence": True,
            "delivery.timeout.ms": 30_000,
        }
    )
    value = json.dumps(prompt, ensure_ascii=False)
    producer.produce(TOPIC, key=key, value=value, headers=list(headers.items()), on_delivery=delivered)
    producer.flush()


def delivered(error: KafkaError | None, message: Message) -> None:
    if error is not None:
        raise KafkaException(error)  # comes out of flush()
    print(f"sent to {message.topic()}, partition {message.partition()}, offset {message.offset()}")


if __name__ == "__main__":
    main()
