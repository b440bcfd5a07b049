"""What a vendor wants with a request: a key, or credentials that are found when they are needed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from atelier.providers.core.types import Endpoint
from atelier.providers.transport.base_url import is_trusted
from atelier.providers.transport.network.http_client import httpx


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
        if not is_trusted(request.url, self._endpoint):
            return copy
        if self._credentials:
            copy.headers.update(self._credentials.headers(copy))
        elif self._key:
            copy.headers[self._endpoint.key_header] = self._endpoint.key_prefix + self._key
        return copy
