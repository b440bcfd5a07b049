"""From a priced request to a job that may be sent: budget, consent to the price, vendor calls and reservations.

Nothing is written here; JobStore writes the reservations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial

import anyio

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.tracing import new_id
from atelier.providers.pipeline.admit import PricedRequest
from atelier.providers.pipeline.job_store import JobStore
from atelier.providers.pipeline.quotes import over_budget_error, unpriced_error
from atelier.providers.pipeline.vendor_call import VendorCall
from atelier.providers.pricing.budget import Budget, BudgetLeft, CapExceeded, Caps, Confirm, Reservation
from atelier.providers.pricing.estimate import Estimate, actual, estimate
from atelier.providers.pricing.price_parts import total, usd
from atelier.providers.transport.wire import httpx
from atelier.providers.vendors.contract import Job


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
        return total(vendor_call.spent for vendor_call in self.vendor_calls)

    @property
    def progress(self) -> str:
        """How many of the images are stored, in words."""
        done = [call for call in self.vendor_calls if call.state == "closed" and call.spent != 0]
        ready = sum(call.job.request.count for call in done)
        return f"{ready} of {self.priced.job.request.count} images are stored."


async def check_budget(catalog: Catalog, budget: Budget, store: JobStore, priced: PricedRequest, caller: str) -> None:
    """Raise budget_exceeded if the price exceeds a cap, or if it is unknown and there is a cap.

    The reservation checks the caps of day and month; here they are checked only before `confirm_price` asks a person.
    """
    price, caps = priced.estimate, budget.caps
    if price is None:
        if caps and not budget.allow_unpriced:
            raise unpriced_error(priced)
        return
    if caps.per_call is not None and price.high_usd > caps.per_call:
        cap = f"the {usd(caps.per_call)} that one call may cost (ATELIER_BUDGET_PER_CALL)"
        raise over_budget_error(catalog, priced, cap, caps.per_call)
    if not _needs_consent(budget, price.high_usd) or caps.per_day is caps.per_month is None:
        return
    left = await store.budget_left(caller, caps)
    if caps.per_day is not None and left.day is not None and price.high_usd > left.day:
        raise cap_exceeded(catalog, priced, CapExceeded(period="day", cap=caps.per_day, left=left.day))
    if caps.per_month is not None and left.month is not None and price.high_usd > left.month:
        raise cap_exceeded(catalog, priced, CapExceeded(period="month", cap=caps.per_month, left=left.month))


async def check_total(
    budget: Budget,
    store: JobStore,
    requests: Sequence[PricedRequest],
    caller: str,
    confirm: Confirm | None,
    noun: str = "models",
) -> None:
    """Check the caps against the sum of several requests, and ask for consent to it once.

    `noun` is the plural of what the requests are, for the messages.

    Raises budget_exceeded. Each request reserves its own part afterwards.
    """
    caps, prices = budget.caps, [priced.estimate for priced in requests]
    if caps and not budget.allow_unpriced and (unpriced := [each for each in requests if each.estimate is None]):
        raise unpriced_error(unpriced[0])
    price = sum((price.high_usd for price in prices if price), Decimal(0))
    left = await store.budget_left(caller, caps) if price and caps else BudgetLeft()
    rooms = (
        (caps.per_call, "one call may cost (ATELIER_BUDGET_PER_CALL)"),
        (left.day, "is left today (ATELIER_BUDGET_PER_DAY, UTC)"),
        (left.month, "is left this month (ATELIER_BUDGET_PER_MONTH, UTC)"),
    )
    what = f"{len(requests)} {noun} together may cost {usd(price)}"
    for room, words in rooms:
        if room is not None and price > room:
            message = f"{what}, which is more than the {usd(room)} that {words}; nothing was sent."
            raise ImageError(Reason.BUDGET_EXCEEDED, message, hint=f"Take fewer {noun}, or a cheaper model.")
    known = all(price is not None for price in prices)
    if _needs_consent(budget, price if known else None):
        await _ask(budget.confirm_above, what if known else f"{what} and more: a price is not known", confirm)


async def confirm_price(budget: Budget, priced: PricedRequest, confirm: Confirm | None) -> None:
    """Ask for consent to a price above `Budget.confirm_above`. Raises budget_exceeded without it."""
    price, count = priced.estimate, priced.job.request.count
    if _needs_consent(budget, price and price.high_usd):
        what = f"{count} image{'' if count == 1 else 's'} by {priced.choice.provider.name}/{priced.job.model.id}"
        cost = f"{what} may cost {usd(price.high_usd)}" if price else f"{what}: the price is not known"
        await _ask(budget.confirm_above, cost, confirm)


def _needs_consent(budget: Budget, price: Decimal | None) -> bool:
    """Return whether the price is above the limit, or not known where there is one."""
    return budget.confirm_above is not None and (price is None or price > budget.confirm_above)


async def _ask(limit: Decimal | None, cost: str, confirm: Confirm | None) -> None:
    """Ask for consent to a cost above the limit. Raises budget_exceeded without it."""
    assert limit is not None, "there is a limit to be above"
    if confirm is None:
        raise ImageError(
            Reason.BUDGET_EXCEEDED,
            f"{cost}, and the user must confirm costs above {usd(limit)}; nothing was sent.",
            hint="Ask the user; when they agree, call again with confirm_cost=true.",
        )
    if not await confirm(f"{cost}. Go ahead?"):
        hint = "Offer something cheaper: estimate_cost with compare=true prices every model."
        raise ImageError(Reason.BUDGET_EXCEEDED, f"{cost}, and the user declined; nothing was sent.", hint=hint)


def vendor_calls_for(catalog: Catalog, store: JobStore, priced: PricedRequest, caps: Caps) -> list[VendorCall]:
    """Return the vendor calls of a job. Those of a free job are not recorded."""
    recorded_in = JobStore() if priced.is_free else store  # the class itself stores nothing
    return [vendor_call_for(catalog, recorded_in, priced, new_id("chg"), job, caps) for job in priced.calls]


def vendor_call_for(
    catalog: Catalog, store: JobStore, priced: PricedRequest, id: str, job: Job, caps: Caps
) -> VendorCall:
    """Return a vendor call with its estimate and the function that bills it."""
    price = price_of_call(catalog, priced, job)
    bill = partial(actual, catalog.prices, priced.choice.provider.name)
    return VendorCall(id, store, job, bill, price.total_usd if price else None, caps)


def price_of_call(catalog: Catalog, priced: PricedRequest, job: Job) -> Estimate | None:
    """Return the estimate of one vendor call of a request, or its share of the price that the vendor stated."""
    if job is priced.job or priced.estimate is None:
        return priced.estimate
    return estimate(catalog.prices, priced.choice.provider.name, job) or priced.estimate.share(job.request.count)


def reservations_for(
    catalog: Catalog, priced: PricedRequest, vendor_calls: Sequence[VendorCall], caller: str
) -> list[Reservation]:
    """Return the highest cost of each call; nothing for a free job."""
    if priced.is_free:
        return []
    provider = priced.choice.provider.name
    prices = [price_of_call(catalog, priced, vendor_call.job) for vendor_call in vendor_calls]
    return [
        Reservation(
            id=vendor_call.id,
            job=vendor_call.job.id,
            caller=caller,
            provider=provider,
            model=vendor_call.job.model.id,
            operation=vendor_call.job.request.operation.value,
            pictures=vendor_call.job.request.count,
            usd=price.high_usd if price else None,
        )
        for vendor_call, price in zip(vendor_calls, prices, strict=True)
    ]


def cap_exceeded(catalog: Catalog, priced: PricedRequest, short: CapExceeded) -> ImageError:
    """Return the error for a request that would exceed the cap of the day or the month."""
    cap = f"the {usd(short.cap)} of this {short.period} (ATELIER_BUDGET_PER_{short.period.upper()}, UTC)"
    return over_budget_error(catalog, priced, cap, short.left)
