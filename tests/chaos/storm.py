"""Carries out the plan on a live system: workers, brokers and the network between them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from streams.broker.cluster import LocalCluster
from tests.chaos import frames
from tests.chaos.crew import Crew, Member
from tests.chaos.history import History
from tests.chaos.plan import Action
from tests.chaos.proxy import Proxy, Weather
from tests.chaos.worker import SESSION_MS

MEMBERS = 3
FEWEST, MOST = 2, 4
SESSION_S = SESSION_MS / 1_000
IN_SYNC_S = 120.0
CHOOSY_S = 5.0
TRANSACTIONAL = (
    frames.PRODUCE,
    frames.INIT_PRODUCER_ID,
    frames.ADD_PARTITIONS,
    frames.ADD_OFFSETS,
    frames.END_TXN,
    frames.TXN_OFFSET_COMMIT,
)
GROUP = (frames.JOIN_GROUP, frames.SYNC_GROUP, frames.HEARTBEAT, frames.OFFSET_FETCH, frames.FETCH)


class Storm:
    """Whatever lasts (a pause, an outage) goes on in a task of its own while the next action is due."""

    def __init__(self, cluster: LocalCluster, crew: Crew, proxy: Proxy, history: History) -> None:
        self._cluster = cluster
        self._crew = crew
        self._proxy = proxy
        self._history = history
        self._lasting: set[asyncio.Task[None]] = set()
        self._outage: asyncio.Task[None] | None = None

    async def act(self, action: Action) -> None:
        """Does it for real; returns once it has begun and is in the history."""
        node = int(action.pick * len(self._cluster.nodes))
        match action.kind:
            case "kill":
                await self._kill(action)
            case "pause":
                await self._pause(action)
            case "member":
                self._member(action)
            case "broker":
                await self._broker(action, node)
            case "delay":
                weather = Weather(0.1 * action.span, 0.1, 375_000)
                self._last(self._proxy.delay(node, 1 + 4 * action.span, weather))
                self._note(action, f"node {node + 1}")
            case "partition":
                self._last(self._proxy.partition(node, 0.5 + 5.5 * action.span))
                self._note(action, f"node {node + 1}", seconds=0.5 + 5.5 * action.span)
            case "half-open":
                self._proxy.half_open()
                self._note(action)
            case "reset":
                self._proxy.reset()
                self._note(action)
            case "swallow" | "torn" | "silence":
                kinds = TRANSACTIONAL if action.pick < 0.8 else GROUP
                self._proxy.arm(kinds[int(action.span * len(kinds))], action.kind)
                self._note(action)

    def reinforce(self) -> None:
        """Replaces what is missing, and notes who ended without being asked to."""
        for member in self._crew.ended():
            if not member.leaving:
                self._history.note("ended", member.name, status=member.process.returncode)
        while len(self._crew.staying()) < MEMBERS - 1:
            self._crew.start()

    async def calm(self) -> None:
        """Ends all that lasts, heals the network, wakes the paused, and waits for the brokers."""
        await asyncio.gather(*self._lasting)
        self._proxy.heal()
        await asyncio.to_thread(self._cluster.wait_in_sync, IN_SYNC_S)

    def abandon(self) -> None:
        """Lets go of all that lasts, where the run has failed."""
        for task in self._lasting:
            task.cancel()

    def _last(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._lasting.add(task)
        task.add_done_callback(self._lasting.discard)
        return task

    def _note(self, action: Action, target: str = "", **facts: object) -> None:
        self._history.note(action.kind, target, **facts)

    async def _target(self, action: Action) -> Member:
        """Somebody who has worked, for a few seconds at least: to kill a process that still starts proves
        little. After that anybody: who came last may find nothing left to do.
        """
        loop = asyncio.get_running_loop()
        choosy_until = loop.time() + CHOOSY_S
        while True:
            awake = [one for one in self._crew.staying() if not one.paused]
            at_work = [one for one in awake if one.has_worked]
            if candidates := at_work or (awake if loop.time() > choosy_until else []):
                return candidates[int(action.pick * len(candidates))]
            await asyncio.sleep(0.1)

    async def _kill(self, action: Action) -> None:
        member = await self._target(action)
        self._crew.kill(member)
        self._note(action, f"{member.name} pid {member.process.pid}")
        self._last(self._replace(2.0 * action.span))

    async def _replace(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        if len(self._crew.staying()) < MEMBERS:
            self._crew.start()

    async def _pause(self, action: Action) -> None:
        member = await self._target(action)
        seconds = SESSION_S + 0.5 + 3.0 * action.span
        self._crew.pause(member)
        self._note(action, f"{member.name} pid {member.process.pid}", seconds=seconds)
        self._last(self._wake(member, seconds))

    async def _wake(self, member: Member, after_s: float) -> None:
        await asyncio.sleep(after_s)
        self._crew.resume(member)

    def _member(self, action: Action) -> None:
        """Somebody joins or leaves: between FEWEST and MOST, at random."""
        staying = [one for one in self._crew.staying() if not one.paused]
        joins = len(staying) <= FEWEST or (len(staying) < MOST and action.span < 0.5)
        member = self._crew.start() if joins else staying[int(action.pick * len(staying))]
        if not joins:
            self._crew.leave(member)
        self._history.note("member", member.name, way="joins" if joins else "leaves")

    async def _broker(self, action: Action, node: int) -> None:
        """One at a time: two of three must be in sync for anything to be acknowledged."""
        if self._outage is not None:
            await self._outage
        await asyncio.to_thread(self._cluster.wait_in_sync, IN_SYNC_S)
        target = self._cluster.nodes[node]
        pid = target.pid
        target.kill()
        self._note(action, f"node {target.node_id} pid {pid}")
        self._outage = self._last(self._restart(node, 4.0 * action.span))

    async def _restart(self, node: int, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await asyncio.to_thread(self._cluster.nodes[node].restart)
