"""The rows of the catalog that can be used now, as data and as lines of text."""

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
from atelier.providers.core.gates.option_gates import ATELIER_OPTIONS
from atelier.providers.core.gates.refusals import close_names, did_you_mean
from atelier.providers.core.types import Model, Operation
from atelier.providers.pricing.estimate import SQUARE, Hint, Prices, hint, table
from atelier.providers.vendors.contract import Provider

LISTS = ("aspect_ratios", "resolutions", "qualities", "styles", "backgrounds", "formats")
"""Columns that are the same in a row and in its data."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A vendor with the rows that match a filter. `key` names the variables to set before it can be used."""

    provider: Provider
    rows: list[Model]
    prices: Prices
    key: tuple[str, ...] = ()

    def first(self, limit: int) -> Offer:
        """Return the offer with its first `limit` rows; the default is the first."""
        return replace(self, rows=self.rows[:limit])


def vendors(catalog: Catalog, name: str | None) -> list[Provider]:
    """Return the vendor of that name, or all without a name. Raises invalid_request for an unknown name."""
    if found := [provider for provider in catalog.providers if name is None or name in provider.names]:
        return found
    known = [provider.name for provider in catalog.providers]
    hint = f"{did_you_mean(close_names((name or '').lower(), known))} The vendors are {', '.join(known)}.".strip()
    raise ImageError(Reason.INVALID_REQUEST, f"No vendor is called “{sanitize(name, 40)}”.", hint=hint)


def offers(
    catalog: Catalog, operation: Operation | None = None, vendor: str | None = None, word: str | None = None
) -> list[Offer]:
    """Return the vendors that have a row for the operation, and with the word, in the catalog's order."""
    found = list[Offer]()
    for provider in vendors(catalog, vendor):
        rows = [row for row in catalog.listed(provider) if operation is None or operation in row.operations]
        rows = [row for row in rows if word is None or word.lower() in _words(provider, row)]
        if rows or not (provider.models or operation or word):
            endpoint = provider.endpoint
            missing = () if catalog.usable(provider) else endpoint.key_variables or (endpoint.base_url_variable,)
            found.append(Offer(provider, rows, catalog.prices, missing))
    return found


def _words(provider: Provider, row: Model) -> str:
    """Return what a word is looked for in, in lower case."""
    names = (row.id, *row.aliases, *row.snapshots, provider.title, *provider.names)
    return " ".join((*names, *_operations(row), *_options(row), *row.styles)).lower()


class RowData(BaseModel):
    """What one model takes, or several models with equal columns. An absent column is not supported."""

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
    per_call: Annotated[int, Field(description="Images of one vendor call; more take several calls.")]
    max_sources: int
    max_prompt: Annotated[int, Field(description="Characters; 0 takes no prompt.")]
    stage: Annotated[str | None, Field(description="deprecated or retired; else the model is current.")] = None
    ends: Annotated[str | None, Field(description="The first day without the model.")] = None
    successor: str | None = None


class PriceData(BaseModel):
    """The approximate price of a picture and the models that have it."""

    low_usd: float
    high_usd: Annotated[float | None, Field(description="Absent when some choice has no known price.")] = None
    ids: list[str]


def prices(found: Iterable[Offer], today: date) -> list[PriceData]:
    """Group the models by price. A model without a known price, such as a retired one, is in no group."""
    same = dict[tuple[float, float | None], list[str]]()
    for offer, row in ((each, row) for each in found for row in each.rows):
        low, high = span(offer, row, today)
        if low is not None:
            same.setdefault((low, high), []).append(offer.provider.model_name(row.id))
    return [PriceData(low_usd=low, high_usd=high, ids=ids) for (low, high), ids in same.items()]


def groups(offer: Offer, today: date, without: tuple[str, ...] = ()) -> list[RowData]:
    """Return the rows as data; rows that differ only in their id become one."""
    found = dict[str, RowData]()
    for row in offer.rows:
        data = row_data(offer.provider, row, today).model_copy(update=dict.fromkeys(without))
        found.setdefault(data.model_dump_json(exclude={"ids"}), data.model_copy(update={"ids": []})).ids += data.ids
    return list(found.values())


