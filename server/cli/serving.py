"""Serve MCP over stdio, or over HTTP. Hosts wait for stdio, so the command line's framework is not imported here."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import cast

import anyio
from pydantic import BaseModel

from atelier.server.cli.signatures import defaults
from atelier.server.cli.terminal.output import UsageError, say
from atelier.server.observability import logs
from atelier.server.observability.tracing import Flush, start_tracing
from atelier.server.settings import Settings
from atelier.server.shutdown import until_idle


def serve(*, http: bool, host: str | None, port: int | None) -> int:
    """Serve MCP over HTTP if `http`, else over stdio."""
    if http:
        return serve_http(host or defaults.HOST, defaults.PORT if port is None else port)
    if host is not None or port is not None:
        raise UsageError(f"--{'host' if host is not None else 'port'} needs --http.")
    return serve_stdio()


def serve_stdio() -> int:
    """Serve MCP over stdio until the host closes the pipe."""
    if sys.stdin.isatty():
        say("Serving MCP on stdio for a host; Ctrl-C ends it. Try: atelier generate PROMPT", sys.stderr)
    with _settings_in_use("warning") as (settings, flush):
        # the SDK would import rich for its logging, which is set up already, and the host waits
        cast("dict[str, object]", sys.modules).setdefault("rich.console", None)
        # mcp takes half a second to import, of which the models of all versions are a part: most are never used
        with deferred_models():
            from atelier.server.mcp.server import build_server

        server = build_server(settings)
        serving = partial(
            until_idle,
            unwritten=lambda: server.unwritten_answers,
            finished=server.finished.wait,
            before_exit=flush,
        )
        return anyio.run(serving, server.run_stdio_async, lambda: server.busy)


def serve_http(host: str, port: int) -> int:
    """Serve MCP and plain routes over HTTP until a signal."""
    with _settings_in_use("info") as (settings, _):
        from atelier.server.http.app import served

        return anyio.run(served, settings, host, port)


@contextmanager
def deferred_models() -> Generator[None]:
    """Let pydantic build the models of modules that are imported meanwhile when they are first used."""
    BaseModel.model_config["defer_build"] = True
    try:
        yield
    finally:
        del BaseModel.model_config["defer_build"]


@contextmanager
def _settings_in_use(level: logs.LogLevel) -> Generator[tuple[Settings, Flush]]:
    """Yield the settings with logs and traces as they say, and what sends the last spans.

    `level` is that of the logs where the settings have none.
    """
    logs.configure()
    settings = Settings.load(logs.log.warning)
    logs.set_level(settings.log_level or level)
    flush = start_tracing(prompts=settings.otel_prompts)
    try:
        yield settings, flush
    finally:
        flush()
