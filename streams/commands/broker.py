"""broker: a local Apache Kafka in the foreground."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from streams.commands.terminal import echo_json
from streams.commands.verb import Failure, verb

if TYPE_CHECKING:
    from streams.broker.local import LocalBroker

DEFAULT_PORT = 9092


@verb(
    "broker",
    examples=(
        "glyphstream broker",
        "glyphstream broker --data out/kafka --port 0 --json",
    ),
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("out/kafka"),
    show_default=True,
    help="Where it keeps everything; the same folder comes back with the same data.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="On 127.0.0.1; 0 means the one this folder had before, or any free one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the address as one JSON object.")
def command(data: Path, port: int, as_json: bool) -> None:
    """Run a local Apache Kafka until Ctrl-C.

    One broker with transactions, on loopback only. The first start on a machine downloads its jars, later
    ones need no network. Prints its address on standard output when it serves.
    """
    from streams.broker.errors import BrokerError
    from streams.broker.local import LocalBroker

    # SIGTERM stops it as Ctrl-C does: the broker closes its logs instead of recovering them next time.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with LocalBroker.start(data, port=port, on_progress=_tell) as broker:
            _announce(broker, data, as_json=as_json)
            status = _wait(broker)
    except BrokerError as error:
        raise Failure(str(error)) from error
    if status is not None:
        raise Failure(f"the broker ended by itself with exit status {status}; its log is {broker.log_file}")


def _announce(broker: LocalBroker, data: Path, *, as_json: bool) -> None:
    if as_json:
        echo_json({"bootstrap": broker.bootstrap, "pid": broker.pid, "data": str(data)})
        return
    click.echo(broker.bootstrap)
    named = "" if broker.bootstrap == f"127.0.0.1:{DEFAULT_PORT}" else f" --bootstrap {broker.bootstrap}"
    _tell(f"serving, data in {data}; next: `glyphstream topics apply{named}`; Ctrl-C stops it")


def _wait(broker: LocalBroker) -> int | None:
    """The exit status of a broker that ended by itself; None where a person stopped it."""
    try:
        return broker.wait()
    except KeyboardInterrupt:
        _tell("stopping")
        return None


def _tell(message: str) -> None:
    click.echo(f"broker: {message}", err=True)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
