"""The server in a process that meets a fault of its own: what `FAULT_...` says is done to its parts before it starts.

FAULT_KILL=settle:before    the process kills itself at that step of the journal, before or after it is written
FAULT_TERM=settle:before    the process is asked to end there
FAULT_FULL=settle           from that step on the journal's disk is full; `settle:2` for two writes
FAULT_DISK=pictures         the disk is full for pictures
FAULT_CLOCK=sent:-3600      at that step the clock jumps by so many seconds
FAULT_ANSWER=0.5            that many seconds pass before the answer of a tool is put into words
"""

from __future__ import annotations

import datetime
import errno
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
from mcp.types import CallToolResult

from atelier.server.database import ledger, sqlite
from atelier.server.database.jobs import SqlJobStore
from atelier.server.main import main
from atelier.server.mcp import results

STEPS = ("open_job", "mark_sent", "save_vendor_task", "add_asset", "settle_call", "finish_job", "mark_delivered")
"""What the journal is told, in the order of a call's life."""

Step = Callable[..., Coroutine[Any, Any, Any]]


def wrapped(step: str, around: Callable[[Step], Step]) -> None:
    """Put something around a step of the journal."""
    setattr(SqlJobStore, step, around(getattr(SqlJobStore, step)))


def killed(step: str, when: str) -> None:
    """The end, as `kill -9` makes it."""

    def around(own: Step) -> Step:
        async def last(*arguments: Any) -> Any:
            if when == "after":
                await own(*arguments)
            os.kill(os.getpid(), signal.SIGKILL)

        return last

    wrapped(step, around)


def ended(step: str, when: str) -> None:
    """A SIGTERM, and the step all the same."""

    def around(own: Step) -> Step:
        async def told(*arguments: Any) -> Any:
            if when == "before":
                os.kill(os.getpid(), signal.SIGTERM)
            found = await own(*arguments)
            if when == "after":
                os.kill(os.getpid(), signal.SIGTERM)
            return found

        return told

    wrapped(step, around)


def full(step: str, writes: str) -> None:
    """SQLite says so when it writes, whatever it is that it should write."""
    left = [0]
    transact: Callable[..., Any] = sqlite.SqliteDatabase.transact

    def stuck(self: sqlite.SqliteDatabase, transaction: Any, *, writes: bool, durable: bool = True) -> Any:
        def out_of_space(connection: Any) -> Any:
            raise sqlite3.OperationalError("database or disk is full")

        if writes and left[0]:
            left[0] -= 1
            return transact(self, out_of_space, writes=True)
        return transact(self, transaction, writes=writes, durable=durable)

    def around(own: Step) -> Step:
        async def first(*arguments: Any) -> Any:
            if left[0] == 0 and not used:
                used.append(step)
                left[0] = int(writes or sys.maxsize)
            return await own(*arguments)

        return first

    used = list[str]()
    setattr(sqlite.SqliteDatabase, "transact", stuck)  # noqa: B010 - it is another's
    wrapped(step, around)


def crowded(files: str, _: str) -> None:
    """No picture gets onto the disk; the journal does."""
    assert files == "pictures"

    def no_space(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    os.fsync = no_space


def jumping(step: str, seconds: str) -> None:
    """Every clock of the wall jumps; the one that only counts does not."""
    offset, real, real_ns, now = [0.0], time.time, time.time_ns, datetime.datetime

    class Jumped(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return now.now(tz) + datetime.timedelta(seconds=offset[0])

    def around(own: Step) -> Step:
        async def then(*arguments: Any) -> Any:
            offset[0] = float(seconds)
            return await own(*arguments)

        return then

    time.time = lambda: real() + offset[0]
    time.time_ns = lambda: real_ns() + int(offset[0] * 1e9)
    ledger.datetime = Jumped  # pyright: ignore[reportPrivateImportUsage]
    wrapped(step, around)


def thoughtful(seconds: str, _: str) -> None:
    """An answer that is not made at once."""
    own = results.tool_result

    async def after_a_while(*arguments: Any, **named: Any) -> CallToolResult:
        await anyio.sleep(float(seconds))
        return await own(*arguments, **named)

    results.tool_result = after_a_while


FAULTS: dict[str, Callable[[str, str], None]] = {
    "KILL": killed, "TERM": ended, "FULL": full, "DISK": crowded, "CLOCK": jumping, "ANSWER": thoughtful,
}  # fmt: skip

if __name__ == "__main__":
    for name, arrange in FAULTS.items():
        if words := os.environ.pop(f"FAULT_{name}", None):
            first, _, second = words.partition(":")
            arrange(first, second)
    main(sys.argv[1:] or ["serve"])
