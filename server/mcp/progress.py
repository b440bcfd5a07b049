"""Progress of a call: the latest word on it, shown from its own task so that a slow watcher never holds up the work."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
from mcp.server.mcpserver import Context

from atelier.providers.core.types import Progress

Show = Callable[[str, float], Awaitable[None]]
"""Where a word on progress goes, with the seconds since the beginning."""


@asynccontextmanager
async def progress(
    show: Show, every: float, *, first: str = "", quiet: float = 0.0, apart: float = 0.0
) -> AsyncGenerator[Progress]:
    """Show `first` and every later word, the latest again after `every` seconds; yield where to say one.

    Nothing is shown during the first `quiet` seconds, nor once the block has ended, and the block ends no sooner than
    `apart` seconds after the last word: the TypeScript SDK fails a call whose progress notification arrives together
    with its answer ("unknown token").
    """
    began = time.monotonic()
    latest, changed, shown_at = first, anyio.Event(), 0.0

    async def on_progress(message: str) -> None:
        nonlocal latest
        latest = message or latest
        changed.set()

    async def showing() -> None:
        nonlocal changed, shown_at
        await anyio.sleep(quiet)
        while True:
            changed = anyio.Event()
            if latest:
                shown_at = time.monotonic()
                try:
                    await show(latest, shown_at - began)
                except Exception:  # noqa: BLE001 - whoever watched has gone; the work, which may be paid for, goes on
                    return
            with anyio.move_on_after(every):
                await changed.wait()

    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(showing)
        try:
            yield on_progress
        except Exception as error:  # noqa: BLE001 - raised again outside, for a task group would wrap it
            failure = error
        finally:
            tasks.cancel_scope.cancel()
    if shown_at:
        await anyio.sleep(max(0.0, shown_at + apart - time.monotonic()))
    if failure is not None:
        raise failure


def reporting(context: Context[Any, Any]) -> Show:
    """Progress as the protocol wants it: a number that always rises, and a word for the person."""
    count = 0

    async def show(message: str, seconds: float) -> None:
        nonlocal count
        count += 1
        await context.report_progress(count, None, f"{message} ({seconds:.0f} s)" if seconds >= 1 else message)

    return show
