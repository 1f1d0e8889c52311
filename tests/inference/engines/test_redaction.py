from __future__ import annotations

import json

import pytest

from inference.engines.redaction import HIDDEN, Redactor

KEY = "abc/DEF+0123456789=="


@pytest.mark.parametrize(
    "text",
    [
        f"your key {KEY} is wrong",
        "key=abc%2FDEF%2B0123456789%3D%3D",
        "Incorrect API key provided: sk-proj-abc****wxyz.",
        "AIzaSyA1234567890abcdefghijk",
        "Authorization: Bearer 0123456789abcdefXYZ",
        '{"api_key": "0123456789abcdefXYZ"}',
        "https://user:0123456789abcdefXYZ@host.test/a",
        "https://blob.test/p.png?sig=0123456789abcdefXYZ",
    ],
)
def test_whatever_looks_like_a_secret_is_hidden(text: str) -> None:
    hidden = Redactor(KEY)(text)
    assert HIDDEN in hidden
    for secret in (KEY, "DEF", "wxyz", "SyA123", "abcdefXYZ"):
        assert secret not in hidden


def test_plain_words_stay() -> None:
    text = "The Bearer token is missing; the api_key: none; see https://docs.test/errors for sk-1."
    assert Redactor(KEY)(text) == text


def test_a_key_that_is_escaped_or_lies_across_the_cut_is_hidden_too() -> None:
    redact = Redactor(KEY)
    escaped = json.dumps({"error": f"wrong: {KEY}"}).replace("/", "\\/").encode()
    assert "DEF" not in redact.quoted(escaped)
    for at in range(270, 300):
        assert "abc/" not in redact.quoted(json.dumps({"error": "x" * at + KEY}).encode())


def test_a_quote_is_one_printable_line_of_300_characters_at_most() -> None:
    redact = Redactor()
    quoted = redact.quoted(b'{"error": {"code": 7, "message": "a\\n\\u0000b' + b"c" * 1000 + b'"}}')
    assert quoted.startswith("7: a b")
    assert len(quoted) == 300
    assert redact.quoted(b"\xff\xfe\x00") == "��"
    assert redact.quoted(b"") == ""


def test_a_redactor_does_not_show_what_it_hides() -> None:
    assert KEY not in repr(Redactor(KEY))
