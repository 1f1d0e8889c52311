"""What a producer sent, read by the contract's own decoder."""

from __future__ import annotations

from confluent_kafka import Message

from schemas.events import PromptEvent
from schemas.wire import decode


def headers_of(message: Message) -> dict[str, bytes]:
    """Raises `ValueError` for a header that is there twice or has no bytes."""
    headers = message.headers() or []
    found: dict[str, bytes] = {}
    for name, value in headers.items() if isinstance(headers, dict) else headers:
        if name in found or not isinstance(value, bytes):
            raise ValueError(f"header {name} is {value!r}; a CloudEvents attribute is there once, as text")
        found[name] = value
    return found


def prompt_of(message: Message) -> PromptEvent:
    """Raises `BadEvent` as the route stage would."""
    return decode(PromptEvent, message.value(), list(headers_of(message).items()))
