"""Routers of the plain routes. A call of one of their routes is a line in the log, and each failure an answer,
in the shape of OpenAI's clients under /v1/ and in ours everywhere else.

A module of routes has a function `router(server)`, which `app` includes:

    def router(server: AtelierServer) -> APIRouter:
        routes = router_of(server)

        @routes.get("/image/{id}")
        async def show(id: str, request: Request) -> Response:
            caller = server.caller()                                    # the name in the token
            service = server.state.service.for_caller(caller)           # jobs and images of that caller
            storage = server.state.storage(caller)                      # the same caller's assets
            ...
        return routes

A handler raises ImageError for what it refuses, and uses `while_connected` for work that a client may leave.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar, cast

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.params import Form
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from pydantic_core import from_json
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from atelier.providers.core.concurrency import race
from atelier.providers.core.errors import ImageError, internal_error
from atelier.server.calls import CallerGoneError
from atelier.server.http.errors import RefusedError, failed, gone, invalid, refused_by_router
from atelier.server.http.openai import errors as openai
from atelier.server.mcp.jsonrpc import repaired
from atelier.server.mcp.server import AtelierServer

MAX_VALUES = 1000  # in the body of a request; the longest that can be meant has about 100

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Made = TypeVar("Made")

TOKEN = Depends(HTTPBearer(auto_error=False, bearerFormat="JWT", description="A token that names its caller."))
"""Describes the token in the schema. AccessMiddleware has checked it before a route runs."""


def router_of(
    server: AtelierServer, refuse: Callable[[ImageError], Response] = failed, *, public: bool = False, **options: Any
) -> APIRouter:
    """Return a router without routes, whose calls are counted and logged. `refuse` turns an error into the answer.

    `public` describes routes without a token. `options` are those of APIRouter.
    """

    class CallRoute(APIRoute):
        """A route with the error boundary of every call."""

        def get_route_handler(self) -> Handler:
            """Return the handler within the boundary."""
            handle, json_body = super().get_route_handler(), bool(self.body_field) and not _is_form(self)

            async def answer(request: Request) -> Response:
                try:
                    name, caller = f"{request.method} {self.path}", None if public else server.caller()
                    async with server.calls.answering(name, caller):
                        return await _handled(handle, request, json_body=json_body)
                except ImageError as error:
                    return refuse(error)
                except CallerGoneError:
                    return gone()

            return answer

    return APIRouter(route_class=CallRoute, dependencies=[] if public else [TOKEN], **options)


async def while_connected(request: Request, run: Callable[[], Awaitable[Made]]) -> Made:
    """Run something until it ends or the client disconnects. Raises CallerGoneError when it did."""

    async def disconnect() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    return await race(disconnect, run, CallerGoneError)


async def _handled(handle: Handler, request: Request, *, json_body: bool) -> Response:
    """Run a handler of FastAPI, whose own refusals become ImageErrors."""
    if json_body and request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise RefusedError(415, "The body is not declared as JSON.", "Send Content-Type: application/json.")
    try:
        return await handle(_LenientRequest(request.scope, request.receive))
    except RequestValidationError as error:
        raise invalid(error) from None
    except HTTPException as error:
        if isinstance(error.__cause__, ImageError):  # FastAPI wraps what is raised while the body is read
            raise error.__cause__ from None
        raise refused_by_router(error) from None


class _LenientRequest(Request):
    """A request whose JSON may have a BOM, raw control characters and lone surrogates."""

    async def json(self) -> Any:
        """Return the parsed body. Raises RefusedError, which never quotes it."""
        try:
            parsed = from_json(repaired((await self.body()).decode(errors="replace")), allow_inf_nan=False)
        except ValueError:
            raise RefusedError(400, "The body is not JSON.", "Send one JSON object.") from None
        _check_count(parsed)
        return parsed


def _check_count(parsed: Any) -> None:
    """Raise RefusedError for a body with too many values: to list what is wrong with each would take seconds."""
    ahead: list[Any] = [parsed]
    count = 0
    while ahead:
        value = ahead.pop()
        if isinstance(value, dict):
            value = list(cast("dict[str, Any]", value).values())
        if isinstance(value, list):
            below = cast("list[Any]", value)
            ahead += below
            count += len(below)
        if count > MAX_VALUES:
            raise RefusedError(400, f"The body has more than {MAX_VALUES:,} values.", "Send the parameters alone.")


def _is_form(route: APIRoute) -> bool:
    return route.body_field is not None and isinstance(route.body_field.field_info, Form)


class HeadAsGet:
    """An ASGI app that answers HEAD as GET; the web server leaves out the body. MCP knows no HEAD."""

    def __init__(self, app: ASGIApp, mcp_path: str) -> None:
        self._app = app
        self._mcp_path = mcp_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD" or scope["path"] == self._mcp_path:
            await self._app(scope, receive, send)
            return
        as_get = {**scope, "method": "GET"}
        try:
            await self._app(as_get, receive, send)
        finally:
            scope["route"] = as_get.get("route")  # metrics name it


def failed_at(path: str) -> Callable[[ImageError], Response]:
    """Return the function that answers a failure at this path."""
    return openai.failed if path.startswith("/v1/") else failed


async def unrouted(request: Request, refusal: Exception) -> Response:
    """Return the response to what the router refuses, and to what fails outside of any call."""
    if isinstance(refusal, HTTPException):
        refusal = refused_by_router(refusal)
    error = refusal if isinstance(refusal, ImageError) else internal_error()
    return failed_at(request.url.path)(error)
