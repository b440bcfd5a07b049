"""What every request passes before anything reads it: is it meant for this server, by a page of its own, by whom.

    ending   a server that is asked to end takes no new calls
    Host     on loopback a name of this machine, or a page elsewhere could reach it through a name of its own
    Origin   of a browser: this very host
    token    the caller, but for what is public

The same holds for MCP and for plain routes. An answer has left when its last byte was sent to someone who is there.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware, get_access_token
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from atelier.providers.core.errors import ImageError, Reason
from atelier.server.calls import AnswerDelivery, leaving
from atelier.server.http.auth import Verify, is_loopback
from atelier.server.http.body import MIN_BODY_LIMIT, Bodies, admit
from atelier.server.http.errors import RefusedError, ending, failed
from atelier.server.logs import log
from atelier.server.storage.remote_storage import address

PUBLIC = re.compile(r"/healthz|/\.well-known/.*")
"""Needs no token; of the second there is nothing, which clients ask before they have one."""

CHALLENGE = "WWW-Authenticate"

HOST = re.compile(r"(?P<name>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


class AccessMiddleware:
    """Before an app. A body has `limit` bytes at most; `local` says that the server listens on loopback."""

    def __init__(self, app: ASGIApp, verify: Verify, *, local: bool, limit: int = MIN_BODY_LIMIT) -> None:
        self._app = AuthContextMiddleware(app)
        self._verify = verify
        self._limit = limit
        self._local = local
        self._bodies = Bodies()
        self._ending = False

    def close(self) -> None:
        """Take no new calls, those included whose body is still on its way."""
        self._ending = True
        self._bodies.give_up()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the app's lifespan."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        try:
            host = self._host_meant(request)
            if not PUBLIC.fullmatch(scope["path"]):
                scope["user"] = await self._user(request)
            admit(request, self._limit)
        except RefusedError as refusal:
            log.info("not let in", extra={"facts": {"status": refusal.status, "why": refusal.message}})
            await failed(refusal)(scope, receive, send)
            return
        address.set(f"{request.url.scheme}://{host}")
        # bodies are read of POST alone; the others listen for their client's leaving, which has no end
        heard = self._bodies.timed(receive) if scope["method"] == "POST" else receive
        await _seen_off(self._app, scope, heard, send)

    def _host_meant(self, request: Request) -> str:
        """Ours, under one of its names. Raises RefusedError when another was meant, when a page of another origin asks,
        and when the server is about to end."""
        if self._ending:
            raise ending()
        said = request.headers.getlist("host")
        found = HOST.fullmatch(said[0]) if len(said) == 1 else None
        if found is None or (self._local and not is_loopback(found["name"].strip("[]"))):
            raise RefusedError(421, "This server does not go by that name.", "Use the address that it listens on.")
        for origin in request.headers.getlist("origin"):
            if not _is_own(origin, said[0], local=self._local):
                raise RefusedError(403, "Pages of another origin may not call this server.", "Call it without Origin.")
        return said[0]

    async def _user(self, request: Request) -> AuthenticatedUser:
        """Who calls, by the one token that the request has. The token itself is not kept."""
        said = request.headers.getlist("authorization")
        scheme, _, token = said[0].partition(" ") if len(said) == 1 else ("", "", "")
        if scheme.lower() != "bearer" or not token.strip():
            message, hint = "A token is needed.", "Send one as Authorization: Bearer TOKEN."
            raise RefusedError(401, message, hint, headers={CHALLENGE: "Bearer"})
        try:
            caller = await self._verify(token.strip())
        except ImageError as error:
            if error.reason is not Reason.AUTHENTICATION:
                raise RefusedError(503, error.message, error.hint, retry_after=error.retry_after) from None
            headers = {CHALLENGE: 'Bearer error="invalid_token"'}
            raise RefusedError(401, error.message, error.hint, headers=headers) from None
        return AuthenticatedUser(AccessToken(token="", client_id=caller, subject=caller, scopes=[]))


def caller() -> str:
    """Whose request is being answered."""
    token = get_access_token()
    assert token, "the door let it in"
    assert token.subject
    return token.subject


async def _seen_off(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Have a request answered, and do what is to be done when the answer has left."""
    departure, gone, left = AnswerDelivery(), False, False
    leaving.set(departure)

    async def heard() -> Message:
        nonlocal gone
        message = await receive()
        gone = gone or (message["type"] == "http.disconnect" and not left)
        return message

    async def said(message: Message) -> None:
        nonlocal left
        await send(message)
        left = left or (message["type"] == "http.response.body" and not message.get("more_body", False))

    try:
        await app(scope, heard, said)
    finally:
        departure.end(left=left and not gone and scope["method"] != "HEAD")  # which is told nothing


def _is_own(origin: str, host: str, *, local: bool) -> bool:
    """Whether a page comes from this host; on loopback from any port of this machine."""
    try:
        parts = urlsplit(origin)
        name = parts.hostname or ""
    except ValueError:
        return False
    web = parts.scheme in ("http", "https")
    return web and (is_loopback(name) if local else parts.netloc.lower() == host.lower())
