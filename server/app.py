"""The stable import path of `build_server`, for scripts of users."""

from __future__ import annotations

from atelier.server.mcp.server import AtelierServer, build_server

__all__ = ["AtelierServer", "build_server"]
