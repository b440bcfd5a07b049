"""The process: MCP, HTTP, the command line, storage and the database. Imports `tools` and `providers`.

Start with `main` (the command), then `mcp.server` (the server object); `composition` wires both from the settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from atelier.server.mcp.server import build_server

__all__ = ["build_server"]


def __getattr__(name: str) -> Any:
    """Import the server when it is first used: the package itself is imported by every command."""
    if name != "build_server":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from atelier.server.mcp.server import build_server

    return build_server
