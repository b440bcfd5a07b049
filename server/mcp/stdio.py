"""MCP over this process's own pipes. Every line is answered; an answer has left when its line is written whole.

The host may not read, be slow, or die while a line is half written; what such an answer bears was not delivered. One
that takes no line any more has gone, as if it had closed stdin.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import Any, TextIO

import anyio
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from pydantic_core import from_json

from atelier.providers.core.concurrency import is_cancelled
from atelier.server.calls import AnswerDelivery, leaving
from atelier.server.logs import log
from atelier.server.mcp.jsonrpc import messages_of
from atelier.server.shutdown import PATIENCE

MOMENT = 1.0  # seconds that a call waits at most for the end of the line that is being written


class Lines(anyio.AsyncFile[str]):
    """Where the protocol's lines are read. Iterating yields one valid message each; `refuse` answers what is none."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.refuse: Callable[[SessionMessage], Awaitable[None]] | None = None

    async def __aiter__(self) -> AsyncGenerator[str]:
        while line := await self.readline():
            for message in messages_of(line):
                if isinstance(message, str):
                    yield message
                elif self.refuse:
                    await self.refuse(SessionMessage(message))


class Line(anyio.AsyncFile[str]):
    """Where the protocol's lines are written, and which answers are on their way there.

    What is done for the host is done in the scope `host`, which is cancelled once it takes no line any more.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.host = anyio.CancelScope()
        self._last = ""
        self._written = anyio.Event()
        self._known = anyio.Event()
        self._known.set()
        self._departures: dict[str | int, list[AnswerDelivery]] = {}  # an id is a host's own affair, and may come twice

    async def serve(self, server: Server[Any], lines: Lines, over: Callable[[], None]) -> None:
        """Serve over the pipes until the host closes one of them.

        `over` is called when all is done. A thread may still read stdin then, or write what nobody reads.
        """
        server.middleware.insert(0, self.seen_off)
        try:
            async with stdio_server(lines, self) as (read, write):
                lines.refuse = write.send
                try:
                    with self.host:
                        await server.run(read, write, server.create_initialization_options())
                finally:
                    over()
        except* OSError as group:  # stdin is a terminal that closed
            log.warning("the host has gone", extra={"facts": {"why": str(group.exceptions[0])}})

    @property
    def busy(self) -> int:
        """How many answers are not written yet."""
        return sum(len(departures) for departures in self._departures.values())

    async def emptied(self) -> None:
        """Wait until every answer is written, though not for ever: the host may not read any more."""
        with anyio.move_on_after(PATIENCE, shield=True):
            while self._departures:
                self._written = anyio.Event()
                await self._written.wait()

    async def seen_off(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """A request, as a middleware sees it: what its answer is to bear is held until that has left.

        A request that is cancelled by now is never answered.
        """
        if ctx.request_id is None:
            return await call_next(ctx)
        with anyio.move_on_after(MOMENT):
            await self._known.wait()  # whoever has read an answer may ask for the same again at once, and means another
        departure, answered = AnswerDelivery(), False
        leaving.set(departure)
        try:
            result = await call_next(ctx)
            answered = not is_cancelled()
        finally:
            if not answered:
                departure.end(left=False)
            if not is_cancelled():
                self._departures.setdefault(ctx.request_id, []).append(departure)
        return result

    async def write(self, b: str) -> int:
        """One message, as its line."""
        self._last, self._known = b, anyio.Event()
        await self._tried(partial(super().write, b))
        return len(b)

    async def flush(self) -> None:
        """Now the line is written."""
        await self._tried(super().flush)
        self._written.set()
        if self._departures:
            message = from_json(self._last)
            if "method" not in message and (departures := self._departures.get(message.get("id"))):
                departures.pop(0).end(left="result" in message)
                if not departures:
                    del self._departures[message["id"]]
        self._known.set()

    async def _tried(self, act: Callable[[], Awaitable[object]]) -> None:
        """Write if anybody is there. Nothing that is on its way arrives once nobody is."""
        if self.host.cancel_called:
            return
        try:
            await act()
        except OSError as error:
            log.warning("the host has gone", extra={"facts": {"why": error.strerror}})
            self.host.cancel()
            for departure in chain(*self._departures.values()):
                departure.end(left=False)
            self._departures.clear()


@contextmanager
def own_pipes() -> Generator[tuple[Lines, Line]]:
    """Stdin and stdout for the protocol alone: whatever else reads meets an end, whatever else writes is on stderr."""
    inward, outward = os.dup(0), os.dup(1)
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
    except OSError:  # there is no stderr
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        # they are never closed: a thread may still read or write there when nobody waits for it any more
        reader = os.fdopen(inward, encoding="utf-8", errors="replace", newline="\n", closefd=False)
        yield Lines(reader), Line(os.fdopen(outward, "w", encoding="utf-8", newline="\n", closefd=False))
    finally:
        sys.stdout.flush()
        os.dup2(outward, 1)
        os.dup2(inward, 0)
