"""Something that is done in rounds, one after the other, whoever waits for it and however long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup


class _Round:
    def __init__(self) -> None:
        self.over = anyio.Event()
        self.error: Exception | None = None


class SingleFlight:
    """A round goes on in the task group when whoever asked for it has gone; those who ask before it begins share it."""

    def __init__(self, work: Callable[[], Awaitable[None]], tasks: TaskGroup) -> None:
        self._work = work
        self._tasks = tasks
        self._turn = anyio.Lock()
        self._next: _Round | None = None

    async def one(self) -> None:
        """Wait for a whole round from now on. Raises what the work does."""
        if self._next is None:
            self._next = _Round()
            self._tasks.start_soon(self._go, self._next)
        mine = self._next
        await mine.over.wait()
        if mine.error:
            raise mine.error

    async def _go(self, mine: _Round) -> None:
        async with self._turn:
            self._next = None
            try:
                await self._work()
            except Exception as error:  # noqa: BLE001 - theirs who wait; the task group goes on
                mine.error = error
            finally:
                mine.over.set()
