"""topics: create them, or show them."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Coroutine
from typing import Any, TypeVar

import click

from streams.commands.terminal import cells, console, echo_json, table
from streams.commands.verb import WITH_BROKER, App, Failure, VerbGroup, pass_app, subverb
from streams.runtime.errors import EXIT_UNREACHABLE, EXIT_USAGE
from streams.settings import Settings

Answer = TypeVar("Answer")

command = VerbGroup("topics", help="Create the topics, or show them.")
command.examples = ("glyphstream topics apply", "glyphstream topics show")


@subverb(
    command,
    "apply",
    examples=(
        "glyphstream topics apply",
        "glyphstream topics apply --partitions 24 --replication 3 --min-insync 2 --bootstrap kafka:9092",
    ),
    exits=WITH_BROKER,
)
@click.option("--partitions", type=click.IntRange(min=1), default=4, show_default=True, help="Of each topic.")
@click.option("--replication", type=click.IntRange(min=1), help="Copies; default: the cluster's own.")
@click.option(
    "--min-insync",
    type=click.IntRange(min=1),
    help="Copies that must have a record before it counts as written; default: the cluster's own.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a topic.")
@pass_app
def apply(app: App, partitions: int, replication: int | None, min_insync: int | None, as_json: bool) -> None:
    """Create missing topics and correct the settings of those there are.

    Can be repeated: a second call changes nothing. Partitions are raised but never lowered; a replication
    that differs is reported as a conflict, and the exit code is 1.
    """
    from streams.broker.topics import apply_topics

    settings = app.settings()
    changes = _called(
        settings,
        apply_topics(
            settings.bootstrap,
            prefix=settings.topic_prefix,
            partitions=partitions,
            replication=replication,
            min_insync=min_insync,
        ),
    )
    for change in changes:
        if as_json:
            echo_json(dataclasses.asdict(change))
        else:
            click.echo(f"{change.action:<9}  {change.name}  {'; '.join(change.details)}".rstrip())
    conflicts = [change.name for change in changes if change.action == "conflict"]
    if conflicts:
        raise Failure(f"replication of {', '.join(conflicts)} is another than asked for; see above")


@subverb(
    command,
    "show",
    examples=("glyphstream topics show", "glyphstream topics show --json"),
    exits=WITH_BROKER,
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a topic.")
@pass_app
def show(app: App, as_json: bool) -> None:
    """Show the topics as the cluster has them, beside what they should be."""
    from streams.broker.topics import describe_topics

    settings = app.settings()
    states = _called(settings, describe_topics(settings.bootstrap, prefix=settings.topic_prefix))
    if as_json:
        for state in states:
            echo_json(
                {
                    "name": state.name,
                    "exists": state.exists,
                    "partitions": state.partitions,
                    "replication": state.replication,
                    "min_insync": state.min_insync,
                    "config": dict(state.config or {}),
                    "differences": state.differences,
                }
            )
        return
    shown = table(
        "", "TOPIC", "PARTITIONS", "REPLICATION", "RETENTION", "LARGEST RECORD", "STATE",
        right=("PARTITIONS", "REPLICATION", "RETENTION", "LARGEST RECORD"),
    )  # fmt: skip
    for state in states:
        config = state.config or {}
        verdict = "; ".join(state.differences) or "as it should be"
        shown.add_row(
            *cells(
                state.name,
                state.partitions or "-",
                state.replication or "-",
                _days(config.get("retention.ms")),
                config.get("max.message.bytes", "-"),
                verdict if state.exists else "missing: `glyphstream topics apply` creates it",
            )
        )
    console().print(shown)


def _called(settings: Settings, work: Coroutine[Any, Any, Answer]) -> Answer:
    from aiokafka.errors import KafkaConnectionError

    from streams.broker.errors import BrokerError
    from streams.scan import unreachable

    try:
        return asyncio.run(work)
    except ValueError as error:
        raise Failure(str(error), exit_code=EXIT_USAGE) from error
    except BrokerError as error:
        if isinstance(error.__cause__, KafkaConnectionError):
            message = unreachable(settings, error.__cause__)
            raise Failure(message, exit_code=EXIT_UNREACHABLE) from error
        raise Failure(str(error)) from error


def _days(retention_ms: str | None) -> str:
    if retention_ms is None:
        return "-"
    return "for ever" if retention_ms == "-1" else f"{int(retention_ms) / 86_400_000:g} days"
