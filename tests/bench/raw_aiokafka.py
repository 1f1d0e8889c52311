"""Contestant: raw aiokafka, exactly-once while nothing goes wrong.

A transactional id for each input partition and the product's own client settings; no resends dropped, no
order kept, no retries, no dead letters, no fencing protocol. With `--copy` not even the job: each record
becomes one output of the given size, which is what a bare transaction costs.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Callable, Sequence
from typing import Any, Literal

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.partitioner import murmur2

from schemas.topics import PROMPTS
from streams.runtime.clients import consumer_options, producer_options
from streams.settings import Settings
from tests.bench.job import Job, Router, group_of
from tests.bench.workload import prompt, row

Work = Callable[[Any], list[Job]]
Way = Literal["send", "batch"]


def job_work() -> Work:
    router = Router()
    return lambda record: router.jobs(record.value, record.headers)


def copy_work() -> Work:
    """Outputs of the jobs' sizes, headers included, under the input's key, in both topics by turns."""
    router = Router()
    rows = (row(prompt(number)) for number in range(2))
    jobs = [job for each in rows for job in router.jobs(each.value, each.headers)]

    def copy(record: Any) -> list[Job]:
        job = jobs[record.offset % len(jobs)]
        return [Job(job.topic, record.key, job.value, job.headers)]

    return copy


class Program:
    def __init__(self, bootstrap: str, prefix: str, *, batch: int, way: Way, work: Work) -> None:
        self._settings = Settings(bootstrap=bootstrap, topic_prefix=prefix)
        self._prefix, self._batch, self._way, self._work = prefix, batch, way, work
        self._group = group_of(prefix)
        self._partitions: dict[str, list[int]] = {}
        self._consumer = AIOKafkaConsumer(group_id=self._group, **consumer_options(self._settings))

    async def run(self, stop: asyncio.Event) -> None:
        await self._consumer.start()
        self._consumer.subscribe([self._prefix + PROMPTS.name])
        try:
            while not self._consumer.assignment():
                await self._consumer.getmany(timeout_ms=50)
            async with asyncio.TaskGroup() as group:
                for tp in self._consumer.assignment():
                    group.create_task(self._serve(tp, stop))
        finally:
            await self._consumer.stop()

    async def _serve(self, tp: TopicPartition, stop: asyncio.Event) -> None:
        name = f"{self._group}-{tp.topic}-{tp.partition}"
        producer = AIOKafkaProducer(transactional_id=name, **producer_options(self._settings))
        await producer.start()
        send = self._send_batches if self._way == "batch" else self._send
        try:
            while not stop.is_set():
                fetched = await self._consumer.getmany(tp, timeout_ms=200, max_records=self._batch)
                records = fetched.get(tp)
                if not records:
                    continue
                await producer.begin_transaction()
                await send(producer, records)
                offsets = {tp: records[-1].offset + 1}
                await producer.send_offsets_to_transaction(offsets, self._group)
                await producer.commit_transaction()
        finally:
            await producer.stop()

    async def _send(self, producer: AIOKafkaProducer, records: Sequence[Any]) -> None:
        sent = [
            await producer.send(self._prefix + job.topic, job.value, key=job.key, headers=job.headers)
            for record in records
            for job in self._work(record)
        ]
        await asyncio.gather(*sent)

    async def _send_batches(self, producer: AIOKafkaProducer, records: Sequence[Any]) -> None:
        filling: dict[tuple[str, int], Any] = {}
        sent = []
        for record in records:
            for job in self._work(record):
                place = await self._place(producer, job)
                batch = filling.get(place)
                if batch is None or not _appended(batch, job):
                    if batch is not None:
                        sent.append(await producer.send_batch(batch, place[0], partition=place[1]))
                    filling[place] = batch = producer.create_batch()
                    if not _appended(batch, job):
                        raise ValueError(f"an empty batch refused {len(job.value)} bytes")
        for (topic, partition), batch in filling.items():
            sent.append(await producer.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*sent)

    async def _place(self, producer: AIOKafkaProducer, job: Job) -> tuple[str, int]:
        topic = self._prefix + job.topic
        if topic not in self._partitions:
            self._partitions[topic] = sorted(await producer.partitions_for(topic))
        partitions = self._partitions[topic]
        return topic, partitions[(murmur2(job.key) & 0x7FFFFFFF) % len(partitions)]


def _appended(batch: Any, job: Job) -> bool:
    return batch.append(timestamp=None, key=job.key, value=job.value, headers=job.headers) is not None


async def _main(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    work = copy_work() if options.copy else job_work()
    await Program(options.bootstrap, options.prefix, batch=options.batch, way=options.way, work=work).run(
        stop
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--batch", type=int, default=1_000, help="records a transaction, at most")
    parser.add_argument("--way", choices=("send", "batch"), default="send")
    parser.add_argument("--copy", action="store_true")
    asyncio.run(_main(parser.parse_args()))
