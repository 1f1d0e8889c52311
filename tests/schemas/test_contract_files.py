"""The files that strangers read: as the code makes them, valid, and true in every example."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import topics
from schemas.events import Event, PromptEvent
from schemas.examples import EXAMPLES, PROMPT
from schemas.faults import BadEvent
from schemas.jsonschema import HERE, differences, files, main, schema, write
from schemas.wire import CE_TYPES, decode, encode

ASYNCAPI: dict[str, Any] = yaml.safe_load((HERE / "asyncapi.yaml").read_text(encoding="utf-8"))
PARTS = json.loads(
    (Path(__file__).parent / "fixtures" / "asyncapi-3.0-parts.json").read_text(encoding="utf-8")
)
DIALECT = jsonschema.Draft202012Validator


def flaws(document: dict[str, Any]) -> list[str]:
    """What is structurally wrong with an AsyncAPI document, references that lead nowhere included."""
    shape = [
        f"{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in DIALECT(PARTS).iter_errors(document)
    ]
    return shape + [
        f"{ref}: leads nowhere" for ref in _references(document) if _target(document, ref) is None
    ]


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _references(item)


def _target(document: Any, ref: str) -> Any:
    for step in ref.removeprefix("#/").split("/"):
        document = document.get(step) if isinstance(document, dict) else None
    return document


def resolved(ref_holder: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in ref_holder:
        ref_holder = _target(ASYNCAPI, ref_holder["$ref"])
    return ref_holder


def standing_alone(payload: dict[str, Any]) -> dict[str, Any]:
    return {**payload, "components": ASYNCAPI["components"]}


def messages() -> Iterator[tuple[str, dict[str, Any]]]:
    for channel in ASYNCAPI["channels"].values():
        for holder in channel["messages"].values():
            yield channel["address"], resolved(holder)


def test_the_checked_in_files_are_what_the_code_makes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().err


def test_a_stale_missing_or_stray_file_is_told(tmp_path: Path) -> None:
    write(tmp_path)
    assert differences(tmp_path) == []
    prompt = tmp_path / "json" / "glyphstream.prompt.v1.json"
    prompt.write_text(prompt.read_text(encoding="utf-8").replace("3840", "4096"), encoding="utf-8")
    (tmp_path / "asyncapi.yaml").unlink()
    (tmp_path / "json" / "glyphstream.prompt.v0.json").write_text("{}", encoding="utf-8")
    stale, missing, stray = differences(tmp_path)
    assert '+      "maximum": 3840,' in stale
    assert missing.startswith("--- asyncapi.yaml")
    assert stray.startswith("glyphstream.prompt.v0.json")


def test_the_files_are_made_the_same_each_time() -> None:
    assert files() == files()


@pytest.mark.parametrize("cls", CE_TYPES)
def test_a_schema_is_valid_and_its_example_obeys_it(cls: type[Event]) -> None:
    made = schema(cls)
    DIALECT.check_schema(made)
    assert made["$id"] == "urn:" + CE_TYPES[cls].replace(".", ":")
    for example in made["examples"]:
        DIALECT(made).validate(example)
        assert decode(cls, json.dumps(example).encode()) == EXAMPLES[cls]


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_what_the_schema_refuses_the_wire_refuses_too(data: st.DataObject) -> None:
    body = json.loads(encode(PROMPT))
    name = data.draw(st.sampled_from(sorted(body)))
    odd: st.SearchStrategy[Any] = st.sampled_from(
        [None, True, 0, -1, 1, 2**40, 0.5, "", "x", "de", "euler", [], ["x"], [{}], {}]
    )
    body[name] = data.draw(odd)
    refused = [e.json_path for e in DIALECT(schema(PromptEvent)).iter_errors(body)]
    try:
        decode(PromptEvent, json.dumps(body).encode())
    except BadEvent as bad:
        # Cross-field rules and the formats of dates are beyond the schema.
        assert refused or name in ("deadline", "texts", "locale", "locales", "width", "height")
        assert bad.faults[0].field.startswith(name) or name in ("locale", "locales", "width", "height")
    else:
        assert refused == []


def test_the_asyncapi_document_is_structurally_valid() -> None:
    assert flaws(ASYNCAPI) == []


Break = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda d: d.pop("operations"), id="no operations"),
        pytest.param(lambda d: d.update(asyncapi="2.6.0"), id="another version"),
        pytest.param(lambda d: d["operations"]["sendResults"].pop("action"), id="no action"),
        pytest.param(lambda d: d["operations"]["sendResults"].update(action="publish"), id="action of 2.x"),
        pytest.param(lambda d: d["channels"]["results"].update(publish={}), id="channel of 2.x"),
        pytest.param(lambda d: d["components"]["messages"].pop("result"), id="dangling message"),
        pytest.param(lambda d: d["components"]["schemas"].pop("Text"), id="dangling schema"),
        pytest.param(lambda d: d["channels"]["results"]["bindings"].update(kafka={"a": 1}), id="binding"),
    ],
)
def test_the_structural_check_sees_damage(damage: Break) -> None:
    document = copy.deepcopy(ASYNCAPI)
    damage(document)
    assert flaws(document)


def test_operations_speak_of_messages_of_their_own_channel() -> None:
    for operation in ASYNCAPI["operations"].values():
        channel = operation["channel"]["$ref"]
        assert [message["$ref"].rpartition("/messages/")[0] for message in operation["messages"]] == [channel]


def test_every_public_topic_is_a_channel_with_its_real_limits() -> None:
    public = {topic.name: topic for topic in topics.TOPICS if topic.public}
    assert {channel["address"] for channel in ASYNCAPI["channels"].values()} == set(public)
    for channel in ASYNCAPI["channels"].values():
        topic = public[channel["address"]]
        told = channel["bindings"]["kafka"]["topicConfiguration"]
        real = topic.config()
        assert ",".join(told["cleanup.policy"]) == real["cleanup.policy"]
        assert str(told["retention.ms"]) == real["retention.ms"]
        assert str(told["max.message.bytes"]) == real["max.message.bytes"]


def test_every_example_obeys_its_schemas_and_is_read_with_its_headers() -> None:
    types = {name: cls for cls, name in CE_TYPES.items()}
    read = []
    for address, message in messages():
        for example in message.get("examples", []):
            DIALECT(standing_alone(resolved(message["payload"]))).validate(example["payload"])
            DIALECT(message["headers"]).validate(example["headers"])
            cls = types[message["name"]]
            headers = [(name, value.encode()) for name, value in example["headers"].items()]
            assert decode(cls, json.dumps(example["payload"]).encode(), headers) == EXAMPLES[cls]
            read.append(address)
    assert read == ["prompts", "results", "reviews"]


def test_a_stranger_is_told_how_to_consume_and_what_final_promises() -> None:
    about = ASYNCAPI["info"]["description"]
    for words in (
        "isolation.level=read_committed",
        "idempotency key",
        "exactly one result with `final: true`",
    ):
        assert words in about
    for name in ("results", "dead-letters"):
        assert "read_committed" in ASYNCAPI["channels"][name]["description"]


def test_a_prompt_made_from_the_document_alone_is_read() -> None:
    prompt = resolved({"$ref": "#/components/schemas/PromptEvent"})
    smallest = dict.fromkeys(prompt["required"], "x")
    defaults = {n: s["default"] for n, s in prompt["properties"].items() if "default" in s}
    assert decode(PromptEvent, json.dumps(smallest).encode()) == decode(
        PromptEvent, json.dumps({**defaults, **smallest}).encode()
    )
