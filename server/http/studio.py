"""The studio in a browser on this machine: its page, and its tool calls as JSON-RPC, for one browser alone.

The address that `atelier studio` prints has a token. It is taken once, for a cookie of the browser session, so that
neither the history nor another program that learns the address later can use it. Every request must name this very
host, so that no page reaches the bridge by a name of its own.
"""

from __future__ import annotations

import json
import secrets
import webbrowser
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import anyio
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, METHOD_NOT_FOUND
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from atelier.server.http.app import UnsignalledServer, listening
from atelier.server.http.body import body_limit, read_body
from atelier.server.http.errors import RefusedError
from atelier.server.mcp.server import build_server
from atelier.server.settings import Settings
from atelier.server.shutdown import until_idle
from atelier.server.studio.page import studio_page

COOKIE = "atelier_studio"
LOOPBACK = "127.0.0.1"

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",  # the page has the rest of its policy inside
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

CLOSED = "This address has been used, or it belongs to another browser. Run `atelier studio` again for a new one."


async def serve_studio(settings: Settings, port: int, say: Callable[[str], None], *, browse: bool) -> int:
    """Serve the studio until a signal arrives and no call is running. Returns the exit code.

    Port 0 is any that is free. `say` gets the address, which a browser opens with `browse`. Raises invalid_request when
    the port cannot be used.
    """
    server = build_server(settings.model_copy(update={"tools": ()}))  # which are named for models, not for people
    with listening(LOOPBACK, port) as listener:
        async with Client(server) as client:
            address = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
            bridge = StudioBridge(address, client, body_limit(settings.source_max_mb))
            web = UnsignalledServer(bridge.app(), lifespan="off")

            async def serve() -> None:
                say(bridge.link)
                async with anyio.create_task_group() as tasks:
                    if browse:
                        tasks.start_soon(
                            partial(anyio.to_thread.run_sync, abandon_on_cancel=True), webbrowser.open, bridge.link
                        )
                    await web.serve([listener])
                    tasks.cancel_scope.cancel()

            def stop() -> None:
                web.should_exit = True

            return await until_idle(serve, lambda: server.busy, server.stop_unsent, stop)


class StudioBridge:
    """Answers the requests of one browser. `address` is scheme, host and port, `client` is connected to the server."""

    def __init__(self, address: str, client: Client, body_limit: int) -> None:
        self._address = address
        self._client = client
        self._body_limit = body_limit
        self._token: str | None = secrets.token_urlsafe(32)
        self._session = secrets.token_urlsafe(32)

    @property
    def link(self) -> str:
        """The address that opens the studio, once."""
        return f"{self._address}/?token={self._token}"

    def app(self) -> Starlette:
        """Return the ASGI app."""
        return Starlette(
            routes=[Route("/", self._page, methods=["GET"]), Route("/call", self._call, methods=["POST"])],
            exception_handlers={RefusedError: _refused},
        )

    async def _page(self, request: Request) -> Response:
        """Return the page to the browser with the cookie; the first one with the token gets the cookie."""
        self._check_host(request)
        token = request.query_params.get("token")
        if (
            token is not None
            and self._token is not None
            and secrets.compare_digest(token.encode(), self._token.encode())
        ):
            self._token = None
            answer = RedirectResponse("/", 303, HEADERS)
            answer.set_cookie(COOKIE, self._session, httponly=True, samesite="lax")
            return answer
        self._check_session(request)
        if token is not None:
            return RedirectResponse("/", 303, HEADERS)
        return HTMLResponse(studio_page(connect="'self'"), headers=HEADERS)

    async def _call(self, request: Request) -> Response:
        """Call a tool."""
        self._check_host(request)
        self._check_session(request)
        if request.headers.get("origin") != self._address:
            raise RefusedError(403, "The request comes from another page.", "")
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            raise RefusedError(415, "The body is not JSON.", "")
        try:
            message = cast("dict[str, Any]", json.loads(await read_body(request, self._body_limit)))
            id, method, params = message["id"], message["method"], message["params"]
            name, arguments = str(params["name"]), dict[str, Any](params["arguments"])
        except (ValueError, LookupError, TypeError):
            return _error(None, INVALID_PARAMS, "The message is no call of a tool.")
        if method != "tools/call":
            return _error(id, METHOD_NOT_FOUND, "This bridge calls tools alone.")
        try:
            result = await self._client.call_tool(name, arguments)
        except MCPError as error:
            return _error(id, error.code, error.message)
        data = result.model_dump(mode="json", by_alias=True, exclude_none=True)
        return JSONResponse({"jsonrpc": "2.0", "id": id, "result": data}, headers=HEADERS)

    def _check_host(self, request: Request) -> None:
        if f"http://{request.headers.get('host')}" != self._address:
            raise RefusedError(421, "This host has another name.", "")

    def _check_session(self, request: Request) -> None:
        if not secrets.compare_digest(request.cookies.get(COOKIE, "").encode(), self._session.encode()):
            raise RefusedError(403, CLOSED, "")


def _error(id: Any, code: int, message: str) -> Response:
    return JSONResponse({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}, headers=HEADERS)


async def _refused(request: Request, error: Exception) -> Response:
    """Return a refusal as a sentence."""
    assert isinstance(error, RefusedError)
    return PlainTextResponse(f"{error.message} {error.hint}".strip(), error.status, HEADERS)
