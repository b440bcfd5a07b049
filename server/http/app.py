"""The HTTP app: MCP at /mcp for both protocol versions and plain routes beside it, behind one `AccessMiddleware`.

`app_of` includes the routers; `routing` says what a module of routes looks like.
"""

from __future__ import annotations

import contextlib
import re
import socket
import sys
from collections.abc import Generator
from importlib.metadata import version
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from fastapi_offline import FastAPIOffline
from mcp.server.transport_security import TransportSecuritySettings
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.transport import exchange
from atelier.server.http import discovery, monitoring
from atelier.server.http.access import AccessMiddleware, caller
from atelier.server.http.auth import is_loopback, verifier_of
from atelier.server.http.body import RepairedMessages, body_limit
from atelier.server.http.discovery import MCP_PATH, issuer_of
from atelier.server.http.monitoring import MeasuredRequests, Metrics
from atelier.server.http.openai import routes as openai
from atelier.server.http.rest import asset_api, image_api, pages
from atelier.server.http.routing import HeadAsGet, unrouted
from atelier.server.http.signed_pages import links, upload_page
from atelier.server.mcp.server import AtelierServer, build_server
from atelier.server.observability.logs import log
from atelier.server.settings import Settings
from atelier.server.shutdown import until_idle
from atelier.server.studio.sessions import AppSessions

UNTRACED = re.compile(r"/healthz|/readyz|/metrics|/(i|upload)/.*")
"""Paths without a span: probes, and signed links, whose address is a secret."""

TELEMETRY: TelemetryConfig = {
    "operation_spans": False,
    "metrics": False,
    "logs": False,
    "auto_configure": False,
    "exclude": lambda scope: UNTRACED.fullmatch(scope["path"]) is not None,
}
"""FastAPI records a span of each other request, where `start_tracing` has set a provider."""

GRACEFUL_SHUTDOWN_TIMEOUT = 2  # seconds for the last answers to be sent, and for streams that stay open


class UnsignalledServer(uvicorn.Server):
    """A uvicorn server that writes no log of its own, and leaves signals to `shutdown`, except on Windows."""

    def __init__(self, app: ASGIApp, **options: Any) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_TIMEOUT,
            **options,
        )
        super().__init__(config)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Install no signal handlers, except on Windows."""
        with super().capture_signals() if sys.platform == "win32" else contextlib.nullcontext():
            yield


async def served(settings: Settings, host: str, port: int) -> int:
    """Serve until a signal arrives and the results of calls sent by then are stored. Returns the exit code.

    Port 0 is any that is free. Raises invalid_request when tokens cannot be checked or the address cannot be used.
    """
    verify = verifier_of(settings)
    server = build_server(settings, caller_of_request=caller)
    _ = server.storages.links.key  # fails here rather than with the first image
    with listening(host, port) as listener:
        name, number = listener.getsockname()[:2]
        limit = body_limit(settings.source_max_mb)
        metrics, issuer = Metrics(), issuer_of(settings)
        exchange.observers.append(metrics.record_exchange)
        access = AccessMiddleware(
            app_of(server, metrics, issuer), verify, local=is_loopback(name), limit=limit, issuer=issuer
        )
        web = UnsignalledServer(MeasuredRequests(access, metrics), http="h11", lifespan="on")

        def stop_accepting() -> None:
            server.draining = True
            access.close()
            server.stop_unsent()

        def stop() -> None:
            web.should_exit = True

        async def serve() -> None:  # which begins once signals are watched
            shown = f"[{name}]" if ":" in name else name
            log.info("listening", extra={"facts": {"address": f"http://{shown}:{number}"}})
            await web.serve([listener])

        return await until_idle(serve, lambda: server.busy, stop_accepting, stop)


def app_of(server: AtelierServer, metrics: Metrics, issuer: str | None) -> FastAPI:
    """Return the app of MCP and the plain routes. `AccessMiddleware` checks hosts and origins before it."""
    mcp = server.streamable_http_app(
        streamable_http_path=MCP_PATH,
        stateless_http=True,
        max_request_body_size=body_limit(server.source_max_mb),
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    app = FastAPIOffline(
        title="Atelier",
        version=version("atelier-mcp"),
        lifespan=mcp.router.lifespan_context,
        docs_url=pages.DOCS,
        redoc_url=None,
        openapi_url=pages.SCHEMA,
        static_url=pages.DOCS_FILES,
        telemetry=TELEMETRY,
        redirect_slashes=False,  # a redirect would lose the body
        exception_handlers=dict.fromkeys((HTTPException, ImageError, Exception), unrouted),
    )
    for route in mcp.router.routes:
        if isinstance(route, Route):
            route.app = AppSessions(route.app)
            route.app = RepairedMessages(route)
        app.router.routes.append(route)
    for router in (
        pages.router(MCP_PATH),
        image_api.router(server),
        asset_api.router(server),
        openai.router(server),
        links.router(server),
        upload_page.router(server),
        monitoring.router(server, metrics),
        discovery.router(server, issuer),
    ):
        app.include_router(router)
    app.add_middleware(HeadAsGet, mcp_path=MCP_PATH)
    return app


@contextlib.contextmanager
def listening(host: str, port: int) -> Generator[socket.socket]:
    """Open a socket that listens. Raises invalid_request when the address cannot be used."""
    try:
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server(place[:2], family=family)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it is no address"
        message = f"Port {port} of {host} cannot be listened on ({why})."
        hint = "Choose another with --port (0 is any that is free) or --host."
        raise ImageError(Reason.INVALID_REQUEST, message, hint=hint) from None
    with listener:
        yield listener
