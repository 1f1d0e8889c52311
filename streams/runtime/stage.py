"""What the loop runs: a function from an event to events, and what it owes when it cannot."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from schemas.events import Event, PromptRef
from schemas.topics import Topic

In = TypeVar("In", bound=Event)


@dataclass(frozen=True, slots=True)
class Emit:
    """One event for one topic. Its key follows from the event."""

    topic: Topic
    event: Event


@dataclass(frozen=True, slots=True)
class GivenUp:
    """What stands for a record that failed for good; `dead_letter` keeps the record itself as well."""

    emits: Sequence[Emit]
    dead_letter: bool = True


def _no_deadline(_event: object) -> dt.datetime | None:
    return None


@dataclass(frozen=True, slots=True)
class Stage(Generic[In]):
    """One step of the line.

    `handle` may raise `Retryable` or `Permanent`; anything else counts as a fault of ours and is tried a
    few times. `give_up` is asked once, when it failed for good: with the error and whether it might have
    worked with more time. `give_up_on_unreadable` stands for a record that could not be decoded but names
    its prompt. `identity` names the work of a record: a second record of the partition with the same one is a
    resend and is dropped; `identity_unread` does so for a record that only names its prompt. Without them
    every record is work of its own. `order` says what must run one by one; without it, the record's key.
    `at_once` is `handle` for a stage that never waits: the loop runs it in place, without a task.
    """

    name: str
    topic: Topic
    event: type[In]
    handle: Callable[[In], Awaitable[Sequence[Emit]]]
    give_up: Callable[[In, Exception], GivenUp]
    give_up_on_unreadable: Callable[[PromptRef, str], Sequence[Emit]]
    deadline: Callable[[In], dt.datetime | None] = _no_deadline
    identity: Callable[[In], bytes] | None = None
    identity_unread: Callable[[PromptRef], bytes] | None = None
    order: Callable[[In], bytes] | None = None
    at_once: Callable[[In], Sequence[Emit]] | None = None
