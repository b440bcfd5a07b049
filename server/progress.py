"""How far it is, told at every word of whoever works and every so many seconds, since silence looks like death."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio

from atelier.providers.core.types import Tell

Show = Callable[[str, float], Awaitable[None]]
"""Where a word on progress goes, with the seconds since the beginning."""


@asynccontextmanager
async def progress(show: Show, every: float, first: str = "") -> AsyncGenerator[Tell]:
    """Show `first` at once and yield where to tell; nothing is shown any more once the block has ended."""
    began, latest, running = time.monotonic(), first, True

    async def tell(message: str) -> None:
        nonlocal latest, running
        latest = message
        if not running or not message:
            return
        try:
            await show(message, time.monotonic() - began)
        except Exception:  # noqa: BLE001 - whoever watched has gone; the work, which may be paid for, goes on
            running = False

    async def beat() -> None:
        while True:
            await anyio.sleep(every)
            await tell(latest)

    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        await tell(latest)
        tasks.start_soon(beat)
        try:
            yield tell
        except Exception as error:  # noqa: BLE001 - raised again outside, for a task group would wrap it
            failure = error
        finally:
            running = False
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
