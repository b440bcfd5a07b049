"""Report the progress of a call from a task of its own, so that a slow client does not delay the call."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio

from atelier.providers.core.types import Progress

if TYPE_CHECKING:  # commands that report progress go without mcp, which takes half a second to import
    from mcp.server.mcpserver import Context

PROGRESS_DELAY = 1.0  # seconds without progress at the beginning of a call; see `progress`
PROGRESS_GAP = 0.05  # seconds between the last progress notification and the answer
PROGRESS_INTERVAL = 9.0  # seconds between notifications; hosts time out without one in ten seconds

Show = Callable[[str, float], Awaitable[None]]
"""Shows a progress message, with the seconds since the beginning of the call."""


@asynccontextmanager
async def progress(
    show: Show, interval: float, *, first: str = "", delay: float = 0.0, gap: float = 0.0
) -> AsyncGenerator[Progress]:
    """Yield the progress callback of a call; show `first`, each message, and the latest again every `interval` seconds.

    Nothing is shown during the first `delay` seconds or after the block. The block ends at least `gap` seconds after
    the last message: the TypeScript SDK fails a call whose progress notification arrives together with its answer
    ("unknown token").
    """
    began = time.monotonic()
    latest, changed, shown_at = first, anyio.Event(), 0.0

    async def on_progress(message: str) -> None:
        nonlocal latest
        latest = message or latest
        changed.set()

    async def show_updates() -> None:
        nonlocal changed, shown_at
        await anyio.sleep(delay)
        while True:
            changed = anyio.Event()
            if latest:
                shown_at = time.monotonic()
                try:
                    await show(latest, shown_at - began)
                except Exception:  # noqa: BLE001 - the client has disconnected; the call, which may be paid for, continues
                    return
            with anyio.move_on_after(interval):
                await changed.wait()

    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(show_updates)
        try:
            yield on_progress
        except Exception as error:  # noqa: BLE001 - raised again below: the task group would wrap it in a group
            failure = error
        finally:
            tasks.cancel_scope.cancel()
    if shown_at:
        await anyio.sleep(max(0.0, shown_at + gap - time.monotonic()))
    if failure is not None:
        raise failure


def report_progress(context: Context[Any, Any], first: str) -> AbstractAsyncContextManager[Progress]:
    """Yield the progress callback of a tool call, which sends notifications; the protocol requires a rising number."""
    count = 0

    async def show(message: str, seconds: float) -> None:
        nonlocal count
        count += 1
        await context.report_progress(count, None, f"{message} ({seconds:.0f} s)" if seconds >= 1 else message)

    return progress(show, PROGRESS_INTERVAL, first=first, delay=PROGRESS_DELAY, gap=PROGRESS_GAP)
