"""A paid request, try by try: until when it can be called off, and what a try leaves open.

The vendor surely does not have it before the first try, while a connection is made, and in the pause after a try that
cost nothing. At any other time it may.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from atelier.providers.core.errors import BILLED, ImageError, Reason
from atelier.providers.transport.resilience.retry import Aftermath, aftermath

CONNECTING = ("connection.connect_tcp.started", "connection.start_tls.started")
"""What httpcore tells as it begins to make a connection; one from its pool it does not make, and tells nothing."""


class PaidRequest:
    """One request. `held` hears True when the vendor may have it from now on, and False while it surely has not.

    With `retry_timeouts` it is made once more after a timeout or a dropped connection, though the first may have been
    billed as well: `doubt` hears of it before. Until then it is `in_doubt`, and in this it ends if it is not made once
    more after all.
    """

    def __init__(
        self,
        held: Callable[[bool], None] | None,
        doubt: Callable[[], Awaitable[None]] | None,
        *,
        retry_timeouts: bool,
    ) -> None:
        self._held = held
        self._doubt = doubt
        self._retry_timeouts = retry_timeouts
        self.in_doubt: ImageError | None = None
        self._answered: Aftermath | None = None
        self._doubted = False
        self._line: Any = None

    async def begin(self) -> None:
        """A try begins, unless nobody wants it any more."""
        await checkpoint_if_cancelled()
        if self.in_doubt and self._doubt:
            await self._doubt()
        self.in_doubt = self._answered = None
        self._hold(True)

    async def trace(self, event: str, info: dict[str, Any]) -> None:
        """What httpcore tells on the way; an event that is not known means that the vendor may have it."""
        if event == "connection.start_tls.failed":
            with anyio.CancelScope(shield=True):
                await self._line.aclose()  # httpcore does not, when it is called off
        elif not event.endswith(".failed"):
            self._line = info.get("return_value") if event == "connection.connect_tcp.complete" else self._line
            self._hold(event not in CONNECTING)

    def refused(self, error: ImageError, status: int) -> None:
        """The try was answered with an error; note what that leaves behind."""
        self._answered = aftermath(status, from_vendor=error.from_vendor)
        if self._answered is Aftermath.UNKNOWN:
            error.facts["outcome"] = "unknown"
            error.hint = BILLED if error.from_vendor else f"A gateway answered in place of the vendor. {BILLED}"

    def again(self, error: BaseException) -> bool:
        """Whether to try once more, after a pause in which it can be called off."""
        if not isinstance(error, ImageError) or not error.retryable or not self._may_repeat(error):
            return False
        if error.outcome_unknown:
            self.in_doubt, self._doubted = error, True
        self._hold(False)
        return True

    def _hold(self, up: bool) -> None:
        if self._held:
            self._held(up)

    def _may_repeat(self, error: ImageError) -> bool:
        """Whether the try was surely not done, or may be billed twice by the operator's wish."""
        if error.outcome_unknown:
            cut_off = error.reason in (Reason.TIMEOUT, Reason.NETWORK_ERROR)
            return cut_off and self._retry_timeouts and not self._doubted
        return self._answered in (None, Aftermath.NOT_DONE)
