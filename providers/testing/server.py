"""The base of every emulator: uvicorn in a thread on a loopback port, a log of requests, scripted faults."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from atelier.providers.testing.waiting import Gate, until
from atelier.providers.vendors.hosts.settings import HOSTS, KNOWN, parse_hosts
from atelier.providers.vendors.registry import all_providers


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it arrived. Header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body as a JSON object."""
        return json.loads(self.body)


class Bill(NamedTuple):
    """What the vendor asks for one request that it took, by its own price list: USD, and how many pictures."""

    usd: Decimal
    pictures: int


class Fault(Protocol):
    """Something that happens to one request in place of an answer, or on the way to it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send, app: ASGIApp) -> None: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """This status and body, for any request."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def response(self) -> Response:
        """The answer for Starlette."""
        raw = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        return Response(raw, self.status, {"content-type": "application/json", **self.headers})

    async def __call__(self, scope: Scope, receive: Receive, send: Send, app: ASGIApp) -> None:
        await self.response()(scope, receive, send)


def dashed(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers that were given as keywords by their names: `retry_after` is retry-after."""
    return {name.replace("_", "-"): value for name, value in headers.items()}


class RefusedError(Exception):
    """Raised by a route, or a check that it calls, for a request that the vendor refuses with this answer."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return error.answer.response()


@dataclass(frozen=True, slots=True)
class Slow:
    """The right answer, that many seconds late."""

    seconds: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send, app: ASGIApp) -> None:
        import anyio

        await anyio.sleep(self.seconds)
        await app(scope, receive, send)


@dataclass(slots=True)
class Held(Gate):
    """The right answer, once it is let go."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send, app: ASGIApp) -> None:
        await self.passed()
        await app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Adorned:
    """The right answer with one more header, of bytes as they are."""

    name: bytes
    value: bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send, app: ASGIApp) -> None:
        async def more(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (self.name, self.value)]
            await send(message)

        await app(scope, receive, more)


@dataclass(frozen=True, slots=True)
class Drip:
    """Headers at once, then a byte now and then: no read timeout ever strikes."""

    every: float
    length: int = 1000

    async def __call__(self, scope: Scope, receive: Receive, send: Send, app: ASGIApp) -> None:
        import anyio

        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        for _ in range(self.length):
            await send({"type": "http.response.body", "body": b" ", "more_body": True})
            await anyio.sleep(self.every)
        await send({"type": "http.response.body", "body": b"{}"})


@dataclass(frozen=True, slots=True)
class Dropped:
    """The connection breaks: before any answer, or in the middle of the body."""

    midway: bool = False
    raw: bool = True  # wants the connection itself

    async def __call__(self, scope: Scope, receive: Receive, send: Send, app: ASGIApp) -> None:
        if self.midway:
            headers = [(b"content-type", b"application/json"), (b"content-length", b"100000")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b'{"data": [', "more_body": True})
        cycle: Any = getattr(receive, "__self__")  # noqa: B009 - uvicorn's own, which is not part of ASGI
        cycle.transport.abort()


class Emulator:
    """Routes, or an ASGI app, behind a fault script; `url` is its root. A route may raise RefusedError.

    `billed` is what it would bill, `under_way` how many requests are not answered yet. `free` are the beginnings of
    paths that cost nothing, such as uploads; the script does not apply to them.
    """

    free: tuple[str, ...] = ()

    def __init__(self, app: ASGIApp | Sequence[BaseRoute]) -> None:
        self.app = app if callable(app) else Starlette(routes=app, exception_handlers={RefusedError: _refused})
        self.requests: list[Received] = []
        self.billed: list[Bill] = []
        self.script: deque[Fault | None] = deque()
        self.under_way = 0
        self.port = 0

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.port}"

    def environ_for(self, vendor: str) -> dict[str, str]:
        """Return the key and the base URL under the vendor's own variables; of a known host also its entry.

        KeyError: no vendor and no known host has the name.
        """
        entry = {HOSTS: f'["{vendor}"]'} if vendor in KNOWN else {}
        hosts = {host.name: host.endpoint for host in parse_hosts(entry.get(HOSTS))}
        endpoint = {**{provider.name: provider.endpoint for provider in all_providers()}, **hosts}[vendor]
        keys = dict.fromkeys(endpoint.key_variables[:1], getattr(self, "key", ""))
        return {**entry, **keys, endpoint.base_url_variable: self.url}

    def next(self, *faults: Fault | None) -> None:
        """What happens to the next requests, in order; None is the ordinary answer, which also follows the last."""
        self.script.extend(faults)

    def clear(self) -> None:
        """Forget the requests, the script and the bills."""
        self.requests.clear()
        self.script.clear()
        self.billed.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Log the request, then the next fault of the script or the app."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        body = await request.body()
        self.requests.append(Received(request.method, request.url.path, dict(request.headers), body))

        waiting = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Any:
            return waiting.pop() if waiting else await receive()

        scripted = self.script and not request.url.path.startswith(self.free)
        fault = self.script.popleft() if scripted else None
        self.under_way += 1
        try:
            if fault is None:
                await self.app(scope, replay, send)
            else:
                await fault(scope, receive if getattr(fault, "raw", False) else replay, send, self.app)
        finally:
            self.under_way -= 1

    @contextlib.contextmanager
    def serving(self) -> Generator[None]:
        """Serve on a free loopback port until the block ends.

        The server's end is not waited for: what is still under way, or comes late, is this emulator's and no other's.
        """
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(self, log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()
        until(lambda: server.started)
        try:
            yield
        finally:
            server.should_exit = True  # it closes the listener
