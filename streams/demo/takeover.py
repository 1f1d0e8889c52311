"""Takes the members of killed runs out of the stages' groups.

A killed process never says goodbye, and until its session ends (45 s) the group waits for it at every
rebalance. Of a run of ours nobody else can be alive: its folder is claimed and its groups are its own.
"""

from __future__ import annotations

import asyncio
import logging

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.group import LeaveGroupRequest

from streams.runtime.clients import connection_options
from streams.settings import Settings

LONGEST_S = 20.0
AGAIN_S = 0.2

_log = logging.getLogger(__name__)


async def evict_members(settings: Settings, *, prefix: str) -> int:
    """How many members were taken out of the groups whose names begin with `prefix`.

    Only saves waiting: where the cluster does not let us, the sessions run out by themselves.
    """
    admin = AIOKafkaAdminClient(**connection_options(settings))
    client = AIOKafkaClient(bootstrap_servers=settings.bootstrap)
    try:
        async with asyncio.timeout(LONGEST_S):
            await admin.start()
            await client.bootstrap()
            return await _evict_all(admin, client, prefix)
    except (KafkaError, TimeoutError) as error:
        _log.warning("members of killed runs could not be evicted: %r", error)
        return 0
    finally:
        await client.close()
        await admin.close()


async def _evict_all(admin: AIOKafkaAdminClient, client: AIOKafkaClient, prefix: str) -> int:
    while True:
        try:
            groups = [name for name, *_ in await admin.list_consumer_groups() if name.startswith(prefix)]
            return sum([await _evict(admin, client, group) for group in groups])
        except KafkaError as error:
            # A broker that has just started still loads its groups.
            if not error.retriable:
                raise
            await asyncio.sleep(AGAIN_S)


async def _evict(admin: AIOKafkaAdminClient, client: AIOKafkaClient, group: str) -> int:
    node = await admin.find_coordinator(group)
    (answer,) = await admin.describe_consumer_groups([group], node)
    for code, *_ in answer.groups:
        if code:
            raise for_code(code)(group)
    members = [member[0] for described in answer.groups for member in described[5]]
    for member in members:
        await client.send(node, LeaveGroupRequest(group, member))
    return len(members)
