"""Decide which exchanges are sent again, and when: retry rules, waits, and a paid request over its attempts.

No vendor offers an idempotency key (facts of 2026-11-20), so a paid request is retried only if the vendor certainly did
not do the work. A 5xx of a gateway or CDN does not show that: the vendor behind it may have finished, and bill.

    answer to a paid request       with the vendor's own error   with any other body, or none
    408, 499, 504, 520 to 527      outcome unknown               outcome unknown
    429                            retried                       retried
    500, 502, 503                  retried                       outcome unknown
    any other 5xx                  refused                       outcome unknown
    any other 4xx                  refused                       refused

The vendor cannot have a paid request before the first attempt, while a connection is made, and in the pause after an
attempt that cost nothing. At any other time it may.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Mapping
from email.utils import parsedate_to_datetime
from enum import Enum
from http import HTTPStatus
from typing import Any

import anyio
from anyio.lowlevel import checkpoint_if_cancelled
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_any,
    stop_before_delay,
)
from tenacity.stop import stop_base

from atelier.providers.core.errors import MAY_BE_BILLED, ImageError, Reason
from atelier.providers.core.types import Progress

MAX_ATTEMPTS = 4  # the first attempt and three retries
MAX_RETRY_WAIT = 60.0  # seconds; if the vendor asks for more, the error goes to the caller
OUTCOME_UNKNOWN_STATUSES = frozenset({408, 499, 504, *range(520, 528)})
"""Statuses of a gateway that stopped waiting, while the vendor may continue."""

TEMPORARY_STATUSES = frozenset({500, 502, 503})
"""Statuses of a vendor that is temporarily unable to do the work."""

TASK_MISSING_STATUSES = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.UNPROCESSABLE_ENTITY)
"""Poll statuses that may mean that the vendor has no such task. Other errors concern the key, a gateway or a temporary
failure, so the paid task may still be collected."""

CONNECTING = ("connection.connect_tcp.started", "connection.start_tls.started")
"""Trace events of httpcore at the start of a new connection. A pooled connection has none of them."""


class RefusalOutcome(Enum):
    """What a refusal means for a paid request."""

    NOT_DONE = "not done"  # not done and not billed; the same request may be retried
    REFUSED = "refused"  # not done and not billed; the same request would be refused again
    UNKNOWN = "unknown"  # perhaps done and billed


def refusal_outcome(status: int, *, from_vendor: bool) -> RefusalOutcome:
    """Return what an error status means; `from_vendor` if the body is the vendor's own error."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RefusalOutcome.NOT_DONE
    if status in OUTCOME_UNKNOWN_STATUSES or (status >= HTTPStatus.INTERNAL_SERVER_ERROR and not from_vendor):
        return RefusalOutcome.UNKNOWN
    return RefusalOutcome.NOT_DONE if status in TEMPORARY_STATUSES else RefusalOutcome.REFUSED


