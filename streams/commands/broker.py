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
    from streams.broker.cluster import LocalCluster
    from streams.broker.node import ClusterNode

DEFAULT_PORT = 9092


def _check_nodes(_context: click.Context, _parameter: click.Parameter, value: int) -> int:
    from streams.broker.errors import BrokerError
    from streams.broker.properties import check_nodes

    try:
        check_nodes(value)
    except BrokerError as error:
        raise click.BadParameter(str(error)) from error
    return value


@verb(
    "broker",
    examples=(
        "glyphstream broker",
        "glyphstream broker --data out/kafka --port 0 --json",
        "glyphstream broker --nodes 3 --data out/cluster",
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
    help="On 127.0.0.1, of the first node; the others follow it. 0 means those this folder had before, or "
    "any free ones.",
)
@click.option(
    "--nodes",
    type=int,
    default=1,
    show_default=True,
    callback=_check_nodes,
    help="1, 3 or 5. Three keep each record three times and go on when one of them is lost.",
)
@click.option("--json", "as_json", is_flag=True, help="Print addresses and process ids as one JSON object.")
def command(data: Path, port: int, nodes: int, as_json: bool) -> None:
    """Run a local Apache Kafka until Ctrl-C.

    Transactions, on loopback only. The first start on a machine downloads its jars, later ones need no
    network. Prints its address on standard output when it serves. Of several nodes, one that ends by itself
    is told on standard error and stays away until the next start; without a majority all are stopped.
    """
    from streams.broker.errors import BrokerError

    # SIGTERM stops it as Ctrl-C does: the broker closes its logs instead of recovering them next time.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        ended = _serve_one(data, port, as_json) if nodes == 1 else _serve(data, port, nodes, as_json)
    except BrokerError as error:
        raise Failure(str(error)) from error
    if ended:
        raise Failure(ended)


def _serve_one(data: Path, port: int, as_json: bool) -> str | None:
    """Why it ended by itself; None where a person stopped it."""
    from streams.broker.local import LocalBroker

    with LocalBroker.start(data, port=port, on_progress=_tell) as broker:
        _announce(
            broker.bootstrap,
            data,
            {"bootstrap": broker.bootstrap, "pid": broker.pid, "data": str(data)} if as_json else None,
        )
        try:
            status = broker.wait()
        except KeyboardInterrupt:
            _tell("stopping")
            return None
    return f"the broker ended by itself with exit status {status}; its log is {broker.log_file}"


def _serve(data: Path, port: int, nodes: int, as_json: bool) -> str | None:
    """Why the cluster ended by itself; None where a person stopped it."""
    from streams.broker.cluster import LocalCluster

    ports = range(port, port + nodes) if port else ()
    with LocalCluster.start(data, nodes=nodes, ports=ports, on_progress=_tell) as cluster:
        _announce(cluster.bootstrap, data, _described(cluster, data) if as_json else None)
        try:
            cluster.wait(_tell_loss)
        except KeyboardInterrupt:
            _tell("stopping")
            return None
        up = sum(node.running for node in cluster.nodes)
    return (
        f"{up} of {nodes} nodes were left, which is no majority, so all are stopped; the data stays in {data}"
    )


def _described(cluster: LocalCluster, data: Path) -> dict[str, object]:
    return {
        "bootstrap": cluster.bootstrap,
        "nodes": [
            {"node": node.node_id, "port": node.port, "pid": node.pid, "log": str(node.log_file)}
            for node in cluster.nodes
        ],
        "data": str(data),
    }


def _tell_loss(node: ClusterNode, status: int) -> None:
    _tell(f"node {node.node_id} ended by itself with exit status {status}; its log is {node.log_file}")


def _announce(bootstrap: str, data: Path, described: dict[str, object] | None) -> None:
    if described is not None:
        echo_json(described)
        return
    click.echo(bootstrap)
    named = "" if bootstrap == f"127.0.0.1:{DEFAULT_PORT}" else f" --bootstrap {bootstrap}"
    _tell(f"serving, data in {data}; next: `glyphstream topics apply{named}`; Ctrl-C stops it")


def _tell(message: str) -> None:
    click.echo(f"broker: {message}", err=True)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
