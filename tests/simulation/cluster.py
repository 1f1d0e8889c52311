"""The cluster that the members of one run share: logs, coordinators, network and the trace."""

from __future__ import annotations

import random
from collections.abc import Sequence

from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from tests.simulation.coordinator import Coordinator
from tests.simulation.group import Group
from tests.simulation.log import Entry, PartitionLog
from tests.simulation.network import Network, Weather
from tests.simulation.virtual import PROCESS, VirtualLoop

REQUEST_S = 2.0
LOADS_S = (0.0, 3.0)
NOTHING = OffsetAndMetadata(-1, "")
Fetched = tuple[Sequence[Entry], int]


class Cluster:
    """`topics` gives the number of partitions; the group reads `inputs`."""

    def __init__(
        self,
        loop: VirtualLoop,
        rng: random.Random,
        topics: dict[str, int],
        *,
        inputs: str,
        session_s: float,
        rebalance_s: float,
        transaction_s: float,
        marker_delay: tuple[float, float],
    ) -> None:
        self._loop = loop
        self._rng = rng
        self.trace: list[tuple[float, str, str]] = []
        self.logs = {
            TopicPartition(topic, number): PartitionLog(topic, number)
            for topic, count in topics.items()
            for number in range(count)
        }
        self.inputs = [tp for tp in self.logs if tp.topic == inputs]
        self.network = Network(loop, rng, timeout_s=REQUEST_S, note=self.note)
        self.group = Group(
            loop,
            self.inputs,
            session_s=session_s,
            rebalance_s=rebalance_s,
            initial_s=0.3,
            note=self.note,
        )
        self.coordinator = Coordinator(
            loop,
            rng,
            self.logs,
            transaction_s=transaction_s,
            marker_delay=marker_delay,
            group_away=lambda: self.network.group_away,
            note=self.note,
        )

    def note(self, what: str) -> None:
        process = PROCESS.get()
        self.trace.append((self._loop.time(), "broker" if process is None else process.name, what))

    def committed(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, OffsetAndMetadata]:
        """Not the pending ones: aiokafka cannot ask the broker to wait for those (KIP-447).

        Offset -1 where nothing is committed; nothing at all from a coordinator that still loads, because
        aiokafka ignores the error that such an answer carries.
        """
        offsets = self.coordinator.offsets
        return {} if self.network.loading else {tp: offsets.get(tp, NOTHING) for tp in tps}

    def fetch(self, wanted: Sequence[tuple[TopicPartition, int]], most: int) -> list[Fetched | None]:
        """Committed records from each position; None where it is out of range."""
        answers: list[Fetched | None] = []
        for tp, position in wanted:
            log = self.logs[tp]
            in_range = log.start <= position <= log.end
            answers.append(log.read(position, most) if in_range else None)
        return answers

    def poll_fails(self) -> bool:
        share = self.network.weather.failed_polls
        return share > 0 and self._rng.random() < share

    def go_down(self) -> None:
        self.note("the brokers go down")
        self.network.go_down()

    def clear_up(self, calm: Weather) -> None:
        before, self.network.weather = self.network.weather, calm
        self.note("the weather is fine")
        if before.down or before.no_group:
            self.network.load_group(self._rng.uniform(*LOADS_S))
        if before.down:
            self.note("the brokers are back")
            self.group.restart_sessions()
