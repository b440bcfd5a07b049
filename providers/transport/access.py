"""Where a request to a vendor may go, and what it gets: a key, or credentials that are found when they are needed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import Endpoint
from atelier.providers.transport.network.address_policy import AddressPolicy, UnknownHostError
from atelier.providers.transport.network.http_client import httpx
from atelier.providers.transport.vendor_json import invalid_response


@dataclass(frozen=True, slots=True)
class Credentials:
    """Credentials that are not a key as it is: `headers` returns what is added to a request. `secrets` are redacted."""

    headers: Callable[[httpx.Request], Mapping[str, str]]
    secrets: tuple[str, ...] = field(default=(), repr=False)


FindCredentials = Callable[[Endpoint, httpx.AsyncClient], Awaitable[Credentials]]
"""Finds the credentials of an endpoint; requests that it needs for that go through the client of the vendor."""


class Access:
    """The key of one endpoint, or what is used in its place."""

    def __init__(self, endpoint: Endpoint, key: str | None, find: FindCredentials | None) -> None:
        self._endpoint = endpoint
        self._key = key
        self._find = find
        self._credentials: Credentials | None = None

    async def find(self, client: httpx.AsyncClient) -> tuple[str, ...]:
        """Find the credentials, once. Returns the secrets to redact that are new. Raises authentication."""
        if self._find is None or self._credentials is not None:
            return ()
        self._credentials = await self._find(self._endpoint, client)
        return self._credentials.secrets

    def admitted(self, request: httpx.Request) -> httpx.Request:
        """Return a copy with the key or the credentials, if the URL may get them; the prepared one never has them."""
        copy = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
        if not _is_trusted(request.url, self._endpoint):
            return copy
        if self._credentials:
            copy.headers.update(self._credentials.headers(copy))
        elif self._key:
            copy.headers[self._endpoint.key_header] = self._endpoint.key_prefix + self._key
        return copy


def _is_trusted(url: httpx.URL, endpoint: Endpoint) -> bool:
    """Whether a URL may get the key.

    Trusted are the host of the base URL, on any port, and if that is a vendor host, the vendor's other hosts by https.
    """
    base = httpx.URL(endpoint.base_url)
    vendors = endpoint.is_vendor_host(base.host) and endpoint.is_vendor_host(url.host)
    return (url.scheme, url.host) == (base.scheme, base.host) or (vendors and url.scheme == "https")


async def resolve_allowed(url: httpx.URL, endpoint: Endpoint, address_policy: AddressPolicy) -> tuple[str, ...]:
    """Return the IP addresses to connect to for a vendor's link; empty for the host of the base URL, which is trusted.

    Raises invalid_response if the link leads to a forbidden address, and ConnectError if its host does not exist;
    invalid_request for a local server that is reached by http on the internet.
    """
    base = httpx.URL(endpoint.base_url)
    if url.host == base.host and endpoint.is_local and url.scheme == "http":
        return await _addresses_of_local_server(url, endpoint, address_policy)
    if url.host == base.host or endpoint.transport:
        return ()
    try:
        return await address_policy.addresses_of_vendor_link(url, base if endpoint.custom else None)
    except UnknownHostError as error:
        raise httpx.ConnectError(f"it {error}") from None
    except ValueError as error:
        raise invalid_response(f"The vendor sent a link that {error}.") from None


async def _addresses_of_local_server(
    url: httpx.URL, endpoint: Endpoint, address_policy: AddressPolicy
) -> tuple[str, ...]:
    try:
        return await address_policy.addresses_of_local_server(url)
    except ValueError as error:
        message = f"{endpoint.base_url_variable} is http and {error}."
        hint = "http is for this machine and private networks; use https, or a tunnel."
        raise ImageError(Reason.INVALID_REQUEST, message, hint=hint) from None
