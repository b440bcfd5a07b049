"""The body of a request: how large it may be, and how long it may take to come.

One that never ends would hold a place for ever, and would keep a server that is asked to end from ending.
"""

from __future__ import annotations

import math

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from atelier.server.calls import CallerGoneError
from atelier.server.http.errors import CLOSE, RefusedError, ending
from atelier.server.mcp.jsonrpc import message_of

MIN_BODY_LIMIT = 32 * 2**20  # bytes that a body may have whatever the settings are
DRAINED = 2  # times the limit is read of a body that is too large, so that its sender hears why

PART = 30.0  # seconds for each part of a body, and for all of a small one
WHOLE = 600.0  # seconds for all of a large one
SMALL = 64 * 2**10  # bytes


def body_limit(source_max_mb: float) -> int:
    """How many bytes a body may have: a source picture and a mask of the largest size in base64, and the rest."""
    return max(MIN_BODY_LIMIT, (math.ceil(source_max_mb * 2 * 4 / 3) + 1) * 2**20)


def admit(request: Request, limit: int) -> None:
    """Raises RefusedError for a body of which nothing is to be read."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > DRAINED * limit:
        raise too_large(limit)
    if "content-encoding" in request.headers:
        raise RefusedError(415, "The body is encoded.", "Send it as it is, without Content-Encoding.")


class Bodies:
    """Those that are on their way."""

    def __init__(self) -> None:
        self._coming = set[anyio.CancelScope]()
        self._ending = False

    def give_up(self) -> None:
        """Wait for none of them any more."""
        self._ending = True
        for scope in self._coming:
            scope.cancel()

    def timed(self, receive: Receive) -> Receive:
        """Hear no longer than a body may take: RefusedError when it takes longer, CallerGoneError without all of it."""
        began, size, whole = anyio.current_time(), 0, False

        async def heard() -> Message:
            nonlocal size, whole
            if whole:
                return await receive()
            now = anyio.current_time()
            end = now if self._ending else min(now + PART, began + (WHOLE if size >= SMALL else PART))
            with anyio.CancelScope(deadline=end) as scope:
                self._coming.add(scope)
                try:
                    message = await receive()
                finally:
                    self._coming.discard(scope)
                if message["type"] == "http.disconnect":
                    raise CallerGoneError
                size += len(message.get("body", b""))
                whole = not message.get("more_body", False)
                return message
            if self._ending:
                raise ending()
            raise RefusedError(408, "The body took too long to come.", "Send it at once.", headers=CLOSE)

        return heard


async def body_of(request: Request, limit: int) -> bytes:
    """All of it. Raises RefusedError when it has more bytes than the limit."""
    body, size = bytearray(), 0
    async for part in request.stream():
        size += len(part)
        if size <= limit:
            body += part
        elif size > DRAINED * limit:
            break
    if size > limit:
        raise too_large(limit)
    return bytes(body)


class RepairedMessages:
    """An ASGI app that gets bodies as valid JSON-RPC messages; a body that is none is answered in its place."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Raises RefusedError when its body is too large."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        text = (await body_of(Request(scope, receive), self._limit)).decode(errors="replace")
        message = message_of(text)
        if not isinstance(message, str):
            error = message.model_dump_json(exclude_unset=True)
            await Response(error, 400, media_type="application/json")(scope, receive, send)
            return
        unread: list[Message] = [{"type": "http.request", "body": message.encode(), "more_body": False}]

        async def replayed() -> Message:
            return unread.pop() if unread else await receive()

        await self._app(scope, replayed, send)


def too_large(limit: int) -> RefusedError:
    """The rest of it is not read."""
    message = f"The body is larger than {limit // 2**20} MiB."
    hint = "Name pictures by their ids or addresses, or let the server take larger ones with ATELIER_SOURCE_MAX_MB."
    return RefusedError(413, message, hint, headers=CLOSE)
