"""Counts what came out, with another Kafka client than the runtime's and none of its code.

    python -m tests.chaos.checker --bootstrap HOST:PORT --prefix P --events N

One byte an event and one number a key: ten million events take about 10 MB.
"""

from __future__ import annotations

import argparse
import sys
import time
import uuid
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TypeVar

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from schemas.topics import DEAD_LETTERS, PROMPTS, RESULTS
from tests.chaos.workload import Workload, kind, number_of_letter, number_of_result

Answer = TypeVar("Answer")
PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """All but `events`, `results` and `letters` must be 0. `lost` owe a result and have none."""

    events: int
    results: int
    letters: int
    lost: int
    duplicates: int
    inversions: int
    letters_lost: int
    letters_twice: int
    letters_wrong: int
    foreign: int

    @property
    def clean(self) -> bool:
        return not any(getattr(self, field.name) for field in fields(self)[3:])


class Ledger:
    """How often each event's result and dead letter were seen, and in which order within a key."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._results = bytearray(workload.events)
        self._letters = bytearray(workload.events)
        self._newest = array("q", [-1]) * workload.keys
        self._foreign = 0
        self._inversions = 0
        self.seen = 0

    def result(self, number: int) -> None:
        """A result of event `number`, in the order in which its partition has them."""
        if not self._noted(self._results, number):
            return
        key = self._workload.key(number)
        # A duplicate is counted as such; only a first result out of line is an inversion.
        if self._results[number] == 1:
            self.seen += 1
            self._inversions += number < self._newest[key]
        self._newest[key] = max(number, self._newest[key])

    def letter(self, number: int) -> None:
        self._noted(self._letters, number)

    def nonsense(self) -> None:
        """A record that names no event."""
        self._foreign += 1

    def _noted(self, counts: bytearray, number: int) -> bool:
        if not 0 <= number < len(counts):
            self._foreign += 1
            return False
        counts[number] = min(counts[number] + 1, 255)
        return True

    def verdict(self) -> Verdict:
        kinds = [kind(number) for number in range(self._workload.events)]
        results = [(one, count) for one, count in zip(kinds, self._results, strict=True)]
        letters = [(one, count) for one, count in zip(kinds, self._letters, strict=True)]
        return Verdict(
            events=self._workload.events,
            results=sum(self._results),
            letters=sum(self._letters),
            lost=sum(one != "unreadable" and not count for one, count in results),
            duplicates=sum(max(0, count - 1) for _, count in results),
            inversions=self._inversions,
            letters_lost=sum(one != "good" and not count for one, count in letters),
            letters_twice=sum(max(0, count - 1) for _, count in letters),
            letters_wrong=sum(one == "good" and count > 0 for one, count in letters),
            foreign=self._foreign + sum(one == "unreadable" and count > 0 for one, count in results),
        )


class Checker:
    """Reads results and dead letters as a consumer with read_committed does. Not for several threads."""

    def __init__(self, bootstrap: str, prefix: str, workload: Workload) -> None:
        self.ledger = Ledger(workload)
        self._workload = workload
        self._input = prefix + PROMPTS.name
        self._results = prefix + RESULTS.name
        self._letters = prefix + DEAD_LETTERS.name
        self._group = f"{prefix}chaos"
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
        self._outputs = self._partitions(self._results) + self._partitions(self._letters)
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"checker-{uuid.uuid4().hex}",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                # Should the client lose its place, it reads again rather than past something: a record it has
                # read before is known by its offset.
                "auto.offset.reset": "earliest",
                "reconnect.backoff.max.ms": 500,
                # A topic that a broker does not know yet would be asked for again after five minutes.
                "topic.metadata.refresh.interval.ms": 1_000,
                "log_level": 2,
            }
        )
        self._next = dict.fromkeys(self._outputs, 0)
        self._consumer.assign([TopicPartition(*tp, OFFSET_BEGINNING) for tp in self._outputs])

    def close(self) -> None:
        self._consumer.close()

    def read(self, timeout_s: float = 0.2) -> int:
        """Counts what is there, at most a few thousand records; how many there were."""
        messages = self._consumer.consume(2_000, timeout_s)
        for message in messages:
            error = message.error()
            if error is None:
                if self._is_new(message):
                    self._note(message)
            elif error.fatal():
                raise KafkaException(error)
        return len(messages)

    def _is_new(self, message: Message) -> bool:
        place, offset = (message.topic() or "", message.partition() or 0), message.offset() or 0
        if offset < self._next[place]:
            return False
        self._next[place] = offset + 1
        return True

    def _note(self, message: Message) -> None:
        value = message.value() or b""
        try:
            if message.topic() == self._results:
                self.ledger.result(number_of_result(value))
            else:
                self.ledger.letter(number_of_letter(value))
        except (ValueError, KeyError, TypeError):
            self.ledger.nonsense()

    def unfinished(self) -> int:
        """Input records from the group's committed offsets to the end of the log."""
        inputs = self._partitions(self._input)
        ends = self._ends(inputs, IsolationLevel.READ_UNCOMMITTED)
        asked = ConsumerGroupTopicPartitions(self._group, [TopicPartition(*tp) for tp in inputs])
        found = _patiently(
            lambda: self._admin.list_consumer_group_offsets([asked])[self._group].result(PATIENCE_S)
        )
        committed = {(at.topic, at.partition): max(0, at.offset) for at in found.topic_partitions}
        return sum(ends[tp] - committed.get(tp, 0) for tp in inputs)

    def input_records(self) -> dict[int, int]:
        """How many records each input partition has: its producer writes no transactions, so no markers."""
        ends = self._ends(self._partitions(self._input), IsolationLevel.READ_UNCOMMITTED)
        return {partition: end for (_, partition), end in ends.items()}

    def open_transactions(self) -> int:
        """Output partitions whose last stable offset is behind their high watermark."""
        stable = self._ends(self._outputs, IsolationLevel.READ_COMMITTED)
        return sum(
            end > stable[tp] for tp, end in self._ends(self._outputs, IsolationLevel.READ_UNCOMMITTED).items()
        )

    def finish(self) -> Verdict:
        """Reads up to the last stable offsets at the call and judges.

        Raises:
            TimeoutError: nothing came for a while although the log goes on.
        """
        ends = self._ends(self._outputs, IsolationLevel.READ_COMMITTED)
        until = time.monotonic() + PATIENCE_S
        while self._behind(ends):
            if self.read(0.5):
                until = time.monotonic() + PATIENCE_S
            elif time.monotonic() > until:
                raise TimeoutError(f"{self._behind(ends)} output partitions cannot be read to their end")
        return self.ledger.verdict()

    def _behind(self, ends: Mapping[tuple[str, int], int]) -> int:
        at = self._consumer.position([TopicPartition(*tp) for tp in ends])
        return sum(max(0, one.offset) < ends[one.topic, one.partition] for one in at)

    def _partitions(self, topic: str) -> list[tuple[str, int]]:
        """Not asked for: a broker that does not know a new topic yet says that it has none."""
        return [(topic, number) for number in range(self._workload.partitions)]

    def _ends(
        self, partitions: Iterable[tuple[str, int]], isolation: IsolationLevel
    ) -> dict[tuple[str, int], int]:
        asked = [TopicPartition(*tp) for tp in partitions]
        return _patiently(lambda: self._asked_ends(asked, isolation))

    def _asked_ends(
        self, partitions: Sequence[TopicPartition], isolation: IsolationLevel
    ) -> dict[tuple[str, int], int]:
        # A leader that has moved is refused until the metadata are read anew.
        self._admin.list_topics(timeout=PATIENCE_S)
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # confluent-kafka gives it no types
        answers = self._admin.list_offsets(
            dict.fromkeys(partitions, latest), isolation_level=isolation, request_timeout=PATIENCE_S
        )
        return {(tp.topic, tp.partition): future.result(PATIENCE_S).offset for tp, future in answers.items()}


def _patiently(ask: Callable[[], Answer]) -> Answer:
    """Asks again for a while where the cluster is about to change its mind."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return ask()
        except KafkaException:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Count what a chaos run left in its topics.")
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--prefix", default="")
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--keys", type=int, default=1_000)
    parser.add_argument("--partitions", type=int, default=8)
    options = parser.parse_args(argv)
    workload = Workload(options.events, keys=options.keys, partitions=options.partitions)
    checker = Checker(options.bootstrap, options.prefix, workload)
    try:
        verdict = checker.finish()
        facts = {
            **asdict(verdict),
            "unfinished": checker.unfinished(),
            "open transactions": checker.open_transactions(),
        }
    finally:
        checker.close()
    sys.stdout.writelines(f"{name}: {value}\n" for name, value in facts.items())
    return 0 if verdict.clean and not facts["unfinished"] and not facts["open transactions"] else 1


if __name__ == "__main__":
    sys.exit(main())
