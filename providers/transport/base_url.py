"""Where a vendor's API is, where its key may go, and where the links may lead that it gives."""

from __future__ import annotations

import re

from atelier.providers.core.types import Endpoint
from atelier.providers.transport.exchange import address
from atelier.providers.transport.network.address_policy import AddressPolicy, NoSuchHostError
from atelier.providers.transport.network.http_client import httpx
from atelier.providers.transport.vendor_json import invalid_response

VERSIONS = re.compile(r"(/v\d+(alpha|beta)?\d*)+$")


def base_url(written: str, endpoint: Endpoint) -> str:
    """A base URL as a person writes it, without what the paths of requests have themselves: slashes and the version."""
    url = written.rstrip("/")
    return url if endpoint.base_path or VERSIONS.search(endpoint.base_url) else VERSIONS.sub("", url).rstrip("/")


def base_url_hint(endpoint: Endpoint) -> str:
    """What to check of a custom base URL that did not lead to the vendor's API."""
    name, path = endpoint.base_url_variable or "the base URL", endpoint.base_path
    if path and not endpoint.base_url.endswith(path):
        return f"{name} must end in {path}; it is {address(httpx.URL(endpoint.base_url))}."
    form = f"ends in {path}, as it must" if path else "is taken without a version such as /v1 or /v1beta"
    return f"Check the host and path of {name}, which {form}."


def vendor_url(words: str, endpoint: Endpoint, base: httpx.URL | None = None) -> httpx.URL:
    """An address that the vendor gave: https, unless its own host is not. Raises invalid_response."""
    try:
        url = base.join(words) if base else httpx.URL(words)
    except (httpx.InvalidURL, ValueError):
        raise invalid_response("The vendor gave a link that is no address.") from None
    if url.scheme not in ("https", httpx.URL(endpoint.base_url).scheme) or not url.host:
        raise invalid_response("The vendor gave a link that is not https.")
    return url


async def resolve_allowed(url: httpx.URL, endpoint: Endpoint, reach: AddressPolicy) -> tuple[str, ...]:
    """Where a link of the vendor's may be dialled; nothing for one to where the operator sends requests anyway.

    Raises invalid_response for one that leads where it must not, and ConnectError for one that leads nowhere.
    """
    base = httpx.URL(endpoint.base_url)
    if url.host == base.host or endpoint.transport:
        return ()
    try:
        return await reach.of_vendor(url, base if endpoint.custom else None)
    except NoSuchHostError as error:
        raise httpx.ConnectError(f"it {error}") from None
    except ValueError as error:
        raise invalid_response(f"The vendor gave a link that {error}.") from None


def is_trusted(url: httpx.URL, endpoint: Endpoint) -> bool:
    """Whether the key may go there: to the host of the base URL, on any port; or, where that is the vendor's own, to
    another of the vendor's."""
    base = httpx.URL(endpoint.base_url)
    vendors = endpoint.is_vendors(base.host) and endpoint.is_vendors(url.host)
    return (url.scheme, url.host) == (base.scheme, base.host) or (vendors and url.scheme == "https")
