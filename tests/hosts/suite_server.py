"""The `atelier` command whose HTTP server has the conformance suite's fixtures, and takes its calls without a token.

The suite sends no token, so each request gets one before the checks of `AccessMiddleware`, which run as always.
`python -m tests.hosts.suite_server MODE serve ...`: with sessions the server can send requests of its own to clients
of 2025-11-25; the product has none, so that any replica can answer any request.
"""

from __future__ import annotations

import sys
from typing import Any

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from atelier.server.http.access import AccessMiddleware
from atelier.server.main import main
from atelier.server.mcp.server import AtelierServer, build_server
from tests.hosts.suite_fixtures import add_fixtures
from tests.server.http_process import token

SESSIONS, SHIPPED = "with-sessions", "as-shipped"


class WithToken(AccessMiddleware):
    """The checks of every request, each of which has a token."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["headers"] = [*scope["headers"], (b"authorization", f"Bearer {token()}".encode())]
        await super().__call__(scope, receive, send)


def build_with_fixtures(*arguments: Any, **options: Any) -> AtelierServer:
    """Return the product's server object with the fixtures."""
    server = add_fixtures(build_server(*arguments, **options))
    if sys.argv[1] == SESSIONS:
        build_app = server.streamable_http_app

        def with_sessions(*, stateless_http: bool = True, **options: Any) -> Starlette:
            return build_app(stateless_http=False, **options)

        server.streamable_http_app = with_sessions
    return server


if __name__ == "__main__":
    from atelier.server.http import app

    setattr(app, "build_server", build_with_fixtures)  # noqa: B010 - the module does not export it
    setattr(app, "AccessMiddleware", WithToken)  # noqa: B010
    main(sys.argv[2:])
