"""One transaction at a time on behalf of one input partition: outputs and the offset, or neither."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence

from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from streams.runtime.bounded import within
from streams.runtime.clients import TRANSACTION_MS, Batch, Producer, note_outcome
from streams.runtime.group_offsets import Ending
from streams.runtime.partitioner import partition_for
from streams.runtime.records import Outgoing

logger = logging.getLogger(__name__)
# aiokafka retries for ever inside a transaction; past the broker's own limit it is aborted anyway.
TRANSACTION_S = TRANSACTION_MS / 1_000
CLOSE_S = 5.0


class Transactions:
    """Writes the transactions of the input partition `tp` for `group`.

    After any error the outcome of the transaction is unknown and this object is of no more use: close it,
    make another, and read the committed offset again.
    """

    def __init__(self, tp: TopicPartition, *, group: str, producer: Producer) -> None:
        self._tp = tp
        self._group = group
        self._producer = producer

    async def start(self) -> None:
        """Fences the previous owner and aborts what it left open."""
        await self._producer.start()

    async def settle(self, topics: Iterable[str], ending: Ending) -> None:
        """Ends the last transaction once more, in `topics` and the group's offsets.

        Kafka 4.4 writes no marker to a partition that has no leader at that moment, and calls the
        transaction complete.

        Raises:
            TimeoutError, KafkaError: whether anything was marked is unknown.
        """
        logger.warning("%s: the broker left the last transaction open: %s", self._tp, ending)
        async with asyncio.timeout(TRANSACTION_S):
            await self._producer.end_again(topics, self._group, ending)

    async def commit(self, outputs: Iterable[Outgoing], mark: OffsetAndMetadata) -> None:
        """Makes `outputs` visible and `mark` the group's offset, both or neither.

        Raises:
            TimeoutError, KafkaError: whether the transaction stands is unknown.
        """
        async with asyncio.timeout(TRANSACTION_S):
            await self._producer.begin_transaction()
            self._producer.hush()
            await self._send(outputs)
            await self._producer.send_offsets_to_transaction({self._tp: mark}, self._group)
            await self._producer.commit_transaction()

    async def _send(self, outputs: Iterable[Outgoing]) -> None:
        sent: list[asyncio.Future[object]] = []
        try:
            await self._fill_and_send(outputs, sent)
            await asyncio.gather(*sent)
        except BaseException:
            # Not waited for: without a broker they end with the producer.
            for future in sent:
                future.add_done_callback(note_outcome)
            raise

    async def _fill_and_send(self, outputs: Iterable[Outgoing], sent: list[asyncio.Future[object]]) -> None:
        filling: dict[tuple[str, int], Batch] = {}
        partitions: dict[str, list[int]] = {}
        for output in outputs:
            if output.topic not in partitions:
                partitions[output.topic] = sorted(await self._producer.partitions_for(output.topic))
            place = output.topic, self._partition_of(output, partitions[output.topic])
            batch = filling.get(place)
            if batch is None or not _appended(batch, output):
                if batch is not None:
                    sent.append(await self._producer.send_batch(batch, place[0], partition=place[1]))
                filling[place] = batch = self._producer.create_batch()
                if not _appended(batch, output):
                    raise ValueError(f"an empty batch for {place[0]} refused {output.size} bytes")
        for (topic, partition), batch in filling.items():
            sent.append(await self._producer.send_batch(batch, topic, partition=partition))

    def _partition_of(self, output: Outgoing, partitions: Sequence[int]) -> int:
        count = len(partitions)
        placed = output.in_place or output.key is None
        return partitions[self._tp.partition % count if placed else partition_for(output.key or b"", count)]

    async def close(self) -> None:
        """Ends within seconds, also when no broker answers: an aiokafka producer first flushes, for ever
        where nobody takes it; then only its connections are closed.
        """
        fault = await within(CLOSE_S, self._producer.stop())
        if fault is not None:
            logger.warning("%s: producer closed by force: %r", self._tp, fault)
            await within(CLOSE_S, self._producer.abandon())
        self._producer.hush()


def _appended(batch: Batch, output: Outgoing) -> bool:
    return (
        batch.append(
            timestamp=output.timestamp_ms, key=output.key, value=output.value, headers=output.headers
        )
        is not None
    )
