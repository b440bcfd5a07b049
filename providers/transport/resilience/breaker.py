"""A vendor that is down is left alone for a while, instead of every caller waiting for it in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from atelier.providers.core.errors import ImageError, Reason

MAX_FAILURES = 5  # provider_unavailable in a row, each after its own retries, until the breaker opens
OPEN_SECONDS = 30.0  # seconds that it stays open; then one call tries
TRIAL_RETRY_AFTER = 10.0  # seconds after which to ask again while one does

IGNORED_REASONS = (Reason.NETWORK_ERROR, Reason.TIMEOUT, Reason.STORAGE_FAILED, Reason.INTERNAL)
"""What tells nothing of the vendor: it was not reached, did not answer in time, or the trouble is our own."""


class Breaker:
    """Of one vendor: closed while it answers, open after `MAX_FAILURES` in a row, half open while one call tries.

    `clock` counts seconds and never goes back.
    """

    def __init__(self, title: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._title = title
        self._clock = clock
        self._failures = 0
        self._shut_until = 0.0
        self._trial: object | None = None

    @contextmanager
    def call(self) -> Generator[None]:
        """Within the block a call goes on, and how it ends is noted.

        Raises provider_unavailable while the breaker is open. When that is over, one call tries for all, and the others
        are refused until it has ended, however long it takes.
        """
        mine = self._let_in()
        try:
            yield
        except BaseException as error:
            self._note(error)
            raise
        else:
            self._note(None)
        finally:
            if self._trial is mine:
                self._trial = None

    def _let_in(self) -> object:
        mine = object()
        if self._failures < MAX_FAILURES:
            return mine
        left = self._shut_until - self._clock()
        if left <= 0 and self._trial is None:
            self._trial = mine
            return mine
        why = f"it is not asked for the next {left:.0f} s" if left > 0 else "one call tries whether it is back"
        raise ImageError(
            Reason.PROVIDER_UNAVAILABLE,
            f"{self._title} failed {self._failures} times in a row, so {why}; nothing was sent.",
            hint="Try again then, or use another vendor.",
            retry_after=left if left > 0 else TRIAL_RETRY_AFTER,
        )

    def _note(self, error: BaseException | None) -> None:
        """How a call ended: only provider_unavailable counts, and any other answer shows that the vendor is there."""
        if isinstance(error, ImageError) and error.reason is Reason.PROVIDER_UNAVAILABLE:
            self._failures += 1
            self._shut_until = self._clock() + OPEN_SECONDS
        elif error is None or (isinstance(error, ImageError) and error.reason not in IGNORED_REASONS):
            self._failures, self._trial = 0, None
