"""A request that may be sent: who does it, the calls that it takes, and in whose name."""

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
    """Calls and their requests, in one order. A call without a request was sent before and is collected.

    Cancelling `stop` keeps from being sent, or sent again, what
    no vendor can have yet; the rest goes on.
    """

    priced: PricedRequest
    vendor_calls: Sequence[VendorCall]
    requests: Sequence[httpx.Request | None]
    key: str | None
    caller: str
    stop: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    @property
    def was_sent(self) -> bool:
        """Whether a vendor may have any of it."""
        return any(vendor_call.was_sent for vendor_call in self.vendor_calls)

    @property
    def collectable(self) -> bool:
        """Whether the vendor may still have some of it."""
        return any(vendor_call.collectable for vendor_call in self.vendor_calls)

    @property
    def spent_usd(self) -> Decimal | None:
        """What the calls cost together, those that failed and were billed included; None where one is not known."""
        spent = [vendor_call.spent for vendor_call in self.vendor_calls]
        return None if None in spent else sum((each for each in spent if each is not None), Decimal(0))
