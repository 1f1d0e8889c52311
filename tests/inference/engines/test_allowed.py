from __future__ import annotations

import pytest

from inference.engines.allowed import HOSTS, NotAllowed, check_address, is_loopback

IDEOGRAM = HOSTS["ideogram"]


@pytest.mark.parametrize(
    "url",
    [
        "https://ideogram.ai/api/images/ephemeral/a.png?exp=1&sig=2",
        "https://cdn.ideogram.ai/a.png",
        "https://IDEOGRAM.ai:443/a.png",
    ],
)
def test_a_provider_s_own_hosts_are_followed(url: str) -> None:
    assert check_address(url, IDEOGRAM) == url


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://ideogram.ai/a.png", "must be https"),
        ("https://ideogram.ai.evil.test/a.png", "no host of this provider's; known: ideogram.ai"),
        ("https://evilideogram.ai/a.png", "no host of this provider's"),
        ("https://ideogram.ai@evil.test/a.png", "a user name"),
        ("https://evil.test\\@ideogram.ai/a.png", "no plain address"),
        ("https://ideogram.ai:8443/a.png", "port 8443"),
        ("https://ideogram.ai:99999/a.png", "out of range"),
        ("https://169.254.169.254/latest/meta-data", "no host"),
        ("https://[::ffff:127.0.0.1]/a", "no host"),
        ("http://127.0.0.1:8000/admin", "must be https"),
        ("https://127.0.0.1/admin", "no host"),
        ("https://ideogram.ai./a.png", "no host"),
        ("https://ideográm.ai/a.png", "no plain address"),
        ("file:///etc/passwd", "must be https"),
        ("gopher://ideogram.ai/", "must be https"),
        ("//ideogram.ai/a.png", "must be https"),
        ("", "must be https"),
        ("https://ideogram.ai/a\r\nHost: evil", "no plain address"),
        ("https://ideogram.ai/" + "a" * 9_000, "no plain address"),
        ("https://[::1", "Invalid IPv6"),
    ],
)
def test_any_other_address_is_not_and_the_error_says_why(url: str, says: str) -> None:
    with pytest.raises(NotAllowed, match=says):
        check_address(url, IDEOGRAM)


def test_an_address_s_signature_is_not_shown() -> None:
    with pytest.raises(NotAllowed) as caught:
        check_address("https://evil.test/a.png?sig=topsecret", IDEOGRAM)
    assert "topsecret" not in str(caught.value)


def test_this_machine_may_be_named_by_a_provider_that_is_on_it_and_by_no_other() -> None:
    url = "http://127.0.0.1:8765/picture.png"
    assert check_address(url, (), here=True) == url
    assert check_address("http://localhost:1/p", (), here=True)
    for other in ("http://10.0.0.7/p", "https://evil.test/p", "ftp://127.0.0.1/p"):
        with pytest.raises(NotAllowed):
            check_address(other, (), here=True)


def test_a_provider_that_sends_bytes_has_no_hosts_to_follow() -> None:
    with pytest.raises(NotAllowed, match="known: none"):
        check_address("https://storage.googleapis.com/a.png", HOSTS["google"])


@pytest.mark.parametrize(
    ("url", "here"),
    [("http://127.0.0.1:1", True), ("http://[::1]/x", True), ("http://localhost", True),
     ("https://api.openai.com", False), ("http://127.0.0.1.evil.test", False), ("", False),
     ("http://[", False)],
)  # fmt: skip
def test_what_is_on_this_machine(url: str, here: bool) -> None:
    assert is_loopback(url) is here
