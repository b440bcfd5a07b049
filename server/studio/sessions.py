"""Lets clients of older protocols over HTTP see the studio.

They say what they support once, in `initialize`, and the service keeps no sessions. So a client that declares MCP Apps
gets a session id that says just this, and sends it with every later request. Newer clients declare it with each one.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from typing import Any, cast

from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID, client_supports_apps
from mcp.server.context import ServerRequestContext

HEADER = b"mcp-session-id"
PREFIX = b"apps-"

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_declared: ContextVar[bool] = ContextVar("apps_declared", default=False)


def supports_apps(context: ServerRequestContext[Any, Any]) -> bool:
    """Return whether the client of a request can show the studio."""
    return client_supports_apps(context) or _declared.get()


class AppSessions:
    """Wraps the ASGI app of MCP: hands out the session id and reads it again."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        _declared.set(dict(scope["headers"]).get(HEADER, b"").startswith(PREFIX))
        message = await receive()  # the body is whole: it was read before
        if _declares_apps(message.get("body", b"")):
            send = _with_session(send)
        unread = [message]

        async def receive_again() -> Message:
            return unread.pop() if unread else await receive()

        await self._app(scope, receive_again, send)


def _declares_apps(body: bytes) -> bool:
    """Return whether a body is an `initialize` of a client that shows pages of MCP Apps."""
    if b'"initialize"' not in body or EXTENSION_ID.encode() not in body:
        return False
    try:
        request = cast("dict[str, Any]", json.loads(body))
        extension = request["params"]["capabilities"]["extensions"][EXTENSION_ID]
        return request["method"] == "initialize" and APP_MIME_TYPE in extension["mimeTypes"]
    except (ValueError, LookupError, TypeError):
        return False


def _with_session(send: Send) -> Send:
    """Return a `send` that adds a session id to the answer."""

    async def send_with_session(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            id = PREFIX + secrets.token_hex(16).encode()
            message = {**message, "headers": [*message["headers"], (HEADER, id)]}
        await send(message)

    return send_with_session
