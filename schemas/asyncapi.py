"""The AsyncAPI 3.0 document: all that a stranger with another Kafka client needs.

Sources: AsyncAPI 3.0.0; AsyncAPI Kafka bindings 0.5.0. The payload schemas use only what JSON Schema
draft 7 and 2020-12 have in common, so they are valid in AsyncAPI's own dialect.
"""

from __future__ import annotations

from typing import Any, Final, get_args

import orjson
import yaml

from schemas.checks import DEADLINE_YEARS, MOST_FINALS, MOST_PIXELS
from schemas.components import components
from schemas.events import Event, PromptEvent, Result, Review
from schemas.examples import AT, EXAMPLES
from schemas.faults import Code
from schemas.topics import DEAD_LETTERS, PROMPTS, RESULTS, REVIEWS, Topic
from schemas.wire import CE_TYPES, encode, headers_for, key_for

BINDING: Final = {"bindingVersion": "0.5.0"}
_REF: Final = "#/components/schemas/{name}"

ABOUT: Final = f"""\
glyphstream turns prompt events into finished, scored pictures whose words can be read.
You send to `prompts`, read `results`, and may send to `reviews`. Every action below is
glyphstream's own: what it receives, you send.

## Producing
- Value: one JSON object in UTF-8; a record is at most {PROMPTS.max_message_bytes} bytes. No schema
  registry, no magic bytes. Moments are RFC 3339 with an offset; integers have no decimal point.
- `source` and `id` together are the idempotency key. After any error send the same record again, as often
  as you like: within about 5,000 records of a partition it makes no second picture, charge or final. Keep
  the body and, where you set one, the key as they were. New work, a corrected prompt included, needs a
  new id.
- Use `acks=all` and `enable.idempotence=true`.
- Key: any or none; glyphstream re-keys. With `["<source>","<id>"]` (a JSON array without spaces, in
  UTF-8) your record has the key that every later record about that prompt has.
- Headers: none is needed. CloudEvents 1.0 is read in binary mode (`ce_*` headers) and in structured
  mode (`content-type: application/cloudevents+json`). A `ce_type` must be the one given here; without
  one the record counts as version 1. A `ce_id` and `ce_source` must equal the body's `id` and
  `source`. `traceparent` is passed on.
- Beyond the schema: variants x locales is at most {MOST_FINALS}; width x height is at most
  {MOST_PIXELS}; a text that names a locale names one of `locales` (or `locale`, where `locales` is
  absent); each of `locales` has texts of its own, or there are texts without a locale; names are one
  line, and nothing holds control characters; the deadline's year is
  {DEADLINE_YEARS.start} to {DEADLINE_YEARS.stop - 1}.
- What breaks these rules goes to `dead-letters` untouched, with headers that name each field. Where
  its source and id could be read and agree, a final with status `failed` says so in `results` too.

## Consuming
- **Set `isolation.level=read_committed`.** Records are written in transactions; a consumer left at
  `read_uncommitted` sees results that were taken back.
- Ignore fields and headers that you do not know: later versions add optional fields. Anything else
  that changes comes as a new `ce_type`.
- Key: the JSON array `["<source>","<id>"]`. All records about one prompt are on one partition of a
  topic, in order.
- Headers: CloudEvents 1.0 binary mode. `ce_id` is the same whenever the same event is sent again.

## What `final` promises
Every decodable prompt ends in exactly one result with `final: true` for each (source, id, variant,
run), whatever happens; `status` says how it ended. Variants are numbered 0 to variants x locales - 1:
the first locale's variants, then the next one's. Before the final there may be results with
`final: false` (a preview). `run` is `live` but for replays; ignore other runs unless you asked for
them. Pictures are not in the record: fetch `pictures.image.uri` and verify `sha256`.
"""

RESULTS_ABOUT: Final = """\
Outcomes, in order for each prompt. Read with `isolation.level=read_committed` and, to miss none,
`auto.offset.reset=earliest`. Your final is the record whose `ref.source` and `ref.id` are your
prompt's, with `final: true`; there is exactly one for each `ref.variant` and `ref.run`.
"""

DEAD_ABOUT: Final = """\
Records that could not be worked on: key, value, timestamp and headers as they came, and the headers
below besides. The value may be any bytes. Read with `isolation.level=read_committed`.
"""


