"""Track a paid request over its attempts: whether it can still be cancelled for free, and whether it may be retried.

The vendor cannot have the request before the first attempt, while a connection is made, and in the pause after an
attempt that cost nothing. At any other time it may.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from atelier.providers.core.errors import MAY_BE_BILLED, ImageError, Reason
from atelier.providers.transport.resilience.retry import RefusalOutcome, refusal_outcome

CONNECTING = ("connection.connect_tcp.started", "connection.start_tls.started")
"""Trace events of httpcore at the start of a new connection. A pooled connection has none of them."""


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
