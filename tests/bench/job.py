"""The routing job, by the product's own functions: what every contestant does to one record."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.events import PromptEvent
from schemas.topics import POLISH, PREVIEW, Topic
from schemas.wire import decode, encode, headers_for, key_for
from streams.routing.policy import policy_named
from streams.stages.route import RouteDeps, route

STAGE = "route"
JOB_TOPICS: Sequence[Topic] = (PREVIEW, POLISH)
Headers = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Job:
    """One record to send; `topic` is without prefix."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers


class Router:
    def __init__(self, policy: str = "hybrid") -> None:
        self._deps = RouteDeps(policy_named(policy))

    def jobs(self, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> list[Job]:
        """Raises BadEvent where the record is no prompt: no rival is given one."""
        event = decode(PromptEvent, value, headers)
        now = dt.datetime.now(dt.UTC)
        return [
            Job(
                emit.topic.name,
                key_for(emit.event),
                encode(emit.event),
                headers_for(emit.event, producer=STAGE, time=now),
            )
            for emit in route(event, self._deps)
        ]


def group_of(prefix: str) -> str:
    """The group that the product's own route stage uses under `prefix`."""
    return f"{prefix}glyphstream.{STAGE}"
