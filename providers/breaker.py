"""A vendor that is down is left alone for a while, instead of every caller waiting for it in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from atelier.providers.core.errors import ImageError, Reason

FAILURES = 5  # provider_unavailable in a row, each after its own retries, until the breaker opens
PAUSE = 30.0  # seconds that it stays open; then one call tries


class Breaker:
    """Of one vendor: closed while it answers, open after `FAILURES` in a row, half open while one call tries.

    `clock` counts seconds and never goes back.
    """

    def __init__(self, title: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._title = title
        self._clock = clock
        self._failures = 0
        self._shut_until = 0.0

    def check(self) -> None:
        """Raise provider_unavailable while the breaker is open. Who passes when it has been, tries for all."""
        if self._failures < FAILURES:
            return
        left = self._shut_until - self._clock()
        if left > 0:
            raise ImageError(
                Reason.PROVIDER_UNAVAILABLE,
                f"{self._title} failed {self._failures} times in a row, so it is not asked for the next {left:.0f} s; "
                "nothing was sent.",
                hint="Try again then, or use another vendor.",
                retry_after=left,
            )
        self._shut_until = self._clock() + PAUSE

    @contextmanager
    def watched(self) -> Generator[None]:
        """Note how the call within the block ends."""
        try:
            yield
        except BaseException as error:
            self.note(error)
            raise
        self.note(None)

    def note(self, error: BaseException | None) -> None:
        """How a call ended: only provider_unavailable counts, any other answer shows that the vendor is there."""
        if not isinstance(error, ImageError) or error.reason is not Reason.PROVIDER_UNAVAILABLE:
            self._failures = 0 if error is None or isinstance(error, ImageError) else self._failures
            return
        self._failures += 1
        self._shut_until = self._clock() + PAUSE
