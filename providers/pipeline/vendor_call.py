"""One vendor call in the books, from its reservation to its bill.

    reserved   before anything is sent
    sent       just before it is sent: from here on the vendor may bill it
    settled    the vendor delivered and the pictures are stored, or it refused and said what that cost
    released   it was never sent, or called off in time, or the vendor refuses for free
    unknown    it was sent and nobody knows what came of it: the reservation stays

That is the ledger's state. `VendorCall.state` is where the call itself stands: reserved, sent, billed (the answer
is here, its pictures are not stored yet), closed. A journal that cannot be written any more must not cost the picture:
that is logged, and written by `catch_up` later.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any, Literal

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import Usage
from atelier.providers.pipeline.job_store import JobStore
from atelier.providers.pricing.budget import Caps
from atelier.providers.vendors.contract import Job, Reply

log = logging.getLogger("atelier")

Bill = Callable[[Job, Reply], Decimal | None]
"""What a call costs by what the vendor returned, in USD."""


class VendorCall:
    """One vendor call. Amounts are USD, None where not known: `estimated` before it was sent, `spent` as it was billed.

    `was_sent` is True while the vendor may have the request, so that it is seen through to the end: not while a
    connection is made, nor in the pause after a free refusal. `possibly_billed_twice` counts tries that timed out and
    were sent again. A `resumed` call was sent by a process that died: no failure to collect it shows that it was free.
    `has` are the digests of its images that are stored. Of a `collectable` call the vendor may have more images.
    """

    def __init__(self, id: str, journal: JobStore, job: Job, bill: Bill, estimated: Decimal | None, caps: Caps) -> None:
        self.id = id
        self.job = job
        self.estimated = estimated
        self.spent: Decimal | None = Decimal(0)
        self.state: Literal["reserved", "sent", "billed", "closed"] = "reserved"
        self.was_sent = False
        self.possibly_billed_twice = 0
        self.resumed = False
        self.collectable = False
        self.has: Sequence[str] = ()
        self._journal = journal
        self._caps = caps
        self._bill = bill
        self._has_name = False
        self._owed: list[Callable[[], Awaitable[None]]] = []

    def was_left(self, has: Sequence[str]) -> None:
        """It was sent by a process that died, which stored pictures of these digests."""
        self.state, self.was_sent, self.resumed, self.has = "sent", True, True, has

    async def sent(self) -> None:
        """To be called just before the request leaves. Raises storage_failed, and then it must not leave."""
        await self._journal.mark_sent(self.id)
        self.state = "sent"

    async def save_vendor_task(self, task: Mapping[str, Any]) -> None:
        """The vendor's own name for the work, by which it can be collected after a restart."""
        self._has_name = True
        await self._written(partial(self._journal.save_vendor_task, self.id, task))

    async def doubt(self) -> None:
        """It timed out and is about to be sent again: the first time may be billed as well.

        Raises storage_failed, or budget_exceeded when there is not enough for both; then it must not be sent.
        """
        if short := await self._journal.reserve_retry(self.id, self._caps):
            message = f"A second try would break the cap of this {short.period}."
            raise ImageError(Reason.BUDGET_EXCEEDED, message, hint="Raise the cap, or wait.")
        self.possibly_billed_twice += 1

    def billed(self, reply: Reply) -> Reply:
        """The vendor delivered: the reply with its cost."""
        self.spent, self.state = self._bill(self.job, reply), "billed"
        self.collectable = reply.collectable and (self._has_name or self.resumed)
        return replace(reply, cost_usd=self.spent)

    async def image_stored(self, image: str) -> None:
        """One of its pictures is stored."""
        await self._written(partial(self._journal.add_asset, self.job.id, self.id, image))

    async def settled(self) -> None:
        """Its pictures are safe: the bill goes into the books."""
        self.state = "closed"
        await self._written(partial(self._journal.settle_call, self.id, self.spent))

    async def failed(self, error: BaseException) -> None:
        """The call came to nothing, by refusal, by failure or because the caller went away."""
        if self.state == "closed":
            return
        known, ours = self._has_name or self.resumed, isinstance(error, Exception) and not isinstance(error, ImageError)
        self.collectable = known and (ours or (isinstance(error, ImageError) and error.collectable))
        cost = self.spent if self.state == "billed" else self._stated(error)
        free = isinstance(error, ImageError) and not error.outcome_unknown and not self.resumed
        called_off = not isinstance(error, ImageError) and not self.was_sent
        if cost is not None:
            self.spent = cost
            if isinstance(error, ImageError) and cost:
                error.facts["billed_usd"] = cost
            await self.settled()
        elif self.state == "reserved" or (self.state == "sent" and (free or called_off)):
            self.state = "closed"
            self.spent = None if self.possibly_billed_twice else self.spent
            await self._written(partial(self._journal.release_call, self.id))
        else:
            self.state, self.spent = "closed", None
            await self._written(partial(self._journal.mark_call_unknown, self.id))

    def _stated(self, error: BaseException) -> Decimal | None:
        """What a failure cost, where the vendor says so, in USD or in tokens."""
        facts = error.facts if isinstance(error, ImageError) else {}
        if isinstance(usage := facts.get("usage"), Usage):
            return self._bill(self.job, Reply(pictures=(), usage=usage))
        cost = facts.get("cost_usd")
        return None if cost is None else Decimal(cost)

    async def catch_up(self) -> None:
        """Write what could not be written when it happened. Raises storage_failed when it still cannot be."""
        while self._owed:
            await self._owed[0]()
            self._owed.pop(0)

    async def _written(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except ImageError as error:
            self._owed.append(work)
            log.error("journal not written", extra={"facts": {"charge": self.id, "why": error.message}})