def document() -> dict[str, Any]:
    """The document as plain values, ready for YAML or JSON."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "glyphstream",
            "version": "1.0.0",
            "description": ABOUT,
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "description": "Any one of the cluster's brokers.",
                "variables": {
                    "bootstrap": {"default": "localhost:9092", "description": "`bootstrap.servers`"},
                },
            }
        },
        "channels": {
            "prompts": _channel(PROMPTS, "prompt", "What is to be drawn. Send here."),
            "results": _channel(RESULTS, "result", RESULTS_ABOUT),
            "reviews": _channel(REVIEWS, "review", "People's judgements, kept for ever. Send here."),
            "dead-letters": _channel(DEAD_LETTERS, "dead-letter", DEAD_ABOUT),
        },
        "operations": {
            "receivePrompts": {
                **_operation("receive", "prompts", "prompt", "You send a prompt; its results come back."),
                "reply": {
                    "channel": _ref("channels", "results"),
                    "messages": [_message_of("results", "result")],
                },
            },
            "sendResults": _operation("send", "results", "result", "You read results, read_committed."),
            "receiveReviews": _operation("receive", "reviews", "review", "You send a person's judgement."),
            "sendDeadLetters": _operation(
                "send", "dead-letters", "dead-letter", "You read what was refused, and why."
            ),
        },
        "components": {
            "messages": {
                "prompt": _message(PromptEvent, "A prompt", ours=False),
                "result": _message(Result, "A result", ours=True),
                "review": _message(Review, "A review", ours=False),
                "dead-letter": _dead_letter(),
            },
            "schemas": components([PromptEvent, Result, Review], _REF),
        },
    }


def text() -> str:
    """The document as YAML, the same from run to run."""
    return yaml.dump(
        document(), Dumper=_Readable, sort_keys=False, allow_unicode=True, width=110, default_flow_style=False
    )


class _Readable(yaml.SafeDumper):
    """Prose as blocks, and every value written out where it is used."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Readable.add_representer(str, _represent_text)


def _ref(*path: str) -> dict[str, str]:
    return {"$ref": "#/" + "/".join(path)}


def _message_of(channel: str, message: str) -> dict[str, str]:
    return _ref("channels", channel, "messages", message)


def _channel(topic: Topic, message: str, description: str) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": description,
        "messages": {message: _ref("components", "messages", message)},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "topicConfiguration": {
                    "cleanup.policy": topic.cleanup.split(","),
                    "retention.ms": topic.retention_ms,
                    "max.message.bytes": topic.max_message_bytes,
                },
                **BINDING,
            }
        },
    }


def _operation(action: str, channel: str, message: str, summary: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": _ref("channels", channel),
        "summary": summary,
        "messages": [_message_of(channel, message)],
        "bindings": {"kafka": dict(BINDING)},
    }


def _message(cls: type[Event], title: str, *, ours: bool) -> dict[str, Any]:
    example = EXAMPLES[cls]
    return {
        "name": CE_TYPES[cls],
        "title": title,
        "contentType": "application/json",
        "headers": _headers(CE_TYPES[cls], ours=ours),
        "payload": _ref("components", "schemas", cls.__name__),
        "bindings": {"kafka": {"key": _key(ours=ours), **BINDING}},
        "examples": [
            {
                "name": cls.__name__.lower(),
                "summary": f"Record key: {key_for(example).decode()}",
                "headers": {n: v.decode() for n, v in headers_for(example, producer="score", time=AT)},
                "payload": orjson.loads(encode(example)),
            }
        ],
    }


def _headers(ce_type: str, *, ours: bool) -> dict[str, Any]:
    """Values are UTF-8 text. What others send is optional, what we send is always there."""
    properties: dict[str, Any] = {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": {"type": "string", "minLength": 1},
        "ce_source": {"type": "string", "minLength": 1},
        "ce_type": {"type": "string", "const": ce_type},
        "ce_time": {"type": "string", "format": "date-time"},
        "ce_subject": {"type": "string", "description": "the record's key"},
        "content-type": {"type": "string", "description": "application/json"},
        "traceparent": {"type": "string", "description": "W3C Trace Context, passed on"},
    }
    required = [name for name in properties if name != "traceparent"] if ours else []
    return {"type": "object", "properties": properties, **({"required": required} if ours else {})}


def _key(*, ours: bool) -> dict[str, Any]:
    shape = 'the JSON array ["<source>","<id>"] of the prompt, in UTF-8, without spaces'
    return {"type": "string", "description": shape if ours else f"any or none; best {shape}"}


def _dead_letter() -> dict[str, Any]:
    number = {"type": "string", "pattern": "^-?[0-9]+$", "description": "decimal text"}
    properties = {
        "x-error-stage": {"type": "string", "description": "the stage that gave up"},
        "x-error-class": {"type": "string"},
        "x-error-code": {
            "type": "string",
            "description": f"stable; for a bad event one of {', '.join(get_args(Code))}",
        },
        "x-error-message": {"type": "string", "description": "each fault: field, what is wrong, value, fix"},
        "x-original-topic": {"type": "string"},
        "x-original-partition": number,
        "x-original-offset": number,
        "x-original-timestamp": {
            **number,
            "description": "milliseconds since 1970, decimal text; -1 where it could not be read",
        },
        "x-original-key": {"type": "string", "const": "null", "description": "the original had no key"},
        "x-claim-uri": {
            "type": "string",
            "description": "the record was too large for this topic: JSON with its key, value and headers, "
            "the bytes in base64, lies here; the value is empty then",
        },
        "x-claim-sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "x-original-bytes": number,
    }
    optional = {"x-original-key", "x-claim-uri", "x-claim-sha256", "x-original-bytes"}
    required = [name for name in properties if name not in optional]
    return {
        "name": "dead-letter",
        "title": "A dead letter",
        "contentType": "application/octet-stream",
        "headers": {"type": "object", "properties": properties, "required": required},
        "payload": {"description": "the original value, any bytes or null"},
        "bindings": {"kafka": {"key": {"description": "the original key"}, **BINDING}},
    }
