"""Bugs to plant into the runtime: each is a step of its protocol left out. The simulation must catch them."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced
from aiokafka.structs import OffsetAndMetadata

from streams.runtime import partition
from streams.runtime.group_offsets import Ending
from streams.runtime.keyed import KeyedQueues
from streams.runtime.offsets import OffsetTracker, decode_finished
from streams.runtime.ownership import Ownership
from streams.runtime.partition import PartitionEpoch
from streams.runtime.records import Outgoing
from streams.runtime.resends import Resends
from streams.runtime.transactions import Transactions
from tests.simulation import producer as simulated
from tests.simulation.clients import SimAdmin
from tests.simulation.consumer import SimConsumer
from tests.simulation.producer import SimProducer

Rename = Callable[[str, str], str]
Patches = Callable[[], Iterable[contextlib.AbstractContextManager[Any]]]


@dataclass(frozen=True, slots=True)
class Plant:
    """`rename` gives a producer another transactional id, from its own and the member's name. `harmless`: the
    rest of the protocol makes up for it, and why.
    """

    name: str
    what: str
    patches: Patches = tuple
    rename: Rename | None = None
    harmless: str = ""

    @contextlib.contextmanager
    def planted(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for patch in self.patches():
                stack.enter_context(patch)
            yield


def _replace(owner: object, name: str, value: object) -> Patches:
    return lambda: [mock.patch.object(owner, name, value)]


_commit = Transactions.commit
_start = PartitionEpoch.start
_receive = OffsetTracker.receive
_finish = OffsetTracker.finish


async def _offset_first(self: Transactions, outputs: Iterable[Outgoing], mark: OffsetAndMetadata) -> None:
    await _commit(self, (), mark)
    outputs = list(outputs)
    if outputs:
        await _commit(self, outputs, mark)


async def _outputs_first(self: Transactions, outputs: Iterable[Outgoing], mark: OffsetAndMetadata) -> None:
    producer = self._producer
    await producer.begin_transaction()
    await self._send(outputs)
    await producer.commit_transaction()
    await _commit(self, (), mark)


async def _sent_again(self: Transactions, outputs: Iterable[Outgoing], mark: OffsetAndMetadata) -> None:
    outputs = list(outputs)
    try:
        await _commit(self, outputs, mark)
    except ProducerFenced:
        raise
    except (KafkaError, TimeoutError):
        producer: object = self._producer
        assert isinstance(producer, SimProducer)
        producer.forget()
        await _commit(self, outputs, mark)


async def _empty_is_none(self: Ownership, tp: TopicPartition) -> OffsetAndMetadata | None:
    admin: object = self._admin
    assert isinstance(admin, SimAdmin)
    mark = (await admin.committed(tp)).get(tp)
    return None if mark is None or mark.offset < 0 else mark


async def _from_the_join(
    self: PartitionEpoch,
    consumer: SimConsumer,
    committed: Callable[[TopicPartition], Awaitable[OffsetAndMetadata | None]],
    bounds: Callable[[TopicPartition], Awaitable[tuple[int, int]]],
    *,
    settle: Ending | None,
) -> None:
    at_join = await committed(self.tp)

    async def read_before(_tp: TopicPartition) -> OffsetAndMetadata | None:
        return at_join

    await _start(self, consumer, read_before, bounds, settle=settle)


async def _never_released(self: PartitionEpoch) -> None:
    self.ready = False


def _every_record(self: OffsetTracker, offset: int) -> bool:
    if offset >= self.position:
        return _receive(self, offset)
    return True


def _any_order(self: OffsetTracker, offset: int) -> None:
    with contextlib.suppress(ValueError):
        _finish(self, offset)


class _Newest(OffsetTracker):
    """Says outside of its own sums that all it has received is finished."""

    _own = False

    @property
    def low_water(self) -> int:
        return super().low_water if self._own else self.position

    def finish(self, offset: int) -> None:
        self._own = True
        super().finish(offset)
        self._own = False


PLANTS = {
    plant.name: plant
    for plant in (
        Plant(
            "offset-first",
            "the offset is committed before the outputs, in a transaction of its own",
            _replace(Transactions, "commit", _offset_first),
        ),
        Plant(
            "outputs-first",
            "the outputs are committed before the offset, in a transaction of their own",
            _replace(Transactions, "commit", _outputs_first),
        ),
        Plant(
            "no-position-guard",
            "a record below the position is worked on again",
            lambda: [
                mock.patch.object(OffsetTracker, "receive", _every_record),
                mock.patch.object(OffsetTracker, "finish", _any_order),
            ],
        ),
        Plant(
            "newest-offset",
            "the offset behind the newest record is committed, not the low-water mark",
            _replace(partition, "OffsetTracker", _Newest),
        ),
        Plant(
            "no-read-after-fence",
            "a new owner starts from the offset it read before it fenced the old one",
            _replace(PartitionEpoch, "start", _from_the_join),
        ),
        Plant(
            "id-per-member",
            "each member has transactional ids of its own, so a zombie is never fenced",
            rename=lambda transactional_id, member: f"{transactional_id}-{member}",
        ),
        Plant(
            "never-released",
            "a revoked epoch goes on: its tasks, its commits and its producer",
            _replace(PartitionEpoch, "release", _never_released),
            harmless="the next owner's producer has the same transactional id and fences it",
        ),
        Plant(
            "no-memory",
            "a new owner does not read again what lies below the committed offset",
            _replace(Resends, "reread_from", lambda _self, offset: offset),
        ),
        Plant(
            "finished-ignored",
            "what was finished above the mark is done again by the next owner",
            _replace(partition, "decode_finished", lambda _committed, _metadata: frozenset()),
        ),
        Plant(
            "finished-shifted",
            "the finished set is counted from one offset too high",
            _replace(
                partition,
                "decode_finished",
                lambda committed, metadata: frozenset(at + 1 for at in decode_finished(committed, metadata)),
            ),
        ),
        Plant(
            "no-lines",
            "records of one key run at the same time",
            lambda: [
                mock.patch.object(KeyedQueues, "add", lambda _self, _key, _item: True),
                mock.patch.object(KeyedQueues, "busy", lambda _self, _key: False),
                mock.patch.object(KeyedQueues, "done", lambda _self, _key: None),
            ],
        ),
        Plant(
            "sent-again",
            "a transaction of unknown outcome is taken for aborted and sent again by the same producer",
            _replace(Transactions, "commit", _sent_again),
        ),
        Plant(
            "empty-is-none",
            "no answer about the committed offset is taken for none committed",
            _replace(Ownership, "_committed", _empty_is_none),
        ),
        Plant(
            "retries-inside",
            "the end of a transaction is asked for again under the same epoch, as aiokafka by itself does",
            _replace(simulated, "UNKNOWN", ()),
        ),
    )
}
