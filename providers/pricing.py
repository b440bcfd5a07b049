"""What a picture costs, read from prices.json, which has source and date of every price. Gathered 2026-11-20.

A price is the vendor's list price of what comes out. The prompt and source pictures are not in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import product
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from atelier.providers.core.types import Model

SQUARE = "1024x1024"
"""The size that free sizes are priced at."""
MEGAPIXEL = 1024**2

Day = Annotated[str, Field(pattern=r"^\d{4}(-\d\d){0,2}$")]
Usd = Annotated[Decimal, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class Strict(BaseModel):
    """A slip in the table would show as a wrong bill, so nothing unknown is passed over."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Strict):
    """Where figures come from; `kind` tells how far to trust them."""

    what: str
    date: Day
    kind: Literal["vendor_doc", "vendor_spec", "package", "third_party_checked", "reseller", "third_party", "ours"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One way to ask a model for a picture. None where the model offers no choice."""

    quality: str | None
    resolution: str | None
    size: str | None


class Entry(Strict):
    """A figure for some models of a vendor. An absent dimension is any."""

    provider: str
    models: Annotated[tuple[str, ...], Field(min_length=1)]
    quality: str | None = None
    resolution: str | None = None
    size: str | None = None
    source: str
    as_of: Day
    note: str = ""

    def covers(self, cell: Cell) -> bool:
        """Whether the figure is that of a cell."""
        pairs = (
            (self.quality, cell.quality),
            (self.resolution, cell.resolution),
            (self.size, cell.size),
        )
        return all(own in (None, asked) for own, asked in pairs)


class Price(Entry):
    """USD of a unit: a picture, a successful call, its first megapixel, or a million tokens of picture."""

    unit: Literal["per_image", "credits", "per_megapixel", "per_1m_tokens"]
    usd: Usd
    usd_further: Annotated[Usd | None, Field(description="Each megapixel after the first.")] = None

    @model_validator(mode="after")
    def _further(self) -> Price:
        if (self.usd_further is not None) != (self.unit == "per_megapixel"):
            raise ValueError("usd_further belongs to per_megapixel")
        return self


class Tokens(Entry):
    """Tokens of one picture; `tokens_max` where only a range is known."""

    tokens: Count
    tokens_max: Count | None = None


class Table(Strict):
    """prices.json"""

    as_of: Day
    sources: dict[str, Source]
    prices: tuple[Price, ...]
    tokens: tuple[Tokens, ...]

    @model_validator(mode="after")
    def _sourced(self) -> Table:
        if missing := {entry.source for entry in (*self.prices, *self.tokens)} - set(self.sources):
            raise ValueError(f"no such source: {', '.join(sorted(missing))}")
        return self


@dataclass(frozen=True, slots=True)
class Hint:
    """USD of one picture over what the model offers, free sizes at SQUARE except where megapixels are priced.

    `high_usd` is None where the price of something that is offered is not known. `as_of` is the oldest date of the
    figures, `source` names every source of them.
    """

    low_usd: Decimal
    high_usd: Decimal | None
    as_of: str
    source: str


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one cell, with the entries that it was worked out from."""

    low: Decimal
    high: Decimal | None
    entries: tuple[Entry, ...]


@cache
def table() -> Table:
    """The prices, read once."""
    return Table.model_validate_json(Path(__file__).with_name("prices.json").read_bytes())


def hint(provider: str, model: Model) -> Hint | None:
    """About what a picture of the model costs; None when no price of it is known."""
    prices, tokens = _of(table().prices, provider, model), _of(table().tokens, provider, model)
    found = [_cost(cell, model, prices, tokens) for cell in _cells(model)]
    known = [cost for cost in found if cost]
    if not known:
        return None
    highs = [cost.high for cost in known if cost.high is not None]
    entries = [entry for cost in known for entry in cost.entries]
    return Hint(
        low_usd=min(cost.low for cost in known),
        high_usd=max(highs) if len(highs) == len(found) else None,
        as_of=min(entry.as_of for entry in entries),
        source=", ".join(sorted({entry.source for entry in entries})),
    )


def _cells(model: Model) -> list[Cell]:
    """Every way to ask. "auto" is one of the others."""
    sizes = (SQUARE,) if model.size_rule else model.sizes
    return [Cell(*words) for words in product(_named(model.qualities), _named(model.resolutions), _named(sizes))]


def _named(words: Iterable[str]) -> list[str | None]:
    return [word for word in words if word != "auto"] or [None]


Kind = TypeVar("Kind", bound=Entry)


def _of(entries: Iterable[Kind], provider: str, model: Model) -> list[Kind]:
    return [entry for entry in entries if entry.provider == provider and model.id in entry.models]


def _cost(cell: Cell, model: Model, prices: list[Price], tokens: list[Tokens]) -> Cost | None:
    price = next((price for price in prices if price.covers(cell)), None)
    if price is None:
        return None
    if price.usd_further is not None:
        rule = model.size_rule
        more = max(Decimal(0), Decimal(rule.max_pixels) / MEGAPIXEL - 1) if rule else None
        return Cost(price.usd, None if more is None else price.usd + more * price.usd_further, (price,))
    if price.unit != "per_1m_tokens":
        return Cost(price.usd, price.usd, (price,))
    count = next((count for count in tokens if count.covers(cell)), None)
    if count is None:
        return None
    rate = price.usd / 1_000_000
    return Cost(count.tokens * rate, (count.tokens_max or count.tokens) * rate, (price, count))
