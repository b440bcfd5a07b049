"""The money of one vendor call, from its reservation to its bill.

    reserved   before anything is sent
    sent       just before the vendor has it: from here on it may bill
    settled    the vendor delivered, or refused and said what that cost
    released   it was never sent, or the vendor refuses for free
    unknown    it was sent and nobody knows what came of it: the reservation stays

A ledger that cannot be written any more must not cost the picture: that is logged, and the reservation stays.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Literal

from atelier.providers.budget import Ledger
from atelier.providers.core.errors import ImageError
from atelier.providers.core.provider import Job, Reply
from atelier.providers.core.types import Usage

log = logging.getLogger("atelier")

Bill = Callable[[Job, Reply], Decimal | None]
"""What a call costs by what the vendor returned, in USD."""


class Account:
    """One call. In USD, None where not known: `estimated` before it was made, `spent` as it was billed."""

    def __init__(self, id: str, ledger: Ledger, job: Job, bill: Bill, estimated: Decimal | None) -> None:
        self._id = id
        self._ledger = ledger
        self.job = job
        self._bill = bill
        self._state: Literal["reserved", "sent", "closed"] = "reserved"
        self.estimated = estimated
        self.spent: Decimal | None = Decimal(0)

    async def sent(self) -> None:
        """To be called just before the request leaves. Raises storage_failed, and then it must not leave."""
        await self._ledger.sent(self._id)
        self._state = "sent"

    async def delivered(self, reply: Reply) -> Reply:
        """The vendor delivered: the reply with its cost."""
        self.spent = self._bill(self.job, reply)
        await self._close(self._ledger.settle(self._id, self.spent))
        return replace(reply, cost_usd=self.spent)

    async def failed(self, error: BaseException) -> None:
        """The call came to nothing, by refusal, by failure or because the caller went away."""
        if self._state == "closed":
            return
        cost = self._stated(error)
        free = isinstance(error, ImageError) and not error.outcome_unknown
        if cost is not None:
            self.spent = cost
            await self._close(self._ledger.settle(self._id, cost))
        elif self._state == "reserved" or free:
            await self._close(self._ledger.release(self._id))
        else:
            self.spent = None
            await self._close(self._ledger.keep(self._id))

    def _stated(self, error: BaseException) -> Decimal | None:
        """What a failure cost, where the vendor says so, in USD or in tokens."""
        facts = error.facts if isinstance(error, ImageError) else {}
        if isinstance(usage := facts.get("usage"), Usage):
            return self._bill(self.job, Reply(pictures=(), usage=usage))
        cost = facts.get("cost_usd")
        return None if cost is None else Decimal(cost)

    async def _close(self, written: Awaitable[None]) -> None:
        self._state = "closed"
        try:
            await written
        except ImageError as error:
            log.error("ledger not written", extra={"facts": {"charge": self._id, "why": error.message}})
