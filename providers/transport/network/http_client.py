"""Make HTTP clients, over sockets or through a program's own client, and translate their exceptions.

Adapters import `httpx` from `wire`, not from here.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol

import anyio
import httpx2 as httpx

from atelier.providers.core.errors import MAY_BE_BILLED, ImageError, Reason, sanitize
from atelier.providers.core.types import Endpoint
from atelier.providers.transport.network.proxies import proxied_transport

__all__ = [
    "OwnTransport",
    "environment_transport",
    "httpx",
    "transport_error",
    "untrusted_client",
    "vendor_client",
]

NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)
"""Exceptions raised before the vendor had the request, which therefore cost nothing."""


class HttpClient(Protocol):
    """The methods of `AsyncClient` that are used: of httpx, its continuation httpx2, or anything like them."""

    def build_request(self, method: str, url: str, **options: Any) -> Any:
        """Return a request."""
        ...

    async def send(self, request: Any, *, stream: bool, follow_redirects: bool) -> Any:
        """Send it and return the response before its body is read."""
        ...


OwnTransport = httpx.AsyncBaseTransport | HttpClient | Callable[[httpx.Request], httpx.Response]
"""A program's own way to send requests. It stays the program's: it is not closed."""


def vendor_client(endpoint: Endpoint, deadline: float, own: OwnTransport | None = None) -> httpx.AsyncClient:
    """Return a vendor's client. It follows no redirects, which could leak the key. `deadline` is in seconds.

    `own` sends in place of a socket. Raises invalid_request when this machine's certificates cannot be used.
    """
    timeout = httpx.Timeout(max(endpoint.timeout, deadline), connect=10.0)
    given = endpoint.transport or own
    transport = own_transport(given) if given else environment_transport()
    return httpx.AsyncClient(transport=transport, timeout=timeout, follow_redirects=False)


def environment_transport() -> httpx.AsyncBaseTransport:
    """Return the transport for hosts that the operator chose, which uses the proxies of the environment.

    Raises as `vendor_client` does.
    """
    return proxied_transport(ssl_context())


def untrusted_client(seconds: float) -> httpx.AsyncClient:
    """Return a client for links from outside, without key, redirects, cookies, proxy or reused connections.

    A proxy would resolve names by itself, past the address policy. Raises as `vendor_client` does.
    """
    no_reuse = httpx.Limits(max_keepalive_connections=0)
    timeout = httpx.Timeout(seconds, connect=min(seconds, 10.0))
    return httpx.AsyncClient(
        verify=ssl_context(), timeout=timeout, limits=no_reuse, trust_env=False, follow_redirects=False
    )


def ssl_context() -> ssl.SSLContext:
    """Return the TLS context with this machine's certificates. Raises invalid_request if they cannot be read."""
    try:
        return _load_context()
    except (OSError, ValueError) as error:
        message = f"This machine's certificates cannot be used: {sanitize(error)}."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Check SSL_CERT_FILE.") from None


@cache
def _load_context() -> ssl.SSLContext:
    """Load the certificates once, because that is slow."""
    return httpx.create_ssl_context()


def own_transport(given: OwnTransport) -> httpx.AsyncBaseTransport:
    """Return the transport that sends through what a program has given."""
    if isinstance(given, httpx.AsyncBaseTransport):
        return _Borrowed(given)
    if callable(given):
        return InProcess(given)
    return _ThroughClient(given)


class InProcess(httpx.AsyncBaseTransport):
    """Answer requests by a function instead of a socket. It runs in a thread, because it may be slow."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response]) -> None:
        self.answer = answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the function's answer."""
        return await anyio.to_thread.run_sync(self.answer, request)


class _Borrowed(httpx.AsyncBaseTransport):
    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._transport.handle_async_request(request)


class _ThroughClient(httpx.AsyncBaseTransport):
    """A client may belong to another HTTP library, whose requests and errors are its own."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        theirs = self._client.build_request(
            request.method,
            str(request.url),
            headers=request.headers.raw,
            content=request.read(),
            extensions=request.extensions,
        )
        with _translated(request):
            answer = await self._client.send(theirs, stream=True, follow_redirects=False)
        return httpx.Response(answer.status_code, headers=answer.headers.raw, stream=_Body(answer, request))


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: Any, request: httpx.Request) -> None:
        self._answer = answer
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translated(self._request):
            async for chunk in self._answer.aiter_raw():
                yield chunk

    async def aclose(self) -> None:
        await self._answer.aclose()


@contextmanager
def _translated(request: httpx.Request) -> Generator[None]:
    """Raise another library's error as ours of the same name."""
    try:
        yield
    except Exception as error:
        for name in (each.__name__ for each in type(error).__mro__):
            ours = getattr(httpx, name, None)
            if isinstance(ours, type) and issubclass(ours, httpx.RequestError):
                raise ours(str(error), request=request) from error
        raise


def transport_error(error: Exception, endpoint: Endpoint, host: str) -> ImageError:
    """Return the ImageError for an exception of the client."""
    if why := _certificate_error(error):
        message = f"The certificate of {host} is not trusted ({sanitize(why, 100)}); nothing was sent."
        return ImageError(Reason.NETWORK_ERROR, message, hint=UNTRUSTED_HINT)
    if isinstance(error, NEVER_SENT):
        hint = f"Check the network{f' and {endpoint.base_url_variable}' if endpoint.custom else ''}."
        why = f" ({sanitize(error, 100)})" if str(error) else ""
        return ImageError(Reason.NETWORK_ERROR, f"No connection to {host}{why}; nothing was sent.", hint=hint)
    hint = MAY_BE_BILLED
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        message = f"{host} did not finish its answer in time."
        return ImageError(Reason.TIMEOUT, message, hint=hint, facts={"outcome": "unknown"})
    if isinstance(error, httpx.TransportError):
        message = f"The connection to {host} broke before the answer was whole."
        return ImageError(Reason.NETWORK_ERROR, message, hint=hint, facts={"outcome": "unknown"})
    message = f"{host} sent an answer that cannot be decoded."
    return ImageError(Reason.INVALID_RESPONSE, message, hint=hint, facts={"outcome": "unknown"})


UNTRUSTED_HINT = (
    "If a company's proxy signs it, set SSL_CERT_FILE to a PEM file that includes the company's certificate."
)


def _certificate_error(error: BaseException | None) -> str:
    """Return why a certificate was not trusted; empty if that is not the cause."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        error = error.__cause__ or error.__context__
    return ""