def row_data(provider: Provider, row: Model, today: date) -> RowData:
    """Return one row as data."""
    life, stage = row.lifecycle, row.lifecycle.at(today)
    lists = {name: list(getattr(row, name)) or None for name in LISTS}
    return RowData(
        ids=[provider.model_name(row.id)],
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


def vendor_lines(offer: Offer, today: date, limit: int | None) -> list[str]:
    """Return the lines of a vendor: the most common value of each column once, then what each group has of its own.

    A `limit` shortens each column to that many values and names retired rows without columns; None shortens nothing.
    """
    name, rows = offer.provider.model_name, [row for row in offer.rows if limit is None or not retired(row, today)]
    columns_of = {row.id: describe(row, limit) for row in rows}
    priced = [row for row in rows if limit is None or row.id == offer.provider.default]
    costs = {row.id: f" ({cost})" for row in priced if (cost := price(offer, row, today))}
    same = dict[tuple[str, ...], list[str]]()
    for row in rows:
        same.setdefault((*columns_of[row.id], ends(row, today)), []).append(name(row.id) + costs.get(row.id, ""))
    shared = [Counter(column).most_common(1)[0][0] for column in zip(*columns_of.values(), strict=True)]
    key = f", which needs {' or '.join(offer.key)}" if offer.key else ""
    rule = ", unless noted below" if len(same) > 1 else ""
    none = "nothing current" if offer.provider.models else f"any model of this host, as {offer.provider.name}/MODEL"
    lines = [f"{offer.provider.title} ({offer.provider.name}){key}{rule}: {'; '.join(shared) or none}."]
    for (*columns, end), ids in same.items():
        own = [column for column, common in zip(columns, shared, strict=True) if column != common]
        lines.append(f"- {', '.join(ids)}" + (f": {'; '.join(filter(None, [*own, end]))}" if own or end else ""))
    if retired_ids := [name(row.id) for row in offer.rows if row not in rows]:
        lines.append(f"- retired by the vendor, and tried at your base URL: {', '.join(retired_ids)}")
    return lines


def retired(row: Model, today: date) -> bool:
    """Return whether the vendor has switched the model off. With a custom base URL it is listed all the same."""
    return row.lifecycle.at(today) == "retired"


def describe(row: Model, limit: int | None = None) -> list[str]:
    """Return a phrase for each column of a row."""
    shape = [
        _phrase("size", _sizes(row, brief=limit is not None), limit),
        _phrase("aspect_ratio", row.aspect_ratios, limit and limit - 2),  # a few show the kind
        _phrase("resolution", row.resolutions, limit),
    ]
    phrases = [
        ", ".join(_operations(row)),
        ", ".join(filter(None, shape)) or "no size",
        _phrase("quality", row.qualities, limit) or "no quality",
        _phrase("output_format", row.formats, limit) or "no output_format",
        f"{row.max_sources or 'no'} source image{'' if row.max_sources == 1 else 's'}",
        f"prompt of {row.max_prompt:,} characters" if row.max_prompt else "no prompt",
        f"{row.max_count} a vendor call",
    ]
    if limit is None:
        phrases += [
            _phrase("style", row.styles) or "no style",
            _phrase("background", row.backgrounds) or "no background",
            _phrase("also", _options(row)) or "no more options",
        ]
    return phrases


def span(offer: Offer, row: Model, today: date) -> tuple[float | None, float | None]:
    """Return the approximate lowest and highest price of a picture in USD; None where it is not known."""
    known = _hint(offer, row, today)
    if known is None:
        return None, None
    return float(known.low_usd), None if known.high_usd is None else float(known.high_usd)


def basis() -> str:
    """Return the sentence that explains the prices of a list."""
    return f"Prices: about, for one image, {SQUARE} where sizes are free; sources cost extra. As of {table().as_of}."


def price(offer: Offer, row: Model, today: date) -> str:
    """Return the price span as text; empty for a retired model."""
    known = _hint(offer, row, today)
    if known is None:
        return "" if retired(row, today) else "price unknown"
    low, high = known.low_usd, known.high_usd
    if high is None:
        return f"from {_usd(low)}"
    return _usd(low) if low == high else f"{_usd(low)}-{_usd(high).lstrip('$')}"


def ends(row: Model, today: date) -> str:
    """Return the end date and the successor of a row as text; empty for a current one."""
    life, stage = row.lifecycle, row.lifecycle.at(today)
    if stage == "current":
        return ""
    when = f" {life.on.isoformat()}" if life.on else ""
    until = f"retired{when}" if stage == "retired" else f"deprecated, ends{when or ' on a day not yet named'}"
    return f"{until}{f', then {life.successor}' if life.successor else ''}"


def _hint(offer: Offer, row: Model, today: date) -> Hint | None:
    return None if retired(row, today) else hint(offer.prices, offer.provider.name, row)


def _usd(amount: Decimal) -> str:
    """Return an amount with two digits, as precise as a price hint is."""
    return f"${amount:.2g}" if amount else "free"


def _operations(row: Model) -> list[str]:
    return [operation.value for operation in Operation if operation in row.operations]


def _options(row: Model) -> list[str]:
    """Return the features of a row and the vendor's own options, those with their values."""
    briefs = {limit.option: limit.summary for limit in row.limits if limit.option not in ATELIER_OPTIONS}
    return [briefs.get(name, name) for name in sorted({*row.features, *row.options})]


def _sizes(row: Model, *, brief: bool = False) -> list[str]:
    free = f"any WxH to {rule.max_edge} px an edge, {rule.max_pixels / 1e6:.1f} MP" if (rule := row.size_rule) else ""
    return [*row.sizes, *([free if brief else str(rule)] if rule else [])]


def _phrase(name: str, offered: Iterable[str], limit: int | None = None) -> str:
    listed = list(offered)
    rest = len(listed) - (limit or len(listed))
    return f"{name} {'|'.join(listed[:limit])}{f' and {rest} more' if rest > 0 else ''}" if listed else ""
