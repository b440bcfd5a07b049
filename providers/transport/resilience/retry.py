"""Retry rules: which failures are retried, and how long to wait.

No vendor offers an idempotency key (facts of 2026-11-20), so a paid request is retried only if the vendor certainly did
not do the work. A 5xx of a gateway or CDN does not show that: the vendor behind it may have finished, and bill.

    answer to a paid request       with the vendor's own error   with any other body, or none
    408, 499, 504, 520 to 527      outcome unknown               outcome unknown
    429                            retried                       retried
    500, 502, 503                  retried                       outcome unknown
    any other 5xx                  refused                       outcome unknown
    any other 4xx                  refused                       refused
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from enum import Enum
from http import HTTPStatus

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_any,
    stop_before_delay,
)
from tenacity.stop import stop_base

from atelier.providers.core.errors import ImageError
from atelier.providers.core.types import Progress

MAX_ATTEMPTS = 4  # the first attempt and three retries
MAX_RETRY_WAIT = 60.0  # seconds; if the vendor asks for more, the error goes to the caller


class RefusalOutcome(Enum):
    """What a refusal means for a paid request."""

    NOT_DONE = "not done"  # not done and not billed; the same request may be retried
    REFUSED = "refused"  # not done and not billed; the same request would be refused again
    UNKNOWN = "unknown"  # perhaps done and billed


OUTCOME_UNKNOWN_STATUSES = frozenset({408, 499, 504, *range(520, 528)})
"""Statuses of a gateway that stopped waiting, while the vendor may continue."""

TEMPORARY_STATUSES = frozenset({500, 502, 503})
"""Statuses of a vendor that is temporarily unable to do the work."""


TASK_MISSING_STATUSES = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.UNPROCESSABLE_ENTITY)
"""Poll statuses that may mean that the vendor has no such task. Other errors concern the key, a gateway or a temporary
failure, so the paid task may still be collected."""


def refusal_outcome(status: int, *, from_vendor: bool) -> RefusalOutcome:
    """Return what an error status means; `from_vendor` if the body is the vendor's own error."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RefusalOutcome.NOT_DONE
    if status in OUTCOME_UNKNOWN_STATUSES or (status >= HTTPStatus.INTERNAL_SERVER_ERROR and not from_vendor):
        return RefusalOutcome.UNKNOWN
    return RefusalOutcome.NOT_DONE if status in TEMPORARY_STATUSES else RefusalOutcome.REFUSED


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
