"""Base URLs as people configure them: which are usable, and what is taken off their end."""

from __future__ import annotations

import pytest

from atelier.providers.core.types import Endpoint
from atelier.providers.transport.base_url import base_url, host_of

WITH_VERSION = Endpoint(base_url="https://api.openai.com/v1", base_path="/v1")
WITHOUT = Endpoint(base_url="https://generativelanguage.googleapis.com")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://gateway.example", "gateway.example"),
        ("http://localhost:8080/v1", "localhost"),
        ("https://[::1]:8443", "::1"),
        ("https://bücher.example/v1", "xn--bcher-kva.example"),
        ("https://user@gateway.example", None),
        ("https://:secret@gateway.example", None),
        ("https://gateway.example/?key=1", None),
        ("https://gateway.example/#v1", None),
        ("https://gateway.example/a b", None),
        ("https://gateway.example/\n", None),
        ("https://gateway.example:0", None),
        ("https://gateway.example:99999", None),
        ("ftp://gateway.example", None),
        ("https://", None),
        ("gateway.example", None),
        ("https://[::1", None),
    ],
)
def test_a_base_url_has_a_host_and_nothing_that_a_request_would_carry_along(url: str, host: str | None) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    ("configured", "endpoint", "url"),
    [
        ("https://gateway.example/v1/", WITH_VERSION, "https://gateway.example/v1"),
        ("https://gateway.example//", WITHOUT, "https://gateway.example"),
        ("https://gateway.example/v1beta", WITHOUT, "https://gateway.example"),
        ("https://gateway.example/google/v1beta/", WITHOUT, "https://gateway.example/google"),
        ("https://gateway.example/v1/v1beta", WITHOUT, "https://gateway.example"),
        ("https://gateway.example/v1s", WITHOUT, "https://gateway.example/v1s"),
    ],
)
def test_a_version_is_taken_off_where_the_paths_of_requests_have_it(
    configured: str, endpoint: Endpoint, url: str
) -> None:
    assert base_url(configured, endpoint) == url
