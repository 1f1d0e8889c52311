"""Produces the workload while the chaos goes on: idempotent, every record in its place, resumable.

An input partition's log is at any moment the beginning of that partition's share of the stream, so its
length alone says where to go on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from tests.chaos.workload import Workload, kind, value

SETTLED_S = 1.0
STEP = 50


class Feeder:
    """`rate` records a second; `limit` says how many readable events may have been sent by now."""

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        workload: Workload,
        *,
        rate: float,
        limit: Callable[[], float],
        log_lengths: Callable[[], dict[int, int]],
    ) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._workload = workload
        self._rate = rate
        self._limit = limit
        self._log_lengths = log_lengths
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feeder", daemon=True)
        self.sent = 0
        self._owed = 0
        self._began = 0.0
        self.fresh_starts = 0
        self.failure: BaseException | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stop.is_set() and not self._feed():
                self.fresh_starts += 1
        except BaseException as error:
            self.failure = error

    def _feed(self) -> bool:
        """False where the producer must be replaced by a new one, which goes on from the log."""
        failures: list[KafkaError] = []
        producer = Producer(
            {
                "bootstrap.servers": self._bootstrap,
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 5,
                "message.timeout.ms": 0,
                "reconnect.backoff.max.ms": 500,
                # A topic that a broker does not know yet would be asked for again after five minutes.
                "topic.metadata.refresh.interval.ms": 1_000,
                "log_level": 2,
            }
        )

        def on_delivery(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                failures.append(error)

        try:
            for count, number in enumerate(self._left()):
                if count % STEP == 0 and not self._paced(producer, count):
                    break
                self._send(producer, number, on_delivery)
                if failures:
                    return False
            while len(producer) and not failures and not self._stop.is_set():
                producer.flush(1.0)
        except KafkaException:
            return False
        finally:
            producer.purge()
        return not failures

    def _left(self) -> Iterator[int]:
        """What the log does not have yet; `sent` counts what it has."""
        lengths = self._settled_lengths()
        self.sent = self._owed = 0
        for number, again in self._workload.stream():
            partition = self._workload.partition(number)
            if lengths.get(partition, 0):
                lengths[partition] -= 1
            else:
                yield number
            self.sent += 1
            self._owed += not again and kind(number) != "unreadable"

    def _settled_lengths(self) -> dict[int, int]:
        """After a crash the high watermarks catch up with the logs' ends within moments."""
        lengths = self._log_lengths()
        while not self._stop.wait(SETTLED_S if any(lengths.values()) else 0.0):
            before, lengths = lengths, self._log_lengths()
            if lengths == before:
                break
        return lengths

    def _send(
        self, producer: Producer, number: int, on_delivery: Callable[[KafkaError | None, Message], None]
    ) -> None:
        key = self._workload.key(number)
        while True:
            try:
                producer.produce(
                    self._topic,
                    key=b"k%d" % key,
                    value=value(key, number),
                    partition=self._workload.partition(number),
                    on_delivery=on_delivery,
                )
            except BufferError:
                producer.poll(0.1)
            else:
                return

    def _paced(self, producer: Producer, count: int) -> bool:
        """Waits until more may be sent; False when the feeder is to stop."""
        if count == 0:
            self._began = time.monotonic()
        while not self._stop.is_set():
            producer.poll(0)
            early = count / self._rate - (time.monotonic() - self._began)
            if early <= 0 and self._owed < self._limit():
                return True
            self._stop.wait(min(max(early, 0.005), 0.1))
        return False
