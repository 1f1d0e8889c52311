"""The group coordinator: members, generations, eager rebalances, sessions.

Joining and syncing are one step here: the broker assigns the partitions round robin.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.errors import IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError

from tests.simulation.virtual import VirtualLoop


@dataclass(frozen=True, slots=True)
class Joined:
    generation: int
    partitions: tuple[TopicPartition, ...]


@dataclass(slots=True)
class _Member:
    joining: asyncio.Future[Joined] | None = None
    session: asyncio.TimerHandle | None = None


class Group:
    """`session_s` without a heartbeat and a member is out; a rebalance waits `rebalance_s` for all to come,
    and the first of all at least `initial_s`.
    """

    def __init__(
        self,
        loop: VirtualLoop,
        partitions: Sequence[TopicPartition],
        *,
        session_s: float,
        rebalance_s: float,
        initial_s: float,
        note: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._partitions = partitions
        self._session_s = session_s
        self.rebalance_s = rebalance_s
        self._initial_s = initial_s
        self._note = note
        self._numbers = itertools.count(1)
        self._members: dict[str, _Member] = {}
        self._generation = 0
        self._preparing: asyncio.TimerHandle | None = None
        # Not before: a rebalance of an empty group waits a moment for more members.
        self._not_before = 0.0

    def new_member(self, name: str) -> str:
        """A new member is given its id first and then joins with it (KIP-394)."""
        return f"{name}#{next(self._numbers)}"

    def join(self, member_id: str) -> asyncio.Future[Joined]:
        """Answered when the rebalance is over."""
        if not self._members:
            self._not_before = self._loop.time() + self._initial_s
            self._loop.after(self._initial_s, self._complete_if_all)
        member = self._members.setdefault(member_id, _Member())
        self._stop_session(member)
        member.joining = self._loop.create_future()
        self._prepare(f"{member_id} joins")
        answer = member.joining
        self._complete_if_all()
        return answer

    def heartbeat(self, member_id: str, generation: int) -> None:
        member = self._members.get(member_id)
        if member is None:
            raise UnknownMemberIdError()
        if generation != self._generation:
            raise IllegalGenerationError()
        self._start_session(member_id, member)
        if self._preparing is not None:
            raise RebalanceInProgressError()

    def leave(self, member_id: str) -> None:
        if member_id in self._members:
            self._remove(member_id, "leaves")

    def restart_sessions(self) -> None:
        """A coordinator that has just started grants every member a whole session."""
        for member_id, member in self._members.items():
            if member.joining is None:
                self._start_session(member_id, member)

    def _start_session(self, member_id: str, member: _Member) -> None:
        self._stop_session(member)
        member.session = self._loop.after(self._session_s, self._remove, member_id, "is silent and out")

    @staticmethod
    def _stop_session(member: _Member) -> None:
        if member.session is not None:
            member.session.cancel()
            member.session = None

    def _remove(self, member_id: str, why: str) -> None:
        self._note(f"group: {member_id} {why}")
        self._stop_session(self._members.pop(member_id))
        if self._members:
            self._prepare(f"{member_id} is gone")
            self._complete_if_all()
        else:
            self._end_preparation()

    def _prepare(self, why: str) -> None:
        if self._preparing is None:
            self._note(f"group: rebalance, {why}")
            self._preparing = self._loop.after(self.rebalance_s, self._complete)

    def _end_preparation(self) -> None:
        if self._preparing is not None:
            self._preparing.cancel()
            self._preparing = None

    def _complete_if_all(self) -> None:
        late = self._loop.time() < self._not_before
        if self._preparing and not late and all(member.joining for member in self._members.values()):
            self._complete()

    def _complete(self) -> None:
        """Those who did not come again are out."""
        self._end_preparation()
        for member_id, member in list(self._members.items()):
            if member.joining is None:
                self._note(f"group: {member_id} did not come in time and is out")
                self._stop_session(member)
                del self._members[member_id]
        if not self._members:
            return
        self._generation += 1
        ids = sorted(self._members)
        for number, member_id in enumerate(ids):
            member, share = self._members[member_id], tuple(self._partitions[number :: len(ids)])
            assert member.joining is not None
            if not member.joining.done():
                member.joining.set_result(Joined(self._generation, share))
            member.joining = None
            self._start_session(member_id, member)
