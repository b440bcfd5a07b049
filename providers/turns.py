"""Turns at a vendor: so many calls at once, callers served in rotation, and a queue that refuses when it is full.

One caller with a hundred calls does not hold up another with one: whoever waits longest among the callers is next, then
the next caller, and so on round.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio

from atelier.providers.core.errors import ImageError, Reason


class Turns:
    """The turns at one vendor. `title` names it, `most` calls go on at once, and `queue` wait at most."""

    def __init__(self, title: str, most: int, queue: int) -> None:
        self._title = title
        self._free = most
        self._queue = queue
        self._waiting: OrderedDict[str, deque[anyio.Event]] = OrderedDict()

    @asynccontextmanager
    async def turn(self, caller: str, tell_waiting: Callable[[], Awaitable[None]]) -> AsyncGenerator[None]:
        """Hold a turn within the block. Raises rate_limited when too many wait; who is cancelled leaves the queue."""
        if self._free:
            self._free -= 1
        else:
            await self._wait(caller, tell_waiting)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, caller: str, tell_waiting: Callable[[], Awaitable[None]]) -> None:
        if sum(map(len, self._waiting.values())) >= self._queue:
            raise ImageError(
                Reason.RATE_LIMITED,
                f"{self._queue} calls wait for a turn at {self._title} already; nothing was sent.",
                hint="Try again when some of them are done, or use another vendor.",
                retry_after=10.0,
            )
        mine = anyio.Event()
        self._waiting.setdefault(caller, deque()).append(mine)
        try:
            await tell_waiting()
            await mine.wait()
        except BaseException:
            if mine.is_set():  # the turn came as the caller left
                self._pass_on()
            else:
                self._leave(caller, mine)
            raise

    def _leave(self, caller: str, mine: anyio.Event) -> None:
        self._waiting[caller].remove(mine)
        if not self._waiting[caller]:
            del self._waiting[caller]

    def _pass_on(self) -> None:
        """To the next caller in rotation, or back to whoever comes."""
        if not self._waiting:
            self._free += 1
            return
        caller, events = self._waiting.popitem(last=False)
        events.popleft().set()
        if events:
            self._waiting[caller] = events
