"""Request bodies: size limits, and the repair of JSON-RPC messages for MCP.

How long a client may take to send one is limited by the reverse proxy in front of the server.
"""

from __future__ import annotations

import math

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from atelier.server.http.errors import CLOSE, RefusedError
from atelier.server.mcp.jsonrpc import message_of

MIN_BODY_LIMIT = 32 * 2**20  # bytes that a body may have whatever the settings are
DRAIN_FACTOR = 2  # times the limit is read of a body that is too large, so that its sender reads the refusal


def body_limit(source_max_mb: float) -> int:
    """Return how many bytes a body may have: a source and a mask of the maximum size in base64, and the rest."""
    return max(MIN_BODY_LIMIT, (math.ceil(source_max_mb * 2 * 4 / 3) + 1) * 2**20)


def check_body_headers(request: Request, limit: int) -> None:
    """Raise RefusedError for a body of which nothing is to be read."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > DRAIN_FACTOR * limit:
        raise too_large(limit)
    if "content-encoding" in request.headers:
        raise RefusedError(415, "The body is encoded.", "Send it as it is, without Content-Encoding.")


async def read_body(request: Request, limit: int) -> bytes:
    """Return the whole body. Raises RefusedError when it is larger than the limit."""
    body, size = bytearray(), 0
    async for part in request.stream():
        size += len(part)
        if size <= limit:
            body += part
        elif size > DRAIN_FACTOR * limit:
            break
    if size > limit:
        raise too_large(limit)
    return bytes(body)


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return an ASGI `receive` that gives a body that was read before, then what `receive` gives."""
    unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return unread.pop() if unread else await receive()

    return receive_again


class RepairedMessages:
    """The app of a route that gets bodies as valid JSON-RPC messages; any other body is answered with an error."""

    def __init__(self, route: Route) -> None:
        self._app = route.app
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope["route"] = self._route  # as FastAPI does for its own routes; metrics name it
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        message = message_of((await Request(scope, receive).body()).decode(errors="replace"))
        if isinstance(message, str):
            await self._app(scope, replayed(message.encode(), receive), send)
            return
        error = message.model_dump_json(exclude_unset=True)
        await Response(error, 400, media_type="application/json")(scope, receive, send)


def too_large(limit: int) -> RefusedError:
    """Return the refusal of a body of which the rest is not read."""
    message = f"The body is larger than {limit // 2**20} MiB."
    hint = "Name images by their ids or addresses, or let the server take larger ones with ATELIER_SOURCE_MAX_MB."
    return RefusedError(413, message, hint, headers=CLOSE)
