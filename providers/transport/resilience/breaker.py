"""The circuit breaker: calls to a vendor that is down fail at once for a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from atelier.providers.core.errors import ImageError, Reason

MAX_FAILURES = 5  # provider_unavailable in a row, each after its own retries, until the breaker opens
OPEN_SECONDS = 30.0  # then one trial call is allowed
TRIAL_RETRY_AFTER = 10.0  # seconds; sent to callers that are refused during the trial call

IGNORED_REASONS = (Reason.NETWORK_ERROR, Reason.TIMEOUT, Reason.STORAGE_FAILED, Reason.INTERNAL)
"""Errors that do not show the vendor's state: it was not reached, did not answer in time, or the fault is Atelier's."""


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
