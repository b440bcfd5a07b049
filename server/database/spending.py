"""The sums of what was spent, as the ledger returns them. Imports no SQLAlchemy, which takes a while."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

By = Literal["model", "vendor", "day", "caller"]
"""How `spend` groups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """One group: its vendor calls and images that were or may have been billed, and USD.

    `unsettled_usd` is the part whose bill is not known: calls under way, and those with an unknown outcome.
    """

    name: str
    calls: int
    pictures: int
    usd: Decimal
    unsettled_usd: Decimal
