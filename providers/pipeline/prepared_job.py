"""A job that may be sent: its priced request, its vendor calls, and the caller that pays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import anyio

from atelier.providers.pipeline.admit import PricedRequest
from atelier.providers.pipeline.vendor_call import VendorCall
from atelier.providers.transport.wire import httpx


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedJob:
    """Vendor calls and their requests, in one order. A call without a request was sent before and is collected.

    Cancelling `stop` cancels the calls that no vendor can have yet, and their retries; the others are finished, unless
    `cancel_requested` is set and the vendor can cancel a task.
    """

    priced: PricedRequest
    vendor_calls: Sequence[VendorCall]
    requests: Sequence[httpx.Request | None]
    key: str | None
    caller: str
    stop: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    cancel_requested: anyio.Event = field(default_factory=anyio.Event)

    def cancel(self) -> None:
        """Cancel the job at its caller's request."""
        self.stop.cancel()
        self.cancel_requested.set()

    @property
    def in_flight(self) -> bool:
        """Whether a vendor may have a request of the job."""
        return any(vendor_call.in_flight for vendor_call in self.vendor_calls)

    @property
    def collectable(self) -> bool:
        """Whether the vendor may return more images."""
        return any(vendor_call.collectable for vendor_call in self.vendor_calls)

    @property
    def spent_usd(self) -> Decimal | None:
        """The cost of all calls, with those that failed and were billed; None where one is not known."""
        spent = [vendor_call.spent for vendor_call in self.vendor_calls]
        return None if None in spent else sum((each for each in spent if each is not None), Decimal(0))

    @property
    def progress(self) -> str:
        """How many of the images are stored, in words."""
        done = [call for call in self.vendor_calls if call.state == "closed" and call.spent != 0]
        ready = sum(call.job.request.count for call in done)
        return f"{ready} of {self.priced.job.request.count} images are stored."