class PaidRequest:
    """One paid request. `on_in_flight` is called with True when the vendor may have it, and with False while it cannot.

    With `retry_timeouts` the request is sent once more after a timeout or a dropped connection, although the vendor may
    bill both; `before_repeat` is awaited before the second attempt. `unknown_error` is the error of the first attempt
    until the second begins; if it never begins, that error is the result.
    """

    def __init__(
        self,
        on_in_flight: Callable[[bool], None],
        before_repeat: Callable[[], Awaitable[None]] | None,
        *,
        retry_timeouts: bool,
    ) -> None:
        self._on_in_flight = on_in_flight
        self._before_repeat = before_repeat
        self._retry_timeouts = retry_timeouts
        self.unknown_error: ImageError | None = None
        self._answered: RefusalOutcome | None = None
        self._repeated = False
        self._line: Any = None

    async def start_attempt(self) -> None:
        """Mark the request as in flight. Raises the cancellation if the caller was cancelled."""
        await checkpoint_if_cancelled()
        if self.unknown_error and self._before_repeat:
            await self._before_repeat()
        self.unknown_error = self._answered = None
        self._on_in_flight(True)

    async def trace(self, event: str, info: dict[str, Any]) -> None:
        """Handle a trace event of httpcore. After any event but those in CONNECTING the vendor may have the request."""
        if event == "connection.start_tls.failed":
            with anyio.CancelScope(shield=True):
                await self._line.aclose()  # httpcore leaves it open when the request is cancelled
        elif not event.endswith(".failed"):
            self._line = info.get("return_value") if event == "connection.connect_tcp.complete" else self._line
            self._on_in_flight(event not in CONNECTING)

    def record_refusal(self, error: ImageError, status: int) -> None:
        """Record an error answer; mark the error's outcome as unknown if the vendor may have done the work."""
        self._answered = refusal_outcome(status, from_vendor=error.from_vendor)
        if self._answered is RefusalOutcome.UNKNOWN:
            error.facts["outcome"] = "unknown"
            error.hint = (
                MAY_BE_BILLED if error.from_vendor else f"A gateway answered in place of the vendor. {MAY_BE_BILLED}"
            )

    def should_retry(self, error: BaseException) -> bool:
        """Whether to try once more. During the pause before that, the request can be cancelled for free."""
        if not isinstance(error, ImageError) or not error.retryable or not self._may_repeat(error):
            return False
        if error.outcome_unknown:
            self.unknown_error, self._repeated = error, True
        self._on_in_flight(False)
        return True

    def _may_repeat(self, error: ImageError) -> bool:
        """Whether the attempt certainly cost nothing, or the operator allowed a second bill with `retry_timeouts`."""
        if error.outcome_unknown:
            cut_off = error.reason in (Reason.TIMEOUT, Reason.NETWORK_ERROR)
            return cut_off and self._retry_timeouts and not self._repeated
        return self._answered in (None, RefusalOutcome.NOT_DONE)


def is_temporary(error: BaseException) -> bool:
    """Whether an exchange that costs nothing is retried after this error."""
    return isinstance(error, ImageError) and error.retryable


def retry_policy(should_retry: Callable[[BaseException], bool], left: float, on_progress: Progress) -> AsyncRetrying:
    """Retry what `should_retry` allows, at most MAX_ATTEMPTS times, and never wait beyond the `left` seconds."""

    async def report(state: RetryCallState) -> None:
        pause = f" in {state.upcoming_sleep:.0f} s" if state.upcoming_sleep >= 1 else ""
        why = "The vendor asked to wait" if _requested_wait(state) is not None else "The request failed"
        await on_progress(f"{why}; trying again{pause}.")

    return AsyncRetrying(
        before_sleep=report,
        retry=retry_if_exception(should_retry),
        wait=_hinted_wait,
        stop=stop_any(stop_after_attempt(MAX_ATTEMPTS), stop_before_delay(max(0.0, left)), _WaitTooLong()),
        reraise=True,
    )


def _requested_wait(state: RetryCallState) -> float | None:
    """Return the seconds of pause that the vendor requested."""
    error = state.outcome.exception() if state.outcome else None
    return error.retry_after if isinstance(error, ImageError) else None


def _hinted_wait(state: RetryCallState) -> float:
    """Return the seconds before the next attempt: the vendor's, else full jitter over 0.5 s doubling to 8 s."""
    if (wait := _requested_wait(state)) is not None:
        return wait + random.uniform(0, 0.25)  # noqa: S311
    return random.uniform(0, min(8.0, 0.5 * 2 ** (state.attempt_number - 1)))  # noqa: S311


class _WaitTooLong(stop_base):
    """Stop if the vendor asks for a longer wait than MAX_RETRY_WAIT."""

    def __call__(self, state: RetryCallState) -> bool:
        return (_requested_wait(state) or 0.0) > MAX_RETRY_WAIT


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds in `retry-after-ms`, or in `Retry-After` as seconds or an HTTP date; None without either."""
    ms, value = headers.get("retry-after-ms", ""), headers.get("retry-after", "").strip()
    for text, unit in ((ms, 1000.0), (value, 1.0)):
        try:
            seconds = float(text) / unit
        except ValueError:
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
