"""The calls that are being answered, over any transport: an id and a line in the log,
the limits of each caller, and one error boundary.

An answer is delivered when its transport reports it as written: over stdio when its line is written, over HTTP when
the last byte of the response was sent, in memory at once. Until then `answer_delivery` holds the callbacks.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial

import anyio

from atelier.providers.core.errors import ImageError, Reason, internal_error, sanitize
from atelier.providers.core.tracing import add_context, current_span, new_id, start_context
from atelier.providers.jobs.service import ImageService
from atelier.server.mcp.elicitation import InputNeeded
from atelier.server.observability.logs import call_id, log
from atelier.server.storage.remote_storage import without_addresses, without_location

Callback = Callable[[], None]

LOOKUP_TIMEOUT = 5.0  # seconds that a read-only tool may take beyond the wait limit of a job
MAX_ARGUMENT = 2000  # characters of an argument in the log
MINUTE = 60.0  # seconds
MAX_COUNTED_CALLERS = 10_000  # above it those who were idle for a minute are forgotten


@dataclass(slots=True)
class AnswerDelivery:
    """The callbacks for when an answer has been written to the client."""

    on_delivered: list[Callback] = field(default_factory=list[Callback])

    def complete(self, *, delivered: bool) -> None:
        """Run the callbacks if the answer was written; forget them if it never will be."""
        callbacks, self.on_delivered = self.on_delivered, []
        for callback in callbacks if delivered else ():
            callback()


answer_delivery: ContextVar[AnswerDelivery | None] = ContextVar("answer_delivery", default=None)
"""The delivery of the answer to this request; None where an answer is delivered at once."""


def on_delivery(callback: Callback) -> None:
    """Call back once the answer to this call is delivered."""
    delivery = answer_delivery.get()
    if delivery is None:
        callback()
    else:
        delivery.on_delivered.append(callback)


@contextmanager
def lookup_limit(wait: float) -> Generator[None]:
    """Run a lookup in the block. It ends LOOKUP_TIMEOUT after the `wait` limit in seconds; raises storage_failed."""
    with anyio.move_on_after(wait + LOOKUP_TIMEOUT) as scope:
        yield
    if scope.cancelled_caught:
        message = "The storage did not answer in time."
        raise ImageError(Reason.STORAGE_FAILED, message, hint="Try again later; nothing is lost.")


@contextmanager
def delivering(service: ImageService, jobs: Sequence[str]) -> Generator[None]:
    """Build the answer with the jobs' results within the block; they are delivered when the answer is."""
    yield
    for job in jobs:
        on_delivery(partial(service.mark_delivered, job))


def log_arguments(name: str, arguments: Mapping[str, object]) -> None:
    """Log the arguments of a tool at debug, shortened and without images."""
    if log.isEnabledFor(logging.DEBUG):
        shown = {sanitize(key, 60): sanitize(value, MAX_ARGUMENT) for key, value in arguments.items()}
        log.debug("tool arguments", extra={"facts": {"tool": name, "arguments": shown}})


class CallerGoneError(Exception):
    """The caller disconnected before the answer."""


CountCall = Callable[[str, int, float], Awaitable[bool]]
"""Counts a call of a caller, by the limit of a minute and the time; False for a call too many."""


class CallerLimits:
    """How many calls a caller may begin in a minute, and have answered at once. None is without limit.

    A caller who has been idle may begin a minute's calls at once (a token bucket). With `count`, replicas share the
    calls of a minute.
    """

    def __init__(
        self,
        per_minute: int | None,
        at_once: int | None,
        clock: Callable[[], float] = time.monotonic,
        count: CountCall | None = None,
    ) -> None:
        self._per_minute = per_minute
        self._at_once = at_once
        self._clock = clock
        self._shared_count = count
        self._used = dict[str, tuple[float, float]]()  # the caller's calls that count, and when they were counted
        self._running = Counter[str]()

    @asynccontextmanager
    async def slot(self, caller: str, *, begun: bool = False) -> AsyncGenerator[None]:
        """Count a call within the block; one that has `begun` counts no more towards its minute. Raises rate_limited,
        at once."""
        if self._at_once is not None and self._running[caller] >= self._at_once:
            message = f"You have {self._at_once} calls running, and no more are taken at once."
            raise ImageError(Reason.RATE_LIMITED, message, hint="Try again when one has ended.", retry_after=1.0)
        if self._per_minute is not None and not begun:
            await self._count_call(caller, self._per_minute)
        self._running[caller] += 1
        try:
            yield
        finally:
            self._running -= Counter((caller,))  # drops entries at 0

    async def _count_call(self, caller: str, per_minute: int) -> None:
        if self._shared_count is None:
            self._count(caller, per_minute)
        elif not await self._shared_count(caller, per_minute, time.time()):
            raise _too_many(per_minute, MINUTE / per_minute)

    def _count(self, caller: str, per_minute: int) -> None:
        now = self._clock()
        if len(self._used) > MAX_COUNTED_CALLERS:
            self._used = {name: entry for name, entry in self._used.items() if now - entry[1] < MINUTE}
        used, since = self._used.get(caller, (0.0, now))
        used = max(0.0, used - (now - since) * per_minute / MINUTE)
        if used + 1 > per_minute:
            wait = (used + 1 - per_minute) * MINUTE / per_minute
            raise _too_many(per_minute, wait)
        self._used[caller] = used + 1, now


def _too_many(per_minute: int, wait: float) -> ImageError:
    message = f"You have begun {per_minute} calls within a minute, and no more are taken."
    return ImageError(Reason.RATE_LIMITED, message, hint="Try again a little later.", retry_after=wait)


class Calls:
    """Counts the calls that are being answered, including those whose caller disconnected.

    Errors for `remote` callers name no folders of this machine.
    """

    def __init__(self, *, remote: bool = False, limits: CallerLimits | None = None) -> None:
        self.count = 0
        self._remote = remote
        self._limits = limits or CallerLimits(None, None)

    @asynccontextmanager
    async def answering(self, name: str, caller: str | None = None, *, begun: bool = False) -> AsyncGenerator[None]:
        """Answer a call within the block: log it, and raise every failure of ours as an ImageError.

        A call with a `caller` counts towards the caller's limits; `begun` is as in `CallerLimits.slot`. Raises
        rate_limited above them.
        """
        call_id.set(new_id("call"))
        start_context(caller=caller)
        current_span().set({"atelier.call.id": call_id.get(), "atelier.caller": caller})
        began, outcome = time.monotonic(), "cancelled"
        self.count += 1
        try:
            async with self._limits.slot(caller, begun=begun) if caller else nullcontext():
                yield
            outcome = "done"
        except CallerGoneError:
            raise
        except InputNeeded:
            outcome = "input required"
            raise
        except ImageError as error:
            outcome = error.reason.value
            add_context(request_id=error.facts.get("request_id"))
            if error.__cause__ is not None:
                log.error("unexpected error", exc_info=error.__cause__, extra={"facts": {"tool": name}})
            raise self.for_caller(error) from None
        except Exception as error:
            log.exception("tool crashed", extra={"facts": {"tool": name}})
            outcome = Reason.INTERNAL.value
            raise internal_error(f"The server's log has it under {call_id.get()}; please report it.") from error
        finally:
            self.count -= 1
            current_span().set({"atelier.outcome": outcome})
            seconds = round(time.monotonic() - began, 3)
            log.info("tool called", extra={"facts": {"tool": name, "outcome": outcome, "seconds": seconds}})

    def for_caller(self, error: ImageError) -> ImageError:
        """Return the error as its caller may read it."""
        return without_addresses(without_location(error)) if self._remote else error
