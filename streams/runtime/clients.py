"""One place for every Kafka client's settings."""

from __future__ import annotations

from typing import Any

from schemas.topics import DEAD_LETTERS
from streams.settings import Settings

SESSION_MS = 45_000
HEARTBEAT_MS = 3_000
# Longer than the drain at a rebalance, or the next owner starts while this one still works.
REBALANCE_MS = 90_000
TRANSACTION_MS = 60_000
# Records of the largest topic limit must fit through every client.
REQUEST_BYTES = DEAD_LETTERS.max_message_bytes + 4_096


def connection_options(settings: Settings) -> dict[str, Any]:
    return {"bootstrap_servers": settings.bootstrap, "request_timeout_ms": 40_000}


def consumer_options(settings: Settings) -> dict[str, Any]:
    """A reader of committed records that commits nothing by itself."""
    return {
        **connection_options(settings),
        "enable_auto_commit": False,
        "isolation_level": "read_committed",
        "auto_offset_reset": "earliest",
        "session_timeout_ms": SESSION_MS,
        "heartbeat_interval_ms": HEARTBEAT_MS,
        "rebalance_timeout_ms": REBALANCE_MS,
        "max_poll_interval_ms": 300_000,
        "max_partition_fetch_bytes": REQUEST_BYTES,
        "fetch_max_wait_ms": 200,
    }


def producer_options(settings: Settings) -> dict[str, Any]:
    """Idempotent, all replicas. Give it a `transactional_id` where it writes transactions."""
    return {
        **connection_options(settings),
        "acks": "all",
        "enable_idempotence": True,
        "max_request_size": REQUEST_BYTES,
        "transaction_timeout_ms": TRANSACTION_MS,
        # After a commit the broker writes markers in the background and answers the next transaction with
        # a retriable error; at the default of 100 ms one transaction in ten would wait that long.
        "retry_backoff_ms": 5,
    }
