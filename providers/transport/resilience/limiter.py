"""Turns at a vendor: so many calls at once, callers served in rotation, and a queue that refuses when it is full.

One caller with a hundred calls does not hold up another with one: whoever waits longest among the callers is next, then
the next caller, and so on round.

A job that has begun is not refused halfway: once one of its calls has a turn or a place in the queue, its other calls
wait as well, and do not count. Nor does a call that only collects what was sent before and is paid for.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

import anyio

from atelier.providers.core.errors import ImageError, Reason


class QueuedCall(NamedTuple):
    """One in the queue: its turn, and whether it counts."""

    slot: anyio.Event
    counts: bool


class FairLimiter:
    """The turns at one vendor. `title` names it, `most` calls go on at once, and `queue` that count wait at most, or
    twice as many when there are many callers.
    """

    def __init__(self, title: str, most: int, queue: int) -> None:
        self._title = title
        self._free = most
        self._queue = queue
        self._waiting: OrderedDict[str, deque[QueuedCall]] = OrderedDict()
        self._begun = Counter[str | None]()

    @asynccontextmanager
    async def slot(
        self, caller: str, job: str | None, tell_waiting: Callable[[], Awaitable[None]]
    ) -> AsyncGenerator[None]:
        """Hold a turn within the block, for a call of a job, or of none when it only collects.

        Raises rate_limited when too many wait. Who is cancelled leaves the queue.
        """
        counts = job is not None and not self._begun[job]
        if counts and not self._free:
            self._check_room(caller)
        self._begun[job] += 1
        try:
            if self._free:
                self._free -= 1
            else:
                await self._wait(caller, counts, tell_waiting)
            try:
                yield
            finally:
                self._pass_on()
        finally:
            self._begun -= Counter((job,))  # and forgets those at 0

    def _check_room(self, caller: str) -> None:
        """A queue that others have filled has room for one call of a caller who has none in it."""
        waiting = sum(place.counts for places in self._waiting.values() for place in places)
        most = self._queue if any(place.counts for place in self._waiting.get(caller, ())) else 2 * self._queue
        if waiting >= most:
            full = f"the queue is full ({self._queue} waiting)" if self._queue else "none may wait for one"
            raise ImageError(
                Reason.RATE_LIMITED,
                f"All turns at {self._title} are taken, and {full}; nothing was sent.",
                hint="Try again when some of them are done, or use another vendor.",
                retry_after=10.0,
            )

    async def _wait(self, caller: str, counts: bool, tell_waiting: Callable[[], Awaitable[None]]) -> None:
        mine = QueuedCall(anyio.Event(), counts)
        self._waiting.setdefault(caller, deque()).append(mine)
        try:
            await tell_waiting()
            await mine.slot.wait()
        except BaseException:
            if mine.slot.is_set():  # the turn came as the caller left
                self._pass_on()
            else:
                self._leave(caller, mine)
            raise

    def _leave(self, caller: str, mine: QueuedCall) -> None:
        self._waiting[caller].remove(mine)
        if not self._waiting[caller]:
            del self._waiting[caller]

    def _pass_on(self) -> None:
        """To the next caller in rotation, or back to whoever comes."""
        if not self._waiting:
            self._free += 1
            return
        caller, places = self._waiting.popitem(last=False)
        places.popleft().slot.set()
        if places:
            self._waiting[caller] = places
