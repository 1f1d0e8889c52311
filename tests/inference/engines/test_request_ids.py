from __future__ import annotations

import pytest

from inference.engines.contract import Provider
from inference.engines.request_ids import request_id_in


@pytest.mark.parametrize(
    ("provider", "headers", "body", "name"),
    [
        ("openai", {"x-request-id": "req_1"}, b"", "req_1"),
        ("google", {}, b'{"candidates": [], "responseId": "r-1"}', "r-1"),
        ("google", {}, b'{"error": {"details": [{"@type": "x", "requestId": "q-1"}]}}', "q-1"),
        ("ideogram", {"x-request-id": "req_1"}, b'{"generation_id":"gen-1","data":[]}', "gen-1"),
        ("ideogram", {"x-request-id": "req_1"}, b'{"generation_id":null,"data":[]}', "req_1"),
        ("stability", {}, b'{"id": "e-1", "name": "bad_request"}', "e-1"),
        ("stability", {}, b'{"id": "e-1", "na', "e-1"),
        ("openai", {}, b'{"id": "e-1"}', ""),
        ("openai", {"x-request-id": "two words"}, b"", ""),
        ("openai", {"x-request-id": "x" * 201}, b"", ""),
        ("google", {}, b'{"text": "\\"responseId\\": \\"forged\\""}', ""),
        ("google", {}, b'{"responseId": "never closed', ""),
        ("google", {}, b"\xff\xfe", ""),
    ],
)
def test_an_answer_has_the_name_that_its_provider_gives_it(
    provider: Provider, headers: dict[str, str], body: bytes, name: str
) -> None:
    assert request_id_in(provider, headers, body) == name
