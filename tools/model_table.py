"""The matrix, told: which rows can be asked for now, in data for programs and in words for everyone else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, Field

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.gates.option_gates import OURS
from atelier.providers.core.types import Model, Operation
from atelier.providers.pricing.estimate import SQUARE, Hint, Prices, hint, table
from atelier.providers.vendors.contract import Provider

LISTS = ("aspect_ratios", "resolutions", "qualities", "styles", "backgrounds", "formats")
"""Columns that are the same in a row and in its data."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A vendor with those of its rows that are asked for; `key` is the variables of a key that is missing."""

    provider: Provider
    rows: list[Model]
    prices: Prices
    key: tuple[str, ...] = ()

    def first(self, most: int) -> Offer:
        """The same with so many of its rows, the default among them."""
        return replace(self, rows=self.rows[:most])


def vendors(catalog: Catalog, name: str | None) -> list[Provider]:
    """The vendor of that name, or all of them. Raises invalid_request when there is none."""
    if found := [provider for provider in catalog.providers if name is None or name in provider.names]:
        return found
    names = ", ".join(provider.name for provider in catalog.providers)
    message = f"No vendor is called “{sanitize(name, 40)}”."
    raise ImageError(Reason.INVALID_REQUEST, message, hint=f"The vendors are {names}.")


def offers(catalog: Catalog, operation: Operation | None = None, vendor: str | None = None) -> list[Offer]:
    """Every vendor that has what is asked for, in the catalogue's order."""
    found = list[Offer]()
    for provider in vendors(catalog, vendor):
        rows = [row for row in catalog.listed(provider) if operation is None or operation in row.operations]
        if rows:
            missing = () if catalog.usable(provider) else provider.endpoint.key_variables
            found.append(Offer(provider, rows, catalog.prices, missing))
    return found


class RowData(BaseModel):
    """What one model takes, or several that take the same. An absent column is not offered."""

    ids: list[str]
    vendor: str
    operations: list[str] | None = None
    sizes: list[str] | None = None
    aspect_ratios: list[str] | None = None
    resolutions: list[str] | None = None
    qualities: list[str] | None = None
    styles: list[str] | None = None
    backgrounds: list[str] | None = None
    formats: list[str] | None = None
    options: list[str] | None = None
    per_call: Annotated[int, Field(description="Pictures of one vendor call; more take several calls.")]
    max_sources: int
    max_prompt: Annotated[int, Field(description="Characters; 0 takes no prompt.")]
    stage: Annotated[str | None, Field(description="deprecated or retired; else the model is current.")] = None
    ends: Annotated[str | None, Field(description="The first day without the model.")] = None
    successor: str | None = None


class PriceData(BaseModel):
    """What a picture costs, about, by each of some models."""

    low_usd: float
    high_usd: Annotated[float | None, Field(description="Absent when some choice has no known price.")] = None
    ids: list[str]


def prices(found: Iterable[Offer], today: date) -> list[PriceData]:
    """The hints for programs. A model that is in none has no known price, as one that its vendor no longer sells."""
    alike = dict[tuple[float, float | None], list[str]]()
    for offer, row in ((each, row) for each in found for row in each.rows):
        low, high = span(offer, row, today)
        if low is not None:
            alike.setdefault((low, high), []).append(row.id)
    return [PriceData(low_usd=low, high_usd=high, ids=ids) for (low, high), ids in alike.items()]


def groups(offer: Offer, today: date, without: tuple[str, ...] = ()) -> list[RowData]:
    """The rows for programs, those that are equal but for the name as one."""
    found = dict[str, RowData]()
    for row in offer.rows:
        data = row_data(offer.provider, row, today).model_copy(update=dict.fromkeys(without))
        found.setdefault(data.model_dump_json(exclude={"ids"}), data.model_copy(update={"ids": []})).ids.append(row.id)
    return list(found.values())


def row_data(provider: Provider, row: Model, today: date) -> RowData:
    """One row for programs."""
    life, stage = row.lifecycle, row.lifecycle.at(today)
    lists = {name: list(getattr(row, name)) or None for name in LISTS}
    return RowData(
        ids=[row.id],
        vendor=provider.name,
        operations=_operations(row),
        sizes=_sizes(row) or None,
        options=_options(row) or None,
        per_call=row.max_count,
        max_sources=row.max_sources,
        max_prompt=row.max_prompt,
        stage=stage if stage != "current" else None,
        ends=life.on.isoformat() if life.on else None,
        successor=life.successor,
        **lists,
    )


