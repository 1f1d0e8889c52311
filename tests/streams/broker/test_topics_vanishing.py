"""`apply_topics` where a look is stale: topics seen that are gone, or there and not seen yet."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAuthorizationFailedError

from schemas.topics import TOPICS
from streams.broker import topics as topics_module
from streams.broker.errors import BrokerError
from streams.broker.topic_states import TopicState, states_of
from streams.broker.topics import apply_topics


@dataclass(frozen=True, slots=True)
class Look:
    """What `apply_topics` sees, as a test would have it: `states` of the `number`th look, from 1."""

    number: int
    admin: AIOKafkaAdminClient
    states: list[TopicState]


@pytest.fixture
def looking(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Callable[[Look], Awaitable[list[TopicState]]]], None]:
    """Puts a function of the test between the cluster and each look at it."""

    def through(seen: Callable[[Look], Awaitable[list[TopicState]]]) -> None:
        looks = itertools.count(1)

        async def look(admin: AIOKafkaAdminClient, *arguments: Any) -> list[TopicState]:
            return await seen(Look(next(looks), admin, await states_of(admin, *arguments)))

        monkeypatch.setattr(topics_module, "states_of", look)

    return through


async def deleted(admin: AIOKafkaAdminClient, names: list[str]) -> None:
    answer = await admin.delete_topics(names)
    assert {code for _name, code in answer.topic_error_codes} == {0}


@pytest.mark.parametrize(
    "asked",
    [{"partitions": 2}, {"partitions": 3}, {"partitions": 2, "min_insync": 1}],
    ids=["as they are", "more partitions", "other settings"],
)
@pytest.mark.parametrize("lost", [slice(None), slice(3)], ids=["all", "three"])
async def test_topics_seen_that_are_gone_a_moment_later_are_created(
    topics: Any, looking: Any, lost: slice, asked: dict[str, int]
) -> None:
    names = [topics.prefix + topic.name for topic in TOPICS]

    async def and_lose(look: Look) -> list[TopicState]:
        if look.number == 1:
            await deleted(look.admin, names[lost])
        return look.states

    looking(and_lose)
    changes = await apply_topics(topics.bootstrap, prefix=topics.prefix, **asked)

    assert [change.name for change in changes if change.action == "created"] == names[lost]
    kept = {change.action for change in changes if change.name not in names[lost]}
    assert kept <= ({"unchanged"} if asked == {"partitions": 2} else {"changed"})
    # Its own broker may show the deleted ones for a moment more; the controller does not.
    assert {
        change.action for change in await apply_topics(topics.bootstrap, prefix=topics.prefix, **asked)
    } == {"unchanged"}


async def test_topics_that_vanish_while_it_waits_are_created_again(
    topics: Any, looking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [topics.prefix + topic.name for topic in TOPICS]

    async def and_lose(look: Look) -> list[TopicState]:
        if look.number == 2:
            await deleted(look.admin, names)
            return [TopicState(state.name, state.topic) for state in look.states]
        return look.states

    looking(and_lose)
    monkeypatch.setattr(topics_module, "ASK_AGAIN_S", 0.0)
    changes = await apply_topics(topics.bootstrap, prefix=topics.prefix, partitions=2)
    assert [(change.name, change.action) for change in changes] == [(name, "created") for name in names]


async def test_an_applied_deletion_is_never_taken_for_a_topic_that_stays(
    kafka: str, topic_prefix: str
) -> None:
    names = [topic_prefix + topic.name for topic in TOPICS]
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        for _ in range(3):
            changes = await apply_topics(kafka, prefix=topic_prefix, partitions=1)
            assert {change.action for change in changes} == {"created"}
            await deleted(admin, names)
    finally:
        await admin.close()


@pytest.mark.parametrize(("again_s", "again"), [(3_600.0, False), (0.0, True)], ids=["not yet", "at once"])
async def test_a_topic_not_seen_yet_is_asked_for_again_only_after_a_while(
    kafka: str,
    topic_prefix: str,
    looking: Any,
    monkeypatch: pytest.MonkeyPatch,
    again_s: float,
    again: bool,
) -> None:
    requests: Counter[str] = Counter()
    create = AIOKafkaAdminClient.create_topics

    async def counted(admin: AIOKafkaAdminClient, new: list[NewTopic]) -> Any:
        requests.update(topic.name for topic in new)
        return await create(admin, new)

    async def blind_at_first(look: Look) -> list[TopicState]:
        if look.number <= 4:
            return [TopicState(state.name, state.topic) for state in look.states]
        return look.states

    looking(blind_at_first)
    monkeypatch.setattr(AIOKafkaAdminClient, "create_topics", counted)
    monkeypatch.setattr(topics_module, "POLL_S", 0.0)
    monkeypatch.setattr(topics_module, "ASK_AGAIN_S", again_s)
    changes = await apply_topics(kafka, prefix=topic_prefix, partitions=1)
    assert {change.action for change in changes} == {"created"}
    assert {times > 1 for times in requests.values()} == {again}


async def test_who_may_not_create_topics_may_have_those_there_checked(
    topics: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(_admin: AIOKafkaAdminClient, new: list[NewTopic]) -> Any:
        code = TopicAuthorizationFailedError.errno
        return SimpleNamespace(topic_errors=[(topic.name, code, "not yours") for topic in new])

    monkeypatch.setattr(AIOKafkaAdminClient, "create_topics", refused)
    changes = await apply_topics(topics.bootstrap, prefix=topics.prefix, partitions=2)
    assert {change.action for change in changes} == {"unchanged"}
    with pytest.raises(BrokerError, match=r"elsewhere-prompts: TopicAuthorizationFailedError: not yours"):
        await apply_topics(topics.bootstrap, prefix="elsewhere-", partitions=2)


async def test_topics_that_never_open_are_named_with_what_they_lack(
    topics: Any, looking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nobody_leads(look: Look) -> list[TopicState]:
        return [replace(state, led=False) for state in look.states]

    looking(nobody_leads)
    monkeypatch.setattr(topics_module, "VISIBLE_S", 0.5)
    with pytest.raises(BrokerError, match=rf"no leader for {topics.prefix}prompts, .*; old settings nowhere"):
        await apply_topics(topics.bootstrap, prefix=topics.prefix, partitions=2)
