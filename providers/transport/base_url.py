"""Base URLs of vendors and the links in their answers: how they are written, and which form they must have."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from atelier.providers.core.types import Endpoint
from atelier.providers.transport.exchange import safe_url
from atelier.providers.transport.network.http_client import httpx
from atelier.providers.transport.vendor_json import invalid_response

VERSIONS = re.compile(r"(/v\d+(alpha|beta)?\d*)+$")


def base_url(configured: str, endpoint: Endpoint) -> str:
    """Return a configured base URL without trailing slashes, and without the version if request paths contain it."""
    url = configured.rstrip("/")
    return url if endpoint.base_path or VERSIONS.search(endpoint.base_url) else VERSIONS.sub("", url).rstrip("/")


def host_of(url: str) -> str | None:
    """Return the host of a base URL, or None for one with a password or without a valid host and port."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode()
        usable = parts.scheme in ("http", "https") and host and (parts.port is None or parts.port > 0)
    except ValueError:
        return None
    odd = parts.username or parts.password or parts.query or parts.fragment or not url.isprintable() or " " in url
    return host if usable and not odd else None


def base_url_hint(endpoint: Endpoint) -> str:
    """Return a hint for a custom base URL that is not the vendor's API."""
    name, path = endpoint.base_url_variable or "the base URL", endpoint.base_path
    if path and not endpoint.base_url.endswith(path):
        return f"{name} must end in {path}; it is {safe_url(httpx.URL(endpoint.base_url))}."
    form = f"It ends in {path}, as it must." if path else "It needs no version such as /v1 or /v1beta."
    return f"Check the host and path of {name}. {form}"


def vendor_url(link: str, endpoint: Endpoint, base: httpx.URL | None = None) -> httpx.URL:
    """Parse a link of a vendor, which needs https unless the base URL has none. Raises invalid_response."""
    try:
        url = base.join(link) if base else httpx.URL(link)
    except (httpx.InvalidURL, ValueError):
        raise invalid_response("The vendor sent a link that is not a valid URL.") from None
    if url.scheme not in ("https", httpx.URL(endpoint.base_url).scheme) or not url.host:
        raise invalid_response("The vendor sent a link that is not https.")
    return url


def image_url(link: str, endpoint: Endpoint, base: httpx.URL) -> httpx.URL:
    """Parse the link of an image, which is read without the key. Raises invalid_response.

    A link with http and no port is followed with https: some stores, and hosts behind a proxy, name the wrong scheme.
    """
    if link[:7].lower() == "http://" and httpx.URL(endpoint.base_url).scheme == "https":
        secure = vendor_url(f"https{link[4:]}", endpoint)
        return secure if secure.port is None else vendor_url(link, endpoint)
    return vendor_url(link, endpoint, base)
