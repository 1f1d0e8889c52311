"""Contestant: FastStream on aiokafka, at-least-once, which is the most it has; raw bytes in and out.

single     one record a call, acknowledged after it, each output awaited: the documented way
batch      a batch a call, its outputs published concurrently, then acknowledged
publish    a batch a call, outputs by `publish_batch`: one set of headers for all, so less than the job
"""

from __future__ import annotations

import argparse
import asyncio
import collections
from collections.abc import Sequence
from typing import Any

from aiokafka.partitioner import murmur2
from faststream import AckPolicy, FastStream  # type: ignore[import-not-found]  # in the rivals' environment
from faststream.kafka import (  # type: ignore[import-not-found]  # as above
    KafkaBroker,
    KafkaMessage,
    KafkaPublishMessage,
)

from schemas.topics import PROMPTS
from tests.bench.job import JOB_TOPICS, Job, Router, group_of

PARTITIONS = 4


class Program:
    def __init__(self, options: argparse.Namespace) -> None:
        self._prefix = options.prefix
        self._router = Router()
        self._options = options
        self.broker = KafkaBroker(
            options.bootstrap,
            acks="all",
            linger_ms=options.linger_ms,
            # `publish_batch` fails where its batch is larger, and ACK acknowledges what failed.
            max_batch_size=1_000_000,
            logger=None,
        )
        ways = {"single": self._single, "batch": self._batch, "publish": self._publish}
        batching = {} if options.way == "single" else {"batch": True, "max_records": options.batch}
        self.broker.subscriber(
            options.prefix + PROMPTS.name,
            group_id=group_of(options.prefix),
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            ack_policy=AckPolicy.ACK,
            fetch_max_wait_ms=200,
            decoder=_bytes,
            **batching,
        )(ways[options.way])
        self._publishers = {
            topic.name: self.broker.publisher(options.prefix + topic.name) for topic in JOB_TOPICS
        }

    async def _single(self, message: KafkaMessage) -> None:
        record = message.raw_message
        for job in self._router.jobs(record.value, record.headers):
            await self._send(job)

    async def _batch(self, message: KafkaMessage) -> None:
        jobs = self._jobs(message.raw_message)
        await asyncio.gather(*(self._send(job) for job in jobs))

    async def _publish(self, message: KafkaMessage) -> None:
        places: dict[tuple[str, int], list[KafkaPublishMessage]] = collections.defaultdict(list)
        for job in self._jobs(message.raw_message):
            place = job.topic, (murmur2(job.key) & 0x7FFFFFFF) % PARTITIONS
            places[place].append(KafkaPublishMessage(job.value, key=job.key))
        headers = {"ce_specversion": "1.0", "content-type": "application/json"}
        await asyncio.gather(
            *(
                self.broker.publish_batch(
                    *messages, topic=self._prefix + topic, partition=partition, headers=headers
                )
                for (topic, partition), messages in places.items()
            )
        )

    def _jobs(self, records: Sequence[Any]) -> list[Job]:
        return [job for record in records for job in self._router.jobs(record.value, record.headers)]

    async def _send(self, job: Job) -> None:
        headers = {name: value.decode() for name, value in job.headers}
        await self._publishers[job.topic].publish(job.value, key=job.key, headers=headers)


async def _bytes(message: KafkaMessage) -> object:
    return message.body


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--way", choices=("single", "batch", "publish"), default="single")
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--linger-ms", type=int, default=0)
    program = Program(parser.parse_args())
    asyncio.run(FastStream(program.broker, logger=None).run())
