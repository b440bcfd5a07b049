"""For those who run the server: does it run, does it take calls, what does it do."""

from __future__ import annotations

import anyio
from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import JSONResponse, Response

from atelier.providers.core.errors import ImageError
from atelier.server.http.metrics import Metrics
from atelier.server.http.routing import router_of
from atelier.server.mcp.server import AtelierServer

DATABASE_TIMEOUT = 2.0  # seconds
NO_JOB = "job_0"


def router(server: AtelierServer, metrics: Metrics) -> APIRouter:
    """Return the routes."""
    routes = router_of(server, public=True, tags=["operation"])

    @routes.get("/healthz")
    async def healthy() -> Response:
        """Answer while the process runs."""
        return JSONResponse({"ok": True})

    @routes.get("/readyz")
    async def ready() -> Response:
        """Return whether calls are taken: 503 while the server ends, and when the database cannot be used."""
        why = "The server is about to end." if server.draining else await _database_trouble(server)
        if why:
            return JSONResponse({"ready": False, "why": why}, 503, {"Retry-After": "5"})
        return JSONResponse({"ready": True})

    @routes.get("/metrics", response_class=Response)
    async def measured() -> Response:
        """Return metrics in Prometheus' text format. On an address that is not loopback it needs a token."""
        return Response(await metrics.text(server), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return routes


async def _database_trouble(server: AtelierServer) -> str:
    try:
        with anyio.fail_after(DATABASE_TIMEOUT):
            await server.state.service.pipeline.store.get_job(NO_JOB)
    except (ImageError, TimeoutError):
        return "The database cannot be used; the log says why."
    return ""
