"""When to try again, and how long to wait before: the rules as a table, and the vendor's own wish.

No vendor offers an idempotency key (facts of 2026-11-20), so that a paid request is sent again only when the vendor
surely did not do the work. A 5xx of a gateway or CDN shows nothing of that: the vendor behind it may have finished, and
bills what it finished.

    answer to a paid request       with the vendor's own error   with any other body, or none
    408, 499, 504, 520 to 527      outcome unknown               outcome unknown
    429                            sent again                    sent again
    500, 502, 503                  sent again                    outcome unknown
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

MAX_ATTEMPTS = 4  # the first try and three more
MAX_RETRY_WAIT = 60.0  # seconds; a vendor that asks for more is told to the caller instead


class RefusalOutcome(Enum):
    """What a refused paid request leaves behind."""

    NOT_DONE = "not done"  # it was not done and cost nothing; the same request may be sent again
    REFUSED = "refused"  # it was not done and cost nothing; the same request would be refused again
    UNKNOWN = "unknown"  # it may have been done, and billed


OUTCOME_UNKNOWN_STATUSES = frozenset({408, 499, 504, *range(520, 528)})
"""Statuses with which whoever waited gave up, though the vendor may go on with the work."""

TEMPORARY_STATUSES = frozenset({500, 502, 503})
"""Statuses with which a vendor says that it could not do the work just now."""


def refusal_outcome(status: int, *, from_vendor: bool) -> RefusalOutcome:
    """What an answer with this status leaves behind; `from_vendor` where its body is the vendor's own error."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RefusalOutcome.NOT_DONE
    if status in OUTCOME_UNKNOWN_STATUSES or (status >= HTTPStatus.INTERNAL_SERVER_ERROR and not from_vendor):
        return RefusalOutcome.UNKNOWN
    return RefusalOutcome.NOT_DONE if status in TEMPORARY_STATUSES else RefusalOutcome.REFUSED


def retry_policy(again: Callable[[BaseException], bool], left: float, on_progress: Progress) -> AsyncRetrying:
    """Try what `again` allows, at most four times, and never wait beyond the `left` seconds of the deadline."""

    async def told(state: RetryCallState) -> None:
        pause = f" in {state.upcoming_sleep:.0f} s" if state.upcoming_sleep >= 1 else ""
        why = "The vendor asks for patience" if _requested_wait(state) is not None else "That did not work"
        await on_progress(f"{why}; trying again{pause}.")

    return AsyncRetrying(
        before_sleep=told,
        retry=retry_if_exception(again),
        wait=_hinted_wait,
        stop=stop_any(stop_after_attempt(MAX_ATTEMPTS), stop_before_delay(max(0.0, left)), _WaitTooLong()),
        reraise=True,
    )


def _requested_wait(state: RetryCallState) -> float | None:
    """Seconds that the vendor asked to wait."""
    error = state.outcome.exception() if state.outcome else None
    return error.retry_after if isinstance(error, ImageError) else None


def _hinted_wait(state: RetryCallState) -> float:
    """Seconds before the next try: what the vendor asked for, else full jitter over 0.5 s doubling to 8 s."""
    if (asked := _requested_wait(state)) is not None:
        return asked + random.uniform(0, 0.25)  # noqa: S311
    return random.uniform(0, min(8.0, 0.5 * 2 ** (state.attempt_number - 1)))  # noqa: S311


class _WaitTooLong(stop_base):
    """The vendor wants a longer pause than a caller would sit through."""

    def __call__(self, state: RetryCallState) -> bool:
        return (_requested_wait(state) or 0.0) > MAX_RETRY_WAIT


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the vendor asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as an HTTP date."""
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
