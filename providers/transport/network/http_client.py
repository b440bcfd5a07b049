"""The HTTP client, and what its failures mean. Nothing else imports it; vendor files take `httpx` from `wire`."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from functools import cache

import anyio
import httpx2 as httpx

from atelier.providers.core.errors import MAY_BE_BILLED, ImageError, Reason, sanitize
from atelier.providers.core.types import Endpoint, Progress
from atelier.providers.transport.network.proxies import EnvironmentTransport
from atelier.providers.transport.vendor_json import invalid_response

__all__ = ["environment_transport", "httpx", "transport_error", "untrusted_client", "vendor_client", "with_body"]

NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)
"""Failures before the vendor had the request: sure to have cost nothing."""


def vendor_client(endpoint: Endpoint, deadline: float) -> httpx.AsyncClient:
    """One client per vendor: follows no redirect, because a key may be on board. `deadline` is in seconds.

    Raises invalid_request when this machine's certificates cannot be used.
    """
    timeout = httpx.Timeout(max(endpoint.timeout, deadline), connect=10.0)
    transport = _InProcess(endpoint.transport) if endpoint.transport else environment_transport()
    return httpx.AsyncClient(transport=transport, timeout=timeout, follow_redirects=False)


def environment_transport() -> EnvironmentTransport:
    """The way to a host that the operator chose: through a proxy where the environment names one for it.

    Raises as `client` does.
    """
    return EnvironmentTransport(ssl_context())


def untrusted_client(seconds: float) -> httpx.AsyncClient:
    """A client for links from outside: no key, no redirect, no cookie, no proxy, no connection kept for the next one.

    A proxy would look names up by itself, past the guard. Raises as `client` does.
    """
    alone = httpx.Limits(max_keepalive_connections=0)
    timeout = httpx.Timeout(seconds, connect=min(seconds, 10.0))
    return httpx.AsyncClient(
        verify=ssl_context(), timeout=timeout, limits=alone, trust_env=False, follow_redirects=False
    )


def ssl_context() -> ssl.SSLContext:
    """The authorities that this machine believes. Raises invalid_request when they cannot be read."""
    try:
        return _trust()
    except (OSError, ValueError) as error:
        message = f"This machine's certificates cannot be used: {sanitize(error)}."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Check SSL_CERT_FILE.") from None


@cache
def _trust() -> ssl.SSLContext:
    """Read once: it takes a while."""
    return httpx.create_ssl_context()


class _InProcess(httpx.AsyncBaseTransport):
    """A function from request to response in place of a socket; it runs in a thread, as drawing takes time."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response]) -> None:
        self.answer = answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await anyio.to_thread.run_sync(self.answer, request)


def transport_error(error: Exception, endpoint: Endpoint, host: str) -> ImageError:
    """A failure without an answer, in our reasons."""
    if untrusted := _untrusted(error):
        message = f"The certificate of {host} is not trusted ({sanitize(untrusted, 100)}); nothing was sent."
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
    "If a company's proxy signs it, set SSL_CERT_FILE to a file of PEM certificates with the company's own."
)


def _untrusted(error: BaseException | None) -> str:
    """Why a certificate was not trusted; empty where that is not the cause."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        error = error.__cause__ or error.__context__
    return ""


def with_body(response: httpx.Response, body: bytes, status: int | None = None) -> httpx.Response:
    """A copy of a response with another body, and with another status where one is given.

    The headers that describe the encoding of the old body are left out.

    Headers are bytes, of which nobody promises that they are ASCII.
    """
    stale = (b"content-encoding", b"content-length", b"transfer-encoding")
    headers = [(name, value) for name, value in response.headers.raw if name.lower() not in stale]
    return httpx.Response(status or response.status_code, headers=headers, content=body)


EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
HAS_JSON = re.compile(rb"(?:^|[\r\n])data:\s*\{")  # a ping or a comment has none
EVENT_EDGE = 512  # bytes at either end of an event that is not whole yet, which show what it is and where it ends


async def read_body(arriving: httpx.Response, cap: int, on_progress: Progress) -> httpx.Response:
    """A response with its body of up to `cap` bytes. Each part of an event stream is a sign of life."""
    streams = arriving.headers.get("content-type", "").startswith("text/event-stream")
    chunks, size, parts, rest = list[bytes](), 0, 0, b""
    async for chunk in arriving.aiter_bytes():
        size += len(chunk)
        if size > cap:
            raise invalid_response(f"The vendor's answer is larger than {cap // 2**20} MB.")
        chunks.append(chunk)
        if streams:
            *events, rest = EVENT_END.split(rest + chunk)
            for _ in filter(HAS_JSON.search, events):
                parts += 1
                await on_progress(f"Part {parts} of the picture has arrived.")
            rest = rest if len(rest) <= 2 * EVENT_EDGE else rest[:EVENT_EDGE] + rest[-EVENT_EDGE:]
    return with_body(arriving, b"".join(chunks))
