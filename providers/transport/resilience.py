"""Protect a vendor and its callers: a concurrency limit with a fair queue, and a circuit breaker.

A caller with a hundred calls does not delay a caller with one: each caller in the queue gets one slot per round.

A running job is never refused: once one of its calls has a slot or waits for one, its other calls may wait too and do
not count against the queue's limit. Neither does a call that collects a result that is already paid for.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import NamedTuple

import anyio

from atelier.providers.core.errors import ImageError, Reason

MAX_FAILURES = 5  # provider_unavailable in a row, each after its own retries, until the breaker opens
OPEN_SECONDS = 30.0  # then one trial call is allowed
TRIAL_RETRY_AFTER = 10.0  # seconds; sent to callers that are refused during the trial call
IGNORED_REASONS = (Reason.NETWORK_ERROR, Reason.TIMEOUT, Reason.STORAGE_FAILED, Reason.INTERNAL)
"""Errors that do not show the vendor's state: it was not reached, did not answer in time, or the fault is Atelier's."""


class QueuedCall(NamedTuple):
    """A waiting call: the event that is set when it gets a slot, and whether it counts against the limit."""

    slot: anyio.Event
    counts: bool


class FairLimiter:
    """The slots of one vendor: `limit` calls run at once, and `queue` counted calls may wait.

    A caller without a call in the queue may wait until twice as many do.
    """

    def __init__(self, title: str, limit: int, queue: int) -> None:
        self._title = title
        self._free = limit
        self._queue = queue
        self._waiting: OrderedDict[str, deque[QueuedCall]] = OrderedDict()
        self._running = Counter[str | None]()

    @property
    def waiting(self) -> int:
        """The number of calls that wait."""
        return sum(map(len, self._waiting.values()))

    @asynccontextmanager
    async def slot(
        self, caller: str, job: str | None, on_waiting: Callable[[], Awaitable[None]]
    ) -> AsyncGenerator[None]:
        """Hold a slot within the block, for a call of `job`, or of None for a call that collects.

        Raises rate_limited if the queue is full. A cancelled caller leaves the queue.
        """
        counts = job is not None and not self._running[job]
        if counts and not self._free:
            self._check_room(caller)
        self._running[job] += 1
        try:
            if self._free:
                self._free -= 1
            else:
                await self._wait(caller, counts, on_waiting)
            try:
                yield
            finally:
                self._release()
        finally:
            self._running -= Counter((job,))  # drops entries at 0

    def _check_room(self, caller: str) -> None:
        """Raise rate_limited if the queue is full. A caller without a waiting call may use twice its length."""
        waiting = sum(call.counts for calls in self._waiting.values() for call in calls)
        limit = self._queue if any(call.counts for call in self._waiting.get(caller, ())) else 2 * self._queue
        if waiting >= limit:
            full = f"the queue is full ({self._queue} waiting)" if self._queue else "there is no queue"
            raise ImageError(
                Reason.RATE_LIMITED,
                f"{self._title} has its maximum of running calls, and {full}; nothing was sent.",
                hint="Try again when some calls have ended, or use another vendor.",
                retry_after=10.0,
            )

    async def _wait(self, caller: str, counts: bool, on_waiting: Callable[[], Awaitable[None]]) -> None:
        mine = QueuedCall(anyio.Event(), counts)
        self._waiting.setdefault(caller, deque()).append(mine)
        try:
            await on_waiting()
            await mine.slot.wait()
        except BaseException:
            if mine.slot.is_set():  # the slot came when the caller was cancelled
                self._release()
            else:
                self._remove(caller, mine)
            raise

    def _remove(self, caller: str, mine: QueuedCall) -> None:
        self._waiting[caller].remove(mine)
        if not self._waiting[caller]:
            del self._waiting[caller]

    def _release(self) -> None:
        """Give the slot to the next caller in rotation, or free it."""
        if not self._waiting:
            self._free += 1
            return
        caller, calls = self._waiting.popitem(last=False)
        calls.popleft().slot.set()
        if calls:
            self._waiting[caller] = calls


class Breaker:
    """The breaker of one vendor: closed, open after MAX_FAILURES in a row, half open during one trial call.

    `clock` counts seconds and never goes back.
    """

    def __init__(self, title: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._title = title
        self._clock = clock
        self._failures = 0
        self._open_until = 0.0
        self._trial: object | None = None

    @contextmanager
    def call(self) -> Generator[None]:
        """Make a call within the block; its end is recorded.

        Raises provider_unavailable while the breaker is open. After OPEN_SECONDS one trial call is allowed; others are
        refused until it ends.
        """
        mine = self._admit()
        try:
            yield
        except BaseException as error:
            self._record(error)
            raise
        else:
            self._record(None)
        finally:
            if self._trial is mine:
                self._trial = None

    def _admit(self) -> object:
        mine = object()
        if self._failures < MAX_FAILURES:
            return mine
        left = self._open_until - self._clock()
        if left <= 0 and self._trial is None:
            self._trial = mine
            return mine
        why = f"it is not called for {left:.0f} s" if left > 0 else "one trial call is running"
        raise ImageError(
            Reason.PROVIDER_UNAVAILABLE,
            f"{self._title} failed {self._failures} times in a row, so {why}; nothing was sent.",
            hint="Try again then, or use another vendor.",
            retry_after=left if left > 0 else TRIAL_RETRY_AFTER,
        )

    def _record(self, error: BaseException | None) -> None:
        """Count provider_unavailable as a failure; any other answer of the vendor closes the breaker."""
        if isinstance(error, ImageError) and error.reason is Reason.PROVIDER_UNAVAILABLE:
            self._failures += 1
            self._open_until = self._clock() + OPEN_SECONDS
        elif error is None or (isinstance(error, ImageError) and error.reason not in IGNORED_REASONS):
            self._failures, self._trial = 0, None
