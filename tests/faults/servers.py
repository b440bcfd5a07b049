"""Real servers of the fault suite: with the official client or by hand, sound or with faults of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import anyio
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult

from atelier.providers.testing.waiting import LONG
from tests.conftest import Environ
from tests.faults.books import Books
from tests.server.process import SERVE, greet, started

LAUNCHER = [sys.executable, str(Path(__file__).with_name("launcher.py"))]
GONE = (MCPError, anyio.ClosedResourceError, anyio.BrokenResourceError)
"""What a client meets whose server has died."""
ROOT = str(Path(__file__).parents[2])


@asynccontextmanager
async def served(environ: Environ, **faults: str) -> AsyncGenerator[Client]:
    """The official client on a server process; with faults it is the launcher's."""
    command, *arguments = LAUNCHER if faults else SERVE
    parameters = StdioServerParameters(command=command, args=arguments, env=with_faults(environ, faults))
    with nowhere() as log:
        async with Client(stdio_client(parameters, errlog=log)) as client:
            yield client


def with_faults(environ: Environ, faults: dict[str, str]) -> Environ:
    """The environment of a server with faults of its own."""
    return {**environ, "PYTHONPATH": ROOT, **{f"FAULT_{name.upper()}": words for name, words in faults.items()}}


@contextmanager
def nowhere() -> Generator[TextIO]:
    """Where the log of a server goes."""
    with Path(os.devnull).open("w", encoding="utf-8") as log:
        yield log


async def killed_at(environ: Environ, step: str, when: str, tool: str, asked: dict[str, Any]) -> None:
    """A call to a server that dies at that step."""
    with anyio.fail_after(LONG):
        async with served(environ, kill=f"{step}:{when}") as client:
            with suppress(*GONE):
                await client.call_tool(tool, asked)
                while step == "mark_delivered":  # the answer may have been quicker
                    await client.call_tool("list_models", {"vendor": "sketch"})


async def at_rest(folder: Path) -> Books:
    """The books once no job runs any more."""
    with anyio.fail_after(LONG):
        while True:
            books = Books.read(folder)
            if not any(job.state == "running" for job in books.jobs.values()):
                return books
            await anyio.sleep(0.02)


def answered(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return result.structured_content


@contextmanager
def by_hand(environ: Environ, **faults: str) -> Generator[subprocess.Popen[str]]:
    """A server whose pipes are in our hands, after its handshake; with faults it is the launcher's."""
    command = LAUNCHER if faults else SERVE
    with started(with_faults(environ, faults), command, stderr=subprocess.DEVNULL) as process:
        try:
            greet(process)
            yield process
        finally:
            process.kill()
