"""`atelier serve`: serve MCP over stdio, as hosts do, or over HTTP."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from atelier.server.cli.output import UsageError
from atelier.server.cli.serving import serve_http, serve_stdio

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8000


def serve(
    *,
    http: Annotated[bool, Parameter(help="Serve MCP and plain routes over HTTP.")] = False,
    host: Annotated[
        str | None, Parameter(metavar="ADDRESS", help=f"The address to listen on; {DEFAULT_HOST} by default.")
    ] = None,
    port: Annotated[
        int | None,
        Parameter(
            metavar="N", help=f"0 chooses a free one; {DEFAULT_PORT} by default.", validator=Number(gte=0, lte=65_535)
        ),
    ] = None,
) -> int:
    """Serve MCP over stdio until the host closes the pipe, or over HTTP until a signal."""
    if http:
        return serve_http(host or DEFAULT_HOST, DEFAULT_PORT if port is None else port)
    if host is not None or port is not None:
        raise UsageError(f"--{'host' if host is not None else 'port'} needs --http.")
    return serve_stdio()
