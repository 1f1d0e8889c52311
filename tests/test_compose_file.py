"""docker-compose.yml and Dockerfile, held against the specification and against what they call."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml

from streams.broker.jars import KAFKA_VERSION
from streams.settings import ENV_NAMES, Settings, load_settings

ROOT = Path(__file__).parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
BROKERS = [name for name, service in SERVICES.items() if service["image"].startswith("apache/kafka")]
OURS = [name for name in SERVICES if name not in BROKERS]
CALLS = [name for name in OURS if "entrypoint" not in SERVICES[name]]
STAGES = ["route", "preview", "polish", "score"]
COMMIT_S = 15.0


def test_the_file_follows_the_compose_specification() -> None:
    vendored = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = json.loads(vendored.read_text("utf-8"))
    jsonschema.validate(COMPOSE, schema)
    broken = {**COMPOSE, "services": {"route": {"comand": ["run"]}}}
    with pytest.raises(jsonschema.ValidationError, match="comand"):
        jsonschema.validate(broken, schema)


@pytest.mark.parametrize("name", CALLS)
def test_every_command_is_one_that_the_command_line_takes(name: str) -> None:
    resolve(SERVICES[name]["command"])


def test_an_option_that_does_not_exist_would_be_noticed() -> None:
    with pytest.raises(click.UsageError, match="--partition"):
        resolve(["topics", "apply", "--partition-count", "3"])


def test_each_stage_has_a_service_of_its_own() -> None:
    assert [name for name in SERVICES if SERVICES[name].get("command", [])[:1] == ["run"]] == STAGES
    for stage in STAGES:
        assert resolve(SERVICES[stage]["command"])["stages"] == (stage,)


def test_the_emulator_takes_its_options_and_is_reached_where_it_listens() -> None:
    from inference.engines.emulator.__main__ import _options

    service = SERVICES["emulator"]
    assert service["entrypoint"] == ["python", "-m", "inference.engines.emulator"]
    address = f"http://127.0.0.1:{_options(service['command']).port}"
    assert f"{address}/healthz" in service["healthcheck"]["test"][-1]
    # It answers on loopback alone: only a service inside its network reaches it there.
    reaching = {name for name in OURS if SERVICES[name].get("network_mode") == "service:emulator"}
    calling = {name: settings_of(name).emulator_url for name in STAGES if settings_of(name).emulator_url}
    assert calling == dict.fromkeys(reaching, address)
    assert reaching == {"preview", "polish"}


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting_that_loads(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    environment = SERVICES[name].get("environment", {})
    assert environment.keys() <= ENV_NAMES
    if environment:
        assert settings_of(name) != Settings()


def test_the_topics_get_as_many_copies_as_there_are_brokers() -> None:
    asked = resolve(SERVICES["topics"]["command"])
    assert (len(BROKERS), asked["replication"], asked["min_insync"], asked["partitions"]) == (3, 3, 2, 24)
    for name in BROKERS:
        environment = SERVICES[name]["environment"]
        for internal in ("OFFSETS_TOPIC", "TRANSACTION_STATE_LOG", "SHARE_COORDINATOR_STATE_TOPIC"):
            assert environment[f"KAFKA_{internal}_REPLICATION_FACTOR"] == "3"
        # Kafka 4.1 and later refuse it on the broker where topics have it (ELR).
        assert "KAFKA_MIN_INSYNC_REPLICAS" not in environment


def test_the_brokers_run_the_version_that_runs_locally() -> None:
    assert {SERVICES[name]["image"] for name in BROKERS} == {f"apache/kafka:{KAFKA_VERSION}"}


def test_every_broker_is_reached_by_the_name_it_advertises() -> None:
    bootstrap = settings_of("route").bootstrap.split(",")
    voters = []
    for name, address in zip(BROKERS, bootstrap, strict=True):
        environment = SERVICES[name]["environment"]
        (published,) = SERVICES[name]["ports"]
        host, container_port = published.rsplit(":", 1)
        assert environment["KAFKA_ADVERTISED_LISTENERS"] == f"INTERNAL://{address},HOST://{host}"
        assert address == f"{name}:19092"
        assert environment["KAFKA_LISTENERS"] == (
            f"INTERNAL://:19092,HOST://:{container_port},CONTROLLER://:9093"
        )
        voters.append(f"{environment['KAFKA_NODE_ID']}@{name}:9093")
    quorum = {SERVICES[name]["environment"]["KAFKA_CONTROLLER_QUORUM_VOTERS"] for name in BROKERS}
    assert quorum == {",".join(voters)}
    assert len(set(voters)) == len(BROKERS)


def test_nothing_is_published_beyond_this_machine() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_nothing_starts_before_what_it_needs() -> None:
    conditions = {
        name: {needed: how["condition"] for needed, how in service.get("depends_on", {}).items()}
        for name, service in SERVICES.items()
    }
    assert conditions["topics"] == dict.fromkeys(BROKERS, "service_healthy")
    for stage in STAGES:
        assert conditions[stage]["topics"] == "service_completed_successfully"
    for needed in {needed for each in conditions.values() for needed in each} - {"topics"}:
        assert "healthcheck" in SERVICES[needed]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_time_to_drain_and_commit_before_it_is_killed(stage: str) -> None:
    grace = seconds(SERVICES[stage]["stop_grace_period"])
    assert grace >= settings_of(stage).drain_seconds + COMMIT_S


def test_all_stages_share_one_asset_store_and_one_ledger_on_volumes() -> None:
    ((assets, ledger),) = {tuple(SERVICES[stage]["volumes"]) for stage in STAGES}
    folders = [mount.partition(":")[2] for mount in (assets, ledger)]
    assert {mount.partition(":")[0] for mount in (assets, ledger)} <= COMPOSE["volumes"].keys()
    assert {settings_of(stage).assets for stage in STAGES} == {folders[0]}
    assert {str(Path(settings_of(stage).ledger).parent) for stage in STAGES} == {folders[1]}
    built = (ROOT / "Dockerfile").read_text("utf-8")
    owned = built.partition("--owner=glyphstream --group=glyphstream ")[2].partition("COPY")[0]
    assert set(folders) <= set(owned.split())


def test_the_image_is_pinned_small_and_not_root() -> None:
    steps = _instructions((ROOT / "Dockerfile").read_text("utf-8"))
    bases = [argument for keyword, argument in steps if keyword == "FROM"]
    assert bases == ["python:3.11-slim AS build", "python:3.11-slim"]
    installs = [argument for keyword, argument in steps if keyword == "RUN" and "pip install" in argument]
    assert len(installs) == 1
    assert "--constraint constraints.txt ." in installs[0]
    final = steps[[keyword for keyword, _ in steps].index("FROM", 1) :]
    assert [argument for keyword, argument in final if keyword == "USER"] == ["glyphstream"]
    assert json.loads(next(argument for keyword, argument in final if keyword == "ENTRYPOINT")) == [
        "glyphstream"
    ]


def test_the_image_copies_every_package_of_ours_and_only_what_exists() -> None:
    steps = _instructions((ROOT / "Dockerfile").read_text("utf-8"))
    copied = [
        path
        for keyword, argument in steps
        if keyword == "COPY" and not argument.startswith("--from")
        for path in shlex.split(argument)[:-1]
    ]
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages <= set(copied)
    assert [path for path in copied if not (ROOT / path).exists()] == []


def resolve(arguments: list[str]) -> Mapping[str, Any]:
    """The parameters that the real command line reads from `arguments`, without running anything."""
    from streams.cli import cli

    command: click.Command = cli
    name: str | None = "glyphstream"
    context: click.Context | None = None
    rest = list(arguments)
    while True:
        context = command.make_context(name, rest, parent=context)
        if not isinstance(command, click.Group):
            return context.params
        name, found, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None
        command = found


def settings_of(name: str) -> Settings:
    return load_settings({}, SERVICES[name].get("environment", {}))


def seconds(duration: str) -> float:
    """A duration as the compose specification writes it, such as 1m30s."""
    amounts = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", duration)
    assert amounts is not None
    minutes, rest = (int(amount or 0) for amount in amounts.groups())
    return timedelta(minutes=minutes, seconds=rest).total_seconds()


def _instructions(dockerfile: str) -> list[tuple[str, str]]:
    lines = [line for line in dockerfile.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    return [
        (keyword, argument) for keyword, _, argument in (line.partition(" ") for line in joined.splitlines())
    ]
