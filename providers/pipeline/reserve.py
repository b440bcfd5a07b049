"""The money step: what a request may cost is held against the caps, asked about, and reserved; all before sending."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from decimal import Decimal
from functools import partial

from atelier.providers.pipeline.vendor_call import Account
from atelier.providers.pipeline.admit import Admitted
from atelier.providers.pricing.budget import Budget, Caps, Charge, Confirm, Shortage
from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.ids import new_id
from atelier.providers.vendors.contract import Job
from atelier.providers.pipeline.job_store import Journal, NoJournal
from atelier.providers.pricing.estimate import actual, estimate
from atelier.providers.pipeline.quotes import over_budget, unpriced, usd

log = logging.getLogger("atelier")

SURPRISE = Decimal("0.2")
"""A bill that differs from its estimate by more than this share is told."""


async def affordable(catalog: Catalog, budget: Budget, journal: Journal, admitted: Admitted, caller: str) -> None:
    """Refuse what costs more than may be spent, or has no price under any cap, before anyone is asked about it.

    Caps of a day and a month are held for good when the price is reserved; until then others may spend.
    """
    price, caps = admitted.estimate, budget.caps
    if price is None:
        if caps and not budget.allow_unpriced:
            raise unpriced(admitted)
        return
    if caps.per_call is not None and price.high_usd > caps.per_call:
        cap = f"the {usd(caps.per_call)} that one call may cost (ATELIER_BUDGET_PER_CALL)"
        raise over_budget(catalog, admitted, cap, caps.per_call)
    if price.high_usd == 0 or caps.per_day is caps.per_month is None:
        return
    left = await journal.left(caller, caps)
    if caps.per_day is not None and left.day is not None and price.high_usd > left.day:
        raise refused(catalog, admitted, Shortage(period="day", cap=caps.per_day, left=left.day))
    if caps.per_month is not None and left.month is not None and price.high_usd > left.month:
        raise refused(catalog, admitted, Shortage(period="month", cap=caps.per_month, left=left.month))


async def agreed(budget: Budget, admitted: Admitted, confirm: Confirm | None) -> None:
    """Ask the person who pays, where it costs enough to be asked about. Raises budget_exceeded without a yes."""
    limit, price = budget.confirm_above, admitted.estimate
    if limit is None or (price is not None and price.high_usd <= limit):
        return
    pictures, model = admitted.job.request.count, f"{admitted.choice.provider.name}/{admitted.job.model.id}"
    what = f"{pictures} picture{'' if pictures == 1 else 's'} by {model}"
    cost = f"{what}: the price is not known" if price is None else f"{what} may cost {usd(price.high_usd)}"
    if confirm is None:
        raise ImageError(
            Reason.BUDGET_EXCEEDED,
            f"{cost}, and the user is to be asked about more than {usd(limit)}; nothing was sent.",
            hint="Ask the user; when they agree, call again with confirm_cost=true.",
        )
    if not await confirm(f"{cost}. Go ahead?"):
        hint = "Offer something cheaper: estimate_cost with compare=true prices every model."
        raise ImageError(Reason.BUDGET_EXCEEDED, f"{cost}, and the user declined; nothing was sent.", hint=hint)


def accounts_of(catalog: Catalog, journal: Journal, admitted: Admitted, caps: Caps) -> list[Account]:
    """An account for each vendor call; without books for what is free."""
    books = NoJournal() if admitted.is_free else journal
    provider = admitted.choice.provider.name
    return [account_of(catalog, books, provider, new_id("chg"), job, caps) for job in admitted.calls]


def account_of(catalog: Catalog, journal: Journal, provider: str, id: str, job: Job, caps: Caps) -> Account:
    """That of one call."""
    price = estimate(catalog.prices, provider, job)
    bill = partial(actual, catalog.prices, provider)
    return Account(id, journal, job, bill, price.total_usd if price else None, caps)


def charges_of(catalog: Catalog, admitted: Admitted, accounts: Sequence[Account], caller: str) -> list[Charge]:
    """What each call may cost at most; none of what is free."""
    if admitted.is_free:
        return []
    provider = admitted.choice.provider.name
    prices = [estimate(catalog.prices, provider, account.job) for account in accounts]
    return [
        Charge(
            id=account.id,
            job=account.job.id,
            caller=caller,
            provider=provider,
            model=account.job.model.id,
            operation=account.job.request.operation.value,
            pictures=account.job.request.count,
            usd=price.high_usd if price else None,
        )
        for account, price in zip(accounts, prices, strict=True)
    ]


def refused(catalog: Catalog, admitted: Admitted, short: Shortage) -> ImageError:
    """The refusal of what would break a cap of a day or a month."""
    cap = f"the {usd(short.cap)} of this {short.period} (ATELIER_BUDGET_PER_{short.period.upper()}, UTC)"
    return over_budget(catalog, admitted, cap, short.left)


def surprise(admitted: Admitted, accounts: Sequence[Account]) -> list[str]:
    """A warning where the bill is not about what was estimated, and the log has it as well."""
    told = [account.estimated for account in accounts]
    billed = [account.spent for account in accounts]
    if None in told or None in billed:
        return []
    estimated = sum((each for each in told if each is not None), Decimal(0))
    spent = sum((each for each in billed if each is not None), Decimal(0))
    if abs(spent - estimated) <= SURPRISE * estimated:
        return []
    facts = {"provider": admitted.choice.provider.name, "model": admitted.job.model.id, "job": admitted.job.id}
    log.warning("bill differs", extra={"facts": {**facts, "estimated_usd": estimated, "billed_usd": spent}})
    price = admitted.estimate
    range = f", and up to {usd(price.high_usd)} was possible" if price and price.high_usd > price.total_usd else ""
    return [f"Billed {usd(spent)}, where {usd(estimated)} was estimated{range}."]
