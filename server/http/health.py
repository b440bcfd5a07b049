"""Whether the server runs."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from atelier.server.mcp.server import AtelierServer


def router(server: AtelierServer) -> APIRouter:
    """Return the routes."""
    routes = APIRouter()  # a probe is no call: it is neither counted nor logged

    @routes.get("/healthz")
    async def healthy() -> Response:
        """Answer while the server runs."""
        return JSONResponse({"ok": True})

    return routes