def block(offer: Offer, today: date, most: int | None) -> list[str]:
    """A vendor in lines: what most of its rows have in common once, then each group's own.

    `most` is how many words of a column are spelled out, and then retired rows are only named; None spells out all.
    """
    rows = [row for row in offer.rows if most is None or not retired(row, today)]
    said = {row.id: words(row, most) for row in rows}
    priced = [row for row in rows if most is None or row.id == offer.provider.default]
    costs = {row.id: f" ({cost})" for row in priced if (cost := price(offer, row, today))}
    alike = dict[tuple[str, ...], list[str]]()
    for row in rows:
        alike.setdefault((*said[row.id], ends(row, today)), []).append(row.id + costs.get(row.id, ""))
    usual = [Counter(column).most_common(1)[0][0] for column in zip(*said.values(), strict=True)]
    key = f", which needs {' or '.join(offer.key)}" if offer.key else ""
    rule = ", unless noted below" if len(alike) > 1 else ""
    lines = [f"{offer.provider.title} ({offer.provider.name}){key}{rule}: {'; '.join(usual) or 'nothing current'}."]
    for (*columns, end), ids in alike.items():
        own = [column for column, common in zip(columns, usual, strict=True) if column != common]
        lines.append(f"- {', '.join(ids)}" + (f": {'; '.join(filter(None, [*own, end]))}" if own or end else ""))
    if gone := [row.id for row in offer.rows if row not in rows]:
        lines.append(f"- retired by the vendor, and tried at your base URL: {', '.join(gone)}")
    return lines


def retired(row: Model, today: date) -> bool:
    """Whether the vendor has switched the model off; it is listed all the same where another host may serve it."""
    return row.lifecycle.at(today) == "retired"


def words(row: Model, most: int | None = None) -> list[str]:
    """What a row takes, a phrase for each column."""
    shape = [
        _phrase("size", _sizes(row, brief=most is not None), most),
        _phrase("aspect_ratio", row.aspect_ratios, most and most - 2),  # a few show the kind
        _phrase("resolution", row.resolutions, most),
    ]
    said = [
        ", ".join(_operations(row)),
        ", ".join(filter(None, shape)) or "no size",
        _phrase("quality", row.qualities, most) or "no quality",
        _phrase("output_format", row.formats, most) or "no output_format",
        f"{row.max_sources or 'no'} source picture{'' if row.max_sources == 1 else 's'}",
        f"prompt of {row.max_prompt:,} characters" if row.max_prompt else "no prompt",
        f"{row.max_count} a vendor call",
    ]
    if most is None:
        said += [
            _phrase("style", row.styles) or "no style",
            _phrase("background", row.backgrounds) or "no background",
            _phrase("also", _options(row)) or "no more options",
        ]
    return said


def span(offer: Offer, row: Model, today: date) -> tuple[float | None, float | None]:
    """About what a picture costs, in USD at least and at most; None where that is not known."""
    known = _hint(offer, row, today)
    if known is None:
        return None, None
    return float(known.low_usd), None if known.high_usd is None else float(known.high_usd)


def basis() -> str:
    """What every price here means."""
    return f"Prices: about, a picture, sources extra, at {SQUARE} if sizes are free; {table().as_of}."


def price(offer: Offer, row: Model, today: date) -> str:
    """The same in words; empty for a model that its vendor no longer sells."""
    known = _hint(offer, row, today)
    if known is None:
        return "" if retired(row, today) else "price unknown"
    low, high = known.low_usd, known.high_usd
    if high is None:
        return f"from {_usd(low)}"
    return _usd(low) if low == high else f"{_usd(low)}-{_usd(high).lstrip('$')}"


def ends(row: Model, today: date) -> str:
    """Until when a row works and what follows it; empty for a current one."""
    life, stage = row.lifecycle, row.lifecycle.at(today)
    if stage == "current":
        return ""
    when = f" {life.on.isoformat()}" if life.on else ""
    until = f"retired{when}" if stage == "retired" else f"deprecated, ends{when or ' on a day not yet named'}"
    return f"{until}{f', then {life.successor}' if life.successor else ''}"


def _hint(offer: Offer, row: Model, today: date) -> Hint | None:
    return None if retired(row, today) else hint(offer.prices, offer.provider.name, row)


def _usd(amount: Decimal) -> str:
    """To two digits, since a hint has no more in it."""
    return f"${amount:.2g}" if amount else "free"


def _operations(row: Model) -> list[str]:
    return [operation.value for operation in Operation if operation in row.operations]


def _options(row: Model) -> list[str]:
    """What else a row takes; the vendor's own options with their values, to be given as `options`."""
    told = {limit.option: limit.summary for limit in row.limits if limit.option not in OURS}
    return [told.get(name, name) for name in sorted({*row.features, *row.options})]


def _sizes(row: Model, *, brief: bool = False) -> list[str]:
    rule = row.size_rule
    free = f"any WxH to {rule.max_edge} px an edge, {rule.max_pixels / 1e6:.1f} MP" if rule and brief else str(rule)
    return [*row.sizes, *([free] if rule else [])]


def _phrase(name: str, offered: Iterable[str], most: int | None = None) -> str:
    listed = list(offered)
    rest = len(listed) - (most or len(listed))
    return f"{name} {'|'.join(listed[:most])}{f' and {rest} more' if rest > 0 else ''}" if listed else ""
