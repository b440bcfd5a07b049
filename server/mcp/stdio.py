"""MCP over stdin and stdout. No request stays unanswered, however it is written.

An answer is delivered when its whole line has been written.

The host may read slowly, not at all, or exit in the middle of a line: then the result in that answer was not delivered.
A host that closes stdout has disconnected, as if it had closed stdin.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import Any, TextIO, cast

import anyio
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter
from pydantic_core import from_json

from atelier.providers.core.concurrency import is_cancelled
from atelier.server.calls import AnswerDelivery, answer_delivery
from atelier.server.mcp import early_answers
from atelier.server.mcp.early_answers import METHODS, AnswerRecorder, EarlyAnswers
from atelier.server.mcp.jsonrpc import messages_of
from atelier.server.observability.logs import log
from atelier.server.shutdown import DELIVERY_TIMEOUT

LINE_TIMEOUT = 1.0  # seconds that a call waits for the line that is being written


class MessageReader(anyio.AsyncFile[str]):
    """Reads the protocol's lines. Iterating yields valid messages; `refuse` answers each invalid one."""

    def __init__(self, stream: TextIO, early: EarlyAnswers | None, recorder: AnswerRecorder) -> None:
        super().__init__(stream)
        self.refuse: Callable[[SessionMessage], Awaitable[None]] | None = None
        self._early = early
        self._recorder = recorder

    async def __aiter__(self) -> AsyncGenerator[str]:
        while line := await self._next_line():
            for message in [line] if _is_usual(line) else messages_of(line):
                if isinstance(message, str):
                    if any(f'"{method}"' in message for method in METHODS):
                        self._recorder.request(message)
                    yield message
                elif self.refuse:
                    await self.refuse(SessionMessage(message))

    async def _next_line(self) -> str:
        if self._early is None:
            return await self.readline()
        return await anyio.to_thread.run_sync(self._early.lines.get)


class MessageWriter(anyio.AsyncFile[str]):
    """Writes the protocol's lines and tracks the answers that are not written yet.

    The server runs in the scope `serving`, which is cancelled once the host has closed stdout. A request that was
    answered early is not answered again.
    """

    def __init__(self, stream: TextIO, early: EarlyAnswers | None, recorder: AnswerRecorder) -> None:
        super().__init__(stream)
        self._answered = early.answered if early else set[str]()
        self._recorder = recorder
        self._skips = False
        self.serving = anyio.CancelScope()
        self._last = ""
        self._written = anyio.Event()
        self._line_done = anyio.Event()
        self._line_done.set()
        self._deliveries: dict[str | int, list[AnswerDelivery]] = {}  # a host may reuse an id

    async def serve(self, server: Server[Any], reader: MessageReader, finished: Callable[[], None]) -> None:
        """Serve until the host closes one of the pipes.

        `finished` is called when every call is answered; a thread may still be blocked on stdin or stdout then.
        """
        server.middleware.insert(0, self.track_delivery)
        try:
            async with stdio_server(reader, self) as (read, write):
                reader.refuse = write.send
                try:
                    with self.serving:
                        await server.run(read, write, server.create_initialization_options())
                finally:
                    finished()
        except* OSError as group:  # stdin is a terminal that closed
            log.warning("host disconnected", extra={"facts": {"why": str(group.exceptions[0])}})

    @property
    def unwritten(self) -> int:
        """The number of answers that are not written yet."""
        return sum(len(deliveries) for deliveries in self._deliveries.values())

    async def drain(self) -> None:
        """Wait until every answer is written; the host may have stopped reading, so at most DELIVERY_TIMEOUT."""
        with anyio.move_on_after(DELIVERY_TIMEOUT, shield=True):
            while self._deliveries:
                self._written = anyio.Event()
                await self._written.wait()

    async def track_delivery(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Middleware: complete the `AnswerDelivery` of a request when its answer is written, or lost.

        No response is sent for a cancelled request. First waits, at most LINE_TIMEOUT, for the answer that is being
        written: a repeat must find it delivered.
        """
        if ctx.request_id is None:
            return await call_next(ctx)
        with anyio.move_on_after(LINE_TIMEOUT):
            await self._line_done.wait()  # a client may repeat a call at once after its answer
        delivery, has_result = AnswerDelivery(), False
        answer_delivery.set(delivery)
        try:
            result = await call_next(ctx)
            has_result = not is_cancelled()
        finally:
            if not has_result:
                delivery.complete(delivered=False)
            if not is_cancelled():
                self._deliveries.setdefault(ctx.request_id, []).append(delivery)
        return result

    async def write(self, b: str) -> int:
        """Buffer the line of one message."""
        self._last, self._line_done = b, anyio.Event()
        if self._recorder.requested:
            self._recorder.answer(b)
        self._skips = bool(self._answered) and self._take_answered(b)
        if not self._skips:
            await self._write_to_host(partial(super().write, b))
        return len(b)

    async def flush(self) -> None:
        """Write the line, then complete the delivery of its answer."""
        if not self._skips:
            await self._write_to_host(super().flush)
        self._written.set()
        if self._deliveries:
            message = from_json(self._last)
            if "method" not in message and (deliveries := self._deliveries.get(message.get("id"))):
                deliveries.pop(0).complete(delivered="result" in message)
                if not deliveries:
                    del self._deliveries[message["id"]]
        self._line_done.set()

    def _take_answered(self, line: str) -> bool:
        """Return whether this is an answer that was given early; the host may use its id again."""
        message = from_json(line)
        id = json.dumps(message.get("id"))
        if "method" in message or id not in self._answered:
            return False
        self._answered.discard(id)
        return True

    async def _write_to_host(self, act: Callable[[], Awaitable[object]]) -> None:
        """Write unless the host has disconnected. When it disconnects now, no pending answer is delivered."""
        if self.serving.cancel_called:
            return
        try:
            await act()
        except OSError as error:
            log.warning("host disconnected", extra={"facts": {"why": error.strerror}})
            self.serving.cancel()
            for delivery in chain(*self._deliveries.values()):
                delivery.complete(delivered=False)
            self._deliveries.clear()


def _is_usual(line: str) -> bool:
    """Whether a line is one valid message that needs none of the repairs of `jsonrpc`."""
    try:
        message = from_json(line)
        jsonrpc_message_adapter.validate_python(message, by_name=False)
    except ValueError:
        return False
    id, params = message.get("id", 0), message.get("params", {})
    if isinstance(id, bool) or not (isinstance(id, str | int) and isinstance(params, dict)):
        return False
    return isinstance(cast("dict[str, Any]", params).get("arguments", {}), dict)


@contextmanager
def protocol_pipes() -> Generator[tuple[MessageReader, MessageWriter]]:
    """Reserve stdin and stdout for the protocol: other readers see end of file, other writers write to stderr."""
    stdin_copy, stdout_copy = os.dup(0), os.dup(1)
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
    except OSError:  # there is no stderr
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        # never closed: an abandoned thread may still read or write here
        stdin = os.fdopen(stdin_copy, encoding="utf-8", errors="replace", newline="\n", closefd=False)
        stdout = os.fdopen(stdout_copy, "w", encoding="utf-8", newline="\n", closefd=False)
        early, recorder = early_answers.started(), AnswerRecorder()
        if early:
            early.hand_over()
        yield MessageReader(stdin, early, recorder), MessageWriter(stdout, early, recorder)
    finally:
        sys.stdout.flush()
        os.dup2(stdout_copy, 1)
        os.dup2(stdin_copy, 0)
