"""Checks that every request passes before a route runs: its host, its origin, its caller and its body.

    shutdown   a server that is shutting down takes no new calls
    Host       on loopback only names of this machine, so that no page calls the server by a name of its own
    Origin     a browser's page must come from this very host
    token      names the caller, except for public paths
    body       of a POST, read whole

MCP and the plain routes share them. Neither Starlette's `TrustedHostMiddleware` nor the SDK's
`TransportSecuritySettings` can: both take fixed lists of names, so they know neither all of loopback nor "the host that
was called" as an origin, and they answer in plain text.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import anyio
from anyio.lowlevel import checkpoint
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware, get_access_token
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from atelier.providers.core.errors import ImageError, Reason
from atelier.server.calls import AnswerDelivery, answer_delivery
from atelier.server.http.auth import Verify, is_loopback
from atelier.server.http.body import MIN_BODY_LIMIT, check_body_headers, read_body, replayed
from atelier.server.http.discovery import metadata_parameters
from atelier.server.http.errors import RefusedError, shutting_down
from atelier.server.http.routing import failed_at
from atelier.server.observability.logs import log
from atelier.server.storage.remote_storage import address

PROBES = re.compile(r"/healthz|/readyz|/metrics")
"""Paths that answer while the server is shutting down as well."""
METRICS = "/metrics"
PUBLIC = re.compile(r"/|/docs(/.*)?|/openapi\.json|/healthz|/readyz|/(i|upload)/[^/]*|/\.well-known/.*")
"""Paths without a token. Clients ask for `/.well-known/` before they have one, and get 404."""

CHALLENGE = "WWW-Authenticate"

HOST = re.compile(r"(?P<name>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


class AccessMiddleware:
    """Runs the checks before an app. `limit` is how many bytes a body may have; `local` means that the server
    listens on loopback; `issuer` is where users can log in."""

    def __init__(
        self, app: ASGIApp, verify: Verify, *, local: bool, limit: int = MIN_BODY_LIMIT, issuer: str | None = None
    ) -> None:
        self._app = AuthContextMiddleware(app)
        self._verify = verify
        self._limit = limit
        self._local = local
        self._issuer = issuer
        self._closing = False
        self._reading = set[anyio.CancelScope]()

    def close(self) -> None:
        """Refuse new calls, and those whose body is still being read: a client that never ends its body would keep the
        server from ending."""
        self._closing = True
        for scope in self._reading:
            scope.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run the app's lifespan."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await checkpoint()  # uvicorn may have refused a malformed body already; by now its connection has ended
        request = Request(scope, receive)
        try:
            host = self._checked_host(request)
            address.set(f"{request.url.scheme}://{host}")
            public = PUBLIC.fullmatch(scope["path"]) or (self._local and scope["path"] == METRICS)
            if not public:
                scope["user"] = await self._user(request)
            check_body_headers(request, self._limit)
            if scope["method"] == "POST" and not public:
                receive = replayed(await self._body(request), receive)
        except ClientDisconnect:
            log.info("client disconnected", extra={"facts": {"why": "its body was not complete"}})
            return
        except RefusedError as refusal:
            log.info("request refused", extra={"facts": {"status": refusal.status, "why": refusal.message}})
            await failed_at(scope["path"])(refusal)(scope, receive, send)
            return
        await _track_delivery(self._app, scope, receive, send)

    def _checked_host(self, request: Request) -> str:
        """Return the `Host` of a request. Raises RefusedError for a name of another server, for a page of another
        origin, and when the server is about to end."""
        if self._closing and not PROBES.fullmatch(request.scope["path"]):
            raise shutting_down()
        hosts = request.headers.getlist("host")
        found = HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if found is None or (self._local and not is_loopback(found["name"].strip("[]"))):
            raise RefusedError(421, "This server does not go by that name.", "Use the address that it listens on.")
        for origin in request.headers.getlist("origin"):
            if not _is_own(origin, hosts[0], local=self._local):
                raise RefusedError(403, "Pages of another origin may not call this server.", "Call it without Origin.")
        return hosts[0]

    async def _user(self, request: Request) -> AuthenticatedUser:
        """Return the caller that the request's one token names. The token itself is not stored."""
        values = request.headers.getlist("authorization")
        scheme, _, token = values[0].partition(" ") if len(values) == 1 else ("", "", "")
        if scheme.lower() != "bearer" or not token.strip():
            message, hint = "A token is needed.", "Send one as Authorization: Bearer TOKEN."
            raise RefusedError(401, message, hint, headers=self._challenge(request))
        try:
            caller = await self._verify(token.strip())
        except ImageError as error:
            if error.reason is not Reason.AUTHENTICATION:
                raise RefusedError(503, error.message, error.hint, retry_after=error.retry_after) from None
            headers = self._challenge(request, 'error="invalid_token"')
            raise RefusedError(401, error.message, error.hint, headers=headers) from None
        return AuthenticatedUser(AccessToken(token="", client_id=caller, subject=caller, scopes=[]))

    def _challenge(self, request: Request, *parameters: str) -> dict[str, str]:
        """Return the header that says how to get a token."""
        found = [*parameters, *metadata_parameters(self._issuer, request.url.path)]
        return {CHALLENGE: f"Bearer {', '.join(found)}".strip()}

    async def _body(self, request: Request) -> bytes:
        """Read the body of a request. Raises RefusedError when it is too large, and when the server is about to end."""
        with anyio.CancelScope() as scope:
            self._reading.add(scope)
            try:
                return await read_body(request, self._limit)
            finally:
                self._reading.discard(scope)
        raise shutting_down()


def caller() -> str:
    """Return the caller of the request that is being answered."""
    token = get_access_token()
    assert token, "AccessMiddleware refuses requests without a token"
    assert token.subject
    return token.subject


async def _track_delivery(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Run the app, and report its answer as delivered when the last byte was sent before the client disconnected."""
    delivery, gone, sent = AnswerDelivery(), False, False
    answer_delivery.set(delivery)

    async def receive_watched() -> Message:
        nonlocal gone
        message = await receive()
        gone = gone or (message["type"] == "http.disconnect" and not sent)
        return message

    async def send_watched(message: Message) -> None:
        nonlocal sent
        await send(message)
        sent = sent or (message["type"] == "http.response.body" and not message.get("more_body", False))

    try:
        await app(scope, receive_watched, send_watched)
    finally:
        delivery.complete(delivered=sent and not gone and scope["method"] != "HEAD")  # the answer to HEAD has no body


def _is_own(origin: str, host: str, *, local: bool) -> bool:
    """Return whether a page comes from this host; on loopback from any port of this machine."""
    try:
        parts = urlsplit(origin)
        name = parts.hostname or ""
    except ValueError:
        return False
    web = parts.scheme in ("http", "https")
    return web and (is_loopback(name) if local else parts.netloc.lower() == host.lower())
