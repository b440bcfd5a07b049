"""How much may be spent: caps, what is held against them, and the ledger that the pipeline needs.

Money goes into a ledger in whole micro-USD. A reservation is rounded up, so that a cap holds whatever comes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Literal, Protocol

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import Lookup

MICRO = 1_000_000

Confirm = Callable[[str], Awaitable[bool]]
"""Puts a question to the person who pays; True is a yes."""


def micro_up(usd: Decimal) -> int:
    """USD -> micro-USD, never less."""
    return int((usd * MICRO).to_integral_value(ROUND_CEILING))


def micro(usd: Decimal) -> int:
    """USD -> the nearest micro-USD."""
    return int((usd * MICRO).to_integral_value(ROUND_HALF_UP))


def usd_of(amount: int) -> Decimal:
    """Micro-USD -> USD."""
    return Decimal(amount) / MICRO


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """USD that may be spent at most: on one request, in a UTC day, in a UTC month. None is no cap."""

    per_call: Decimal | None = None
    per_day: Decimal | None = None
    per_month: Decimal | None = None

    def __bool__(self) -> bool:
        return not (self.per_call is self.per_day is self.per_month is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """What one vendor call may cost at most; `usd` is None where no price is known."""

    id: str
    job: str
    caller: str
    provider: str
    model: str
    operation: str
    pictures: int
    usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """The cap that a reservation would have broken, and what is left of it, in USD."""

    period: Literal["day", "month"]
    cap: Decimal
    left: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """USD that may still be spent today and this month; None without a cap."""

    day: Decimal | None = None
    month: Decimal | None = None


class Ledger(Protocol):
    """What was reserved and what was spent. Every method is one transaction; storage_failed when it cannot be written.

    A charge is reserved, then sent, then settled, released or kept. Whatever is not released counts against the caps:
    at its price once settled, at the reservation until then.
    """

    async def reserve(self, charges: Sequence[Reservation], caps: Caps) -> Shortage | None:
        """Reserve all of them or none; a Shortage when a cap of the caller would be broken."""
        ...

    async def mark_sent(self, id: str) -> None:
        """The vendor is about to have the request: from here on it may bill."""
        ...

    async def settle_call(self, id: str, usd: Decimal | None) -> None:
        """It was billed; None where neither the vendor nor the price list says how much."""
        ...

    async def release_call(self, id: str) -> None:
        """It was not billed."""
        ...

    async def mark_call_unknown(self, id: str) -> None:
        """Nobody knows whether it was billed: the reservation stays."""
        ...

    async def reserve_retry(self, id: str, caps: Caps) -> Shortage | None:
        """It is to be sent a second time, and the first may be billed as well: that one's reservation stays beside it.

        A Shortage when a cap of its caller would be broken; then nothing is written, and it must not be sent.
        """
        ...

    async def budget_left(self, caller: str, caps: Caps) -> Left:
        """What the caller may still spend."""
        ...


class NoLedger:
    """Keeps no books, for a program that uses the library without a server: a cap by day or month cannot be held."""

    async def reserve(self, charges: Sequence[Reservation], caps: Caps) -> Shortage | None:
        """Never short."""
        return None

    async def mark_sent(self, id: str) -> None:
        """Not written."""

    async def settle_call(self, id: str, usd: Decimal | None) -> None:
        """Not written."""

    async def release_call(self, id: str) -> None:
        """Not written."""

    async def mark_call_unknown(self, id: str) -> None:
        """Not written."""

    async def reserve_retry(self, id: str, caps: Caps) -> Shortage | None:
        """Never short."""
        return None

    async def budget_left(self, caller: str, caps: Caps) -> Left:
        """Not known."""
        return Left()


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The rules of whoever pays. Above `confirm_above` USD a person is asked first."""

    caps: Caps = Caps()
    confirm_above: Decimal | None = None
    allow_unpriced: bool = False


def from_variables(lookup: Lookup) -> Budget:
    """The budget as the environment has it, for a program without the server's settings. Raises invalid_request."""

    def usd(name: str) -> Decimal | None:
        text = lookup(name)
        try:
            amount = Decimal(text) if text else None
        except InvalidOperation:
            amount = Decimal(-1)
        if amount is not None and not (amount.is_finite() and amount >= 0):
            message = f"{name} is wrong: it should be a number of USD."
            raise ImageError(Reason.INVALID_REQUEST, message, hint="Correct it or leave it out.")
        return amount

    day, month = usd("ATELIER_BUDGET_PER_DAY"), usd("ATELIER_BUDGET_PER_MONTH")
    caps = Caps(per_call=usd("ATELIER_BUDGET_PER_CALL"), per_day=day, per_month=month)
    return Budget(caps=caps, allow_unpriced=lookup("ATELIER_ALLOW_UNPRICED") == "true")


def without_a_ledger(caps: Caps) -> None:
    """Refuse to spend where a cap by day or month is set and nothing is kept account of."""
    if caps.per_day is caps.per_month is None:
        return
    raise ImageError(
        Reason.BUDGET_EXCEEDED,
        "A budget by day or month is set, and a program's own call keeps no ledger to hold it against.",
        hint="Use the atelier command or its server, or unset the budget for this program.",
    )
