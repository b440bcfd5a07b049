"""Budgets: the caps, the reservations that count against them, and the ledger that the pipeline needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal

from atelier.providers.core.errors import ImageError, Reason, invalid_request
from atelier.providers.core.types import Lookup

Confirm = Callable[[str], Awaitable[bool]]
"""Asks the user to confirm a price; True means yes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Limits in USD: of one request, of a UTC day, of a UTC month. None is no limit."""

    per_call: Decimal | None = None
    per_day: Decimal | None = None
    per_month: Decimal | None = None

    def __bool__(self) -> bool:
        return not (self.per_call is self.per_day is self.per_month is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """The highest cost of one vendor call; `usd` is None where no price is known."""

    id: str
    job: str
    caller: str
    provider: str
    model: str
    operation: str
    pictures: int
    usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CapExceeded:
    """The cap that a reservation would exceed, and what is left of it, in USD."""

    period: Literal["day", "month"]
    cap: Decimal
    left: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLeft:
    """USD that may still be spent today and this month; None without a cap."""

    day: Decimal | None = None
    month: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """USD of a caller that count against the caps, today and this month, reservations included."""

    day: Decimal = Decimal(0)
    month: Decimal = Decimal(0)


class Ledger:
    """What was reserved and what was spent. Every method is one transaction; storage_failed when it cannot be written.

    A vendor call is reserved, then sent, then settled, released or unknown. All but released count against the caps:
    at its price once settled, at the reservation until then.

    This class keeps no books, for programs that use the library without a server; the database overrides all of it.
    """

    async def reserve(self, reservations: Sequence[Reservation], caps: Caps) -> CapExceeded | None:
        """Reserve all of them or none. Returns a CapExceeded if a cap of the caller would be exceeded."""
        return None

    async def mark_sent(self, id: str) -> bool:
        """Record that the request is about to leave. False if the call is in a state that does not allow it."""
        return True

    async def settle_call(self, id: str, usd: Decimal | None) -> bool:
        """Record the bill in USD; None where it is not known. False if the call has ended before."""
        return True

    async def release_call(self, id: str) -> bool:
        """Release the reservation: nothing was billed. False if the call has ended before."""
        return True

    async def mark_call_unknown(self, id: str) -> bool:
        """Keep the reservation: the bill is unknown. False if the call was not sent, or has ended before."""
        return True

    async def reserve_retry(self, id: str, caps: Caps) -> CapExceeded | None:
        """Reserve the price once more before a request is repeated, because the vendor may bill both.

        Returns a CapExceeded if a cap would be exceeded; then nothing is written, and it must not be repeated.
        """
        return None

    async def budget_left(self, caller: str, caps: Caps) -> BudgetLeft:
        """Return what the caller may still spend."""
        return BudgetLeft()

    async def spending(self, caller: str) -> Spending:
        """What the caller has spent."""
        return Spending()


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The limits on spending. A call above `confirm_above` USD needs a person's consent."""

    caps: Caps = Caps()
    confirm_above: Decimal | None = None
    allow_unpriced: bool = False


def from_variables(lookup: Lookup) -> Budget:
    """Return the budget of the environment, for a program without the server's settings. Raises invalid_request."""

    def usd(name: str) -> Decimal | None:
        text = lookup(name)
        try:
            amount = Decimal(text) if text else None
        except InvalidOperation:
            amount = Decimal(-1)
        if amount is not None and not (amount.is_finite() and amount >= 0):
            raise invalid_request(f"{name} is wrong: it should be a number of USD.", "Correct it or leave it out.")
        return amount

    day, month = usd("ATELIER_BUDGET_PER_DAY"), usd("ATELIER_BUDGET_PER_MONTH")
    caps = Caps(per_call=usd("ATELIER_BUDGET_PER_CALL"), per_day=day, per_month=month)
    return Budget(caps=caps, allow_unpriced=lookup("ATELIER_ALLOW_UNPRICED") == "true")


def require_no_period_caps(caps: Caps) -> None:
    """Raise budget_exceeded where a cap by day or month is set, since a library call has no ledger."""
    if caps.per_day is caps.per_month is None:
        return
    raise ImageError(
        Reason.BUDGET_EXCEEDED,
        "A budget by day or month is set, and a program's own call keeps no ledger to hold it against.",
        hint="Use the atelier command or its server, or unset the budget for this program.",
    )
