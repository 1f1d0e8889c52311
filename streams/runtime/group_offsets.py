"""How a partition's last owner left it: the group's offset, and how its last transaction ended.

The offset is asked for as KIP-447 has it: never one that a pending transaction may still change.
aiokafka asks for offsets in version 3 at most, which answers with the last offset that stands; a newer one
whose transaction is decided but not yet marked would be passed over, and its records done twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)
from aiokafka.structs import OffsetAndMetadata

OFFSET_FETCH = 9
# The first version that knows `require_stable` (https://kafka.apache.org/protocol#The_Messages_OffsetFetch).
STABLE_SINCE = 7
# aiokafka has no names for these.
UNSTABLE_OFFSET_COMMIT = 88
DESCRIBE_TRANSACTIONS = 65
TRANSACTIONAL_ID_NOT_FOUND = 105
_TRANSACTION_COORDINATOR = 1

Ending = Literal["commit", "abort"]
# The coordinator's states (KIP-664). What is still open the fence aborts.
_ENDINGS: Mapping[str, Ending] = {
    "PrepareCommit": "commit",
    "CompleteCommit": "commit",
    "Ongoing": "abort",
    "PrepareAbort": "abort",
    "CompleteAbort": "abort",
    "PrepareEpochFence": "abort",
}


class UnstableOffset(KafkaError):  # type: ignore[misc]  # aiokafka has no types
    """A transaction whose outcome the group's coordinator does not know yet may move the offset."""

    retriable = True


class StableOffsetResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = OFFSET_FETCH
    API_VERSION = STABLE_SINCE
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("name", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(
                        ("partition_index", Int32),
                        ("committed_offset", Int64),
                        ("committed_leader_epoch", Int32),
                        ("metadata", CompactString("utf-8")),
                        ("error_code", Int16),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("error_code", Int16),
        ("tags", TaggedFields),
    )


class StableOffsetStruct(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    FLEXIBLE_VERSION = True
    API_KEY = OFFSET_FETCH
    API_VERSION = STABLE_SINCE
    RESPONSE_TYPE = StableOffsetResponse
    SCHEMA = Schema(
        ("group_id", CompactString("utf-8")),
        (
            "topics",
            CompactArray(
                ("name", CompactString("utf-8")),
                ("partition_indexes", CompactArray(Int32)),
                ("tags", TaggedFields),
            ),
        ),
        ("require_stable", Boolean),
        ("tags", TaggedFields),
    )


class StableOffsetRequest(Request[StableOffsetStruct]):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = OFFSET_FETCH

    def __init__(self, group: str, tp: TopicPartition) -> None:
        self._group = group
        self._tp = tp

    def build(self, request_struct_class: type[StableOffsetStruct]) -> StableOffsetStruct:
        return request_struct_class(self._group, [(self._tp.topic, [self._tp.partition], {})], True, {})


def offset_in(response: StableOffsetResponse, tp: TopicPartition) -> OffsetAndMetadata | None:
    """What the group has committed for `tp`; None where it never did.

    Raises:
        UnstableOffset: it may still move.
        KafkaError: the coordinator's own, such as that it still loads; or it said nothing of `tp`.
    """
    _raise_for(response.error_code, tp)
    for topic, partitions, _tags in response.topics:
        for partition, offset, _leader_epoch, metadata, error_code, _ in partitions:
            if (topic, partition) == tp:
                _raise_for(error_code, tp)
                return None if offset < 0 else OffsetAndMetadata(offset, metadata or "")
    # Taken for "never committed", all of the partition would be done again.
    raise KafkaError(f"no answer about {tp} from the coordinator of the group")


def _raise_for(code: int, tp: TopicPartition) -> None:
    if code == UNSTABLE_OFFSET_COMMIT:
        raise UnstableOffset(f"a transaction that may move the offset of {tp} has no outcome yet")
    if code:
        raise for_code(code)(f"the committed offset of {tp} cannot be read")


class TransactionsResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = DESCRIBE_TRANSACTIONS
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "transaction_states",
            CompactArray(
                ("error_code", Int16),
                ("transactional_id", CompactString("utf-8")),
                ("transaction_state", CompactString("utf-8")),
                ("transaction_timeout_ms", Int32),
                ("transaction_start_time_ms", Int64),
                ("producer_id", Int64),
                ("producer_epoch", Int16),
                (
                    "topics",
                    CompactArray(
                        ("topic", CompactString("utf-8")),
                        ("partitions", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class TransactionsStruct(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    FLEXIBLE_VERSION = True
    API_KEY = DESCRIBE_TRANSACTIONS
    API_VERSION = 0
    RESPONSE_TYPE = TransactionsResponse
    SCHEMA = Schema(("transactional_ids", CompactArray(CompactString("utf-8"))), ("tags", TaggedFields))


class TransactionsRequest(Request[TransactionsStruct]):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = DESCRIBE_TRANSACTIONS

    def __init__(self, transactional_id: str) -> None:
        self._id = transactional_id

    def build(self, request_struct_class: type[TransactionsStruct]) -> TransactionsStruct:
        return request_struct_class([self._id], {})


def ending_in(response: TransactionsResponse) -> Ending | None:
    """How the last transaction ended, or will when its id is fenced; None where nothing is known of it.

    Raises:
        KafkaError: the coordinator's own, such as that it still loads.
    """
    for code, name, state, *_ in response.transaction_states:
        if code == TRANSACTIONAL_ID_NOT_FOUND:
            return None
        if code:
            raise for_code(code)(f"the state of transactional id {name} cannot be read")
        return _ENDINGS.get(state)
    return None


class GroupAdmin(AIOKafkaAdminClient):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka's admin client, which can also ask for what an owner needs to know. Kafka 3.0 or newer."""

    async def stable_offset(self, group: str, tp: TopicPartition) -> OffsetAndMetadata | None:
        """One attempt; see `offset_in`."""
        coordinator = await self.find_coordinator(group)
        return offset_in(await self._send_request(StableOffsetRequest(group, tp), coordinator), tp)

    async def last_ending(self, transactional_id: str) -> Ending | None:
        """One attempt; see `ending_in`. To be asked before the id is fenced, which takes the state away."""
        coordinator = await self.find_coordinator(transactional_id, _TRANSACTION_COORDINATOR)
        return ending_in(await self._send_request(TransactionsRequest(transactional_id), coordinator))
