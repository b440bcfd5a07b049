"""Send requests through a program's own HTTP client, transport or function, in place of our sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager
from typing import Any, Protocol

import anyio
import httpx2 as httpx


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
