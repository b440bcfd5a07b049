"""The money step: what a request may cost is held against the caps, asked about, and reserved; all before sending."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from decimal import Decimal
from functools import partial

from atelier.providers.account import Account
from atelier.providers.admit import Admitted
from atelier.providers.budget import Budget, Charge, Confirm, Ledger, NoLedger
from atelier.providers.catalog import Catalog
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.ids import new_id
from atelier.providers.pricing import actual, estimate
from atelier.providers.quote import over_budget, unpriced, usd

log = logging.getLogger("atelier")

SURPRISE = Decimal("0.2")
"""A bill that differs from its estimate by more than this share is told."""


def affordable(catalog: Catalog, budget: Budget, admitted: Admitted) -> None:
    """Refuse what no ledger has to be asked about: over the cap of one call, or without a price under any cap."""
    price, cap = admitted.estimate, budget.caps.per_call
    if price is None:
        if budget.caps and not budget.allow_unpriced:
            raise unpriced(admitted)
    elif cap is not None and price.high_usd > cap:
        raise over_budget(catalog, admitted, f"the {usd(cap)} that one call may cost (ATELIER_BUDGET_PER_CALL)", cap)


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


async def reserved(catalog: Catalog, budget: Budget, admitted: Admitted, caller: str) -> list[Account]:
    """An account for each vendor call, all of them reserved; budget_exceeded where that would break a cap.

    What is free is not kept account of: it must work where nothing can be written.
    """
    provider, accounts, charges = admitted.choice.provider.name, list[Account](), list[Charge]()
    free = admitted.estimate is not None and admitted.estimate.high_usd == 0
    ledger: Ledger = NoLedger() if free else budget.ledger
    for job in admitted.calls:
        price, id = estimate(catalog.prices, provider, job), new_id("chg")
        bill = partial(actual, catalog.prices, provider)
        accounts.append(Account(id, ledger, job, bill, price.total_usd if price else None))
        charges.append(
            Charge(
                id=id,
                job=job.id,
                caller=caller,
                provider=provider,
                model=job.model.id,
                operation=job.request.operation.value,
                pictures=job.request.count,
                usd=price.high_usd if price else None,
            )
        )
    if short := await ledger.reserve(charges, budget.caps):
        cap = f"the {usd(short.cap)} of this {short.period} (ATELIER_BUDGET_PER_{short.period.upper()}, UTC)"
        raise over_budget(catalog, admitted, cap, short.left)
    return accounts


def surprise(admitted: Admitted, accounts: Sequence[Account]) -> list[str]:
    """A warning where the bill is not what was estimated. A bill within the range that was told is no surprise."""
    told = [account.estimated for account in accounts]
    billed = [account.spent for account in accounts]
    if None in told or None in billed:
        return []
    estimated = sum((each for each in told if each is not None), Decimal(0))
    spent = sum((each for each in billed if each is not None), Decimal(0))
    price = admitted.estimate
    within = price is not None and price.low_usd < price.high_usd and price.low_usd <= spent <= price.high_usd
    if within or abs(spent - estimated) <= SURPRISE * estimated:
        return []
    facts = {"provider": admitted.choice.provider.name, "model": admitted.job.model.id, "job": admitted.job.id}
    log.warning("bill differs", extra={"facts": {**facts, "estimated_usd": estimated, "billed_usd": spent}})
    return [f"Billed {usd(spent)}, where {usd(estimated)} was estimated."]
