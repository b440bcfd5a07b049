"""Protected-resource metadata (RFC 9728): which identity provider issues the tokens that this server takes.

A host of MCP that gets 401 follows `resource_metadata` of the challenge, and lets its user log in there.
"""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from atelier.server.http.routing import router_of
from atelier.server.mcp.server import AtelierServer
from atelier.server.settings import Settings
from atelier.server.storage.remote_storage import address

MCP_PATH = "/mcp"
METADATA = "/.well-known/oauth-protected-resource"


class ProtectedResource(BaseModel):
    """The metadata of one resource."""

    resource: str
    authorization_servers: list[str]
    bearer_methods_supported: list[str] = ["header"]
    resource_name: str = "Atelier"


def issuer_of(settings: Settings) -> str | None:
    """Return the identity provider where users can log in; None where tokens come from a shared secret."""
    return settings.jwt_issuer if settings.jwks_url else None


def metadata_parameters(issuer: str | None, path: str) -> list[str]:
    """Return the parameters of a challenge that lead to the metadata; none without an issuer."""
    suffix = MCP_PATH if path == MCP_PATH else ""
    return [f'resource_metadata="{address.get()}{METADATA}{suffix}"'] if issuer else []


def router(server: AtelierServer, issuer: str | None) -> APIRouter:
    """Return the routes; none without an issuer, so that clients get 404."""
    routes = router_of(server, public=True, tags=["operation"])
    if issuer is None:
        return routes

    @routes.get(METADATA)
    async def whole() -> ProtectedResource:
        """Return the metadata of the server."""
        return ProtectedResource(resource=address.get(), authorization_servers=[issuer])

    @routes.get(f"{METADATA}{MCP_PATH}")
    async def mcp() -> ProtectedResource:
        """Return the metadata of MCP."""
        return ProtectedResource(resource=f"{address.get()}{MCP_PATH}", authorization_servers=[issuer])

    return routes
