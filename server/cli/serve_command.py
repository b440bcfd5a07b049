"""`atelier serve`: serve MCP over stdio, as hosts do, or over HTTP."""

from __future__ import annotations

import sys
from functools import partial
from typing import Annotated

import anyio
from cyclopts import Parameter
from cyclopts.validators import Number

from atelier.server.cli.output import UsageError, say
from atelier.server.settings import Settings
from atelier.server.shutdown import until_idle

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8000


def serve(
    *,
    http: Annotated[bool, Parameter(help="Serve MCP and plain routes over HTTP.")] = False,
    host: Annotated[str | None, Parameter(help=f"The address to listen on; {DEFAULT_HOST} by default.")] = None,
    port: Annotated[
        int | None,
        Parameter(help=f"0 chooses a free one; {DEFAULT_PORT} by default.", validator=Number(gte=0, lte=65_535)),
    ] = None,
) -> int:
    """Serve MCP over stdio until the host closes the pipe, or over HTTP until a signal."""
    # mcp takes half a second to import; the other commands do not need it
    from atelier.server.mcp.server import build_server
    from atelier.server.observability import logs
    from atelier.server.observability.tracing import start_tracing

    if not http and (host is not None or port is not None):
        raise UsageError(f"--{'host' if host is not None else 'port'} needs --http.")
    logs.configure()
    if not http and sys.stdin.isatty():
        say("Serving MCP on stdio for a host; Ctrl-C ends it. Try: atelier generate PROMPT", sys.stderr)
    settings = Settings.load(logs.log.warning)
    logs.set_level(settings.log_level or ("info" if http else "warning"))
    flush = start_tracing(prompts=settings.otel_prompts)
    try:
        if http:
            from atelier.server.http.app import served

            return anyio.run(served, settings, host or DEFAULT_HOST, DEFAULT_PORT if port is None else port)
        server = build_server(settings)
        serving = partial(
            until_idle,
            unwritten=lambda: server.unwritten_answers,
            finished=server.finished.wait,
            before_exit=flush,
        )
        return anyio.run(serving, server.run_stdio_async, lambda: server.busy)
    finally:
        flush()
