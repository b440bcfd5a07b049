"""The cost of a request before it is sent, of an answer, and a price hint for a list of models, by the price table.

The list price of the vendor's own host, in USD, without taxes, discounts and free tiers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from itertools import product
from typing import Any

from atelier.providers.core.results import Usage
from atelier.providers.core.types import ImageRequest, Model
from atelier.providers.pricing.price_parts import (
    MILLION,
    SQUARE,
    Amount,
    Basis,
    least_to_most,
    more_output,
    output,
    prompt,
    sources_at_a_price,
    sources_in_tokens,
    tiers,
)
from atelier.providers.pricing.price_table import Cell, Figure, Figures, Prices, Rates, Usual, table
from atelier.providers.vendors.contract import Job, Reply

__all__ = ["SQUARE", "Estimate", "Hint", "Prices", "actual", "estimate", "hint", "table"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """USD of a request before it is made. `low_usd` <= `total_usd` <= `high_usd`, all three of the whole request.

    `total_usd` is the likely price, `per_image_usd` its share for one of `count` pictures, `high_usd` what a budget has
    to reserve. `arithmetic` is the likely price in one line; `source` names the sources of the figures and `as_of` is
    the oldest of their dates.
    """

    count: int
    per_image_usd: Decimal
    total_usd: Decimal
    low_usd: Decimal
    high_usd: Decimal
    basis: Basis
    arithmetic: str
    source: str
    as_of: str
    notes: tuple[str, ...] = ()

    def share(self, count: int) -> Estimate:
        """Return the estimate for `count` of its images."""
        part = Decimal(count) / self.count
        amounts = {name: getattr(self, name) * part for name in ("total_usd", "low_usd", "high_usd")}
        return replace(self, count=count, **amounts)

    def as_dict(self) -> dict[str, Any]:
        """Return the estimate as JSON has it."""
        return {name: float(value) if isinstance(value, Decimal) else value for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Hint:
    """USD of one picture over what the model offers, free sizes at SQUARE except where megapixels are priced.

    Input is not included. `high_usd` is None where the price of something that is offered is not known. `as_of` is
    the oldest date of the figures, `source` names every source of them.
    """

    low_usd: Decimal
    high_usd: Decimal | None
    as_of: str
    source: str


def estimate(prices: Prices, provider: str, job: Job) -> Estimate | None:
    """Return the cost of a job, its images and its input; None where no price is known."""
    own, request = prices.of(provider, job.model), job.request
    ways, usual = _ways(own, job)
    made = list[Amount]()
    for cell in ways:
        amount = output(own, job.model, cell, request, request.count)
        if amount is None:
            return None
        made.append(amount)
    pictures = least_to_most(made)
    parts = [pictures, *sources_at_a_price(own, job.model, request, request.count)]
    for part in (prompt, sources_in_tokens, more_output) if own.rates else ():
        parts += part(own, own.rates[0], request, request.count)
    used = [*usual, *(figure for part in parts for figure in part.used)]
    notes = [*(note for part in parts for note in part.notes if note), *(figure.note for figure in used if figure.note)]
    total = sum((part.likely for part in parts), Decimal(0))
    return Estimate(
        count=request.count,
        per_image_usd=total / request.count,
        total_usd=total,
        low_usd=sum((part.low for part in parts), Decimal(0)),
        high_usd=sum((part.high for part in parts), Decimal(0)),
        basis=pictures.basis,
        arithmetic=" + ".join(part.words for part in parts if part.words),
        source=_sources(used),
        as_of=min(figure.as_of for figure in used),
        notes=tuple(dict.fromkeys((*(_left_open(ways) if pictures.low < pictures.high else ()), *notes))),
    )


def vendor_estimate(usd: Decimal, count: int, vendor: str, day: str) -> Estimate:
    """Return the cost of a job as its vendor states it beforehand."""
    return Estimate(
        count=count,
        per_image_usd=usd / count,
        total_usd=usd,
        low_usd=usd,
        high_usd=usd,
        basis="quoted",
        arithmetic=f"{usd.normalize():f} USD for {count} by the vendor's calculator",
        source=f"{vendor}, for this request",
        as_of=day,
    )


def actual(prices: Prices, provider: str, job: Job, reply: Reply) -> Decimal | None:
    """Return USD of one vendor call: as the vendor states it, by the tokens it counted, or by the table for the images.

    `job` is that of the call. None where no price is known.
    """
    if reply.cost_usd is not None:
        return reply.cost_usd
    own = prices.of(provider, job.model)
    if reply.usage is not None and own.rates and _is_complete(reply.usage, bool(reply.pictures)):
        return _billed(own.rates[0], reply, bool(job.request.sources))
    if not reply.pictures:
        return None
    quality = reply.details.get("quality", job.request.quality)
    request = replace(job.request, count=len(reply.pictures), quality=quality)
    size = job.size
    if job.model.sizes or job.model.size_rule:
        size = (reply.pictures[0].width, reply.pictures[0].height)
    found = estimate(prices, provider, replace(job, request=request, size=size)) or estimate(
        prices, provider, replace(job, request=replace(job.request, count=len(reply.pictures)))
    )
    return found.total_usd if found else None


def _is_complete(usage: Usage, has_images: bool) -> bool:
    """Return whether a token count can be the whole bill: an image always takes output tokens beside those of text."""
    wrote = _shares(usage.details, "output_tokens_details")
    drawn = usage.output_tokens - wrote.get("text_tokens", 0) - wrote.get("thought_tokens", 0)
    return drawn > 0 if has_images else usage.input_tokens + usage.output_tokens > 0


def _billed(rates: Rates, reply: Reply, edits: bool) -> Decimal:
    """Return the tokens at their rates. Input of unknown kind is text, or sources of an edit; output is images."""
    assert reply.usage is not None
    read, wrote = (_shares(reply.usage.details, name) for name in ("input_tokens_details", "output_tokens_details"))
    image, text = read.get("image_tokens", 0), read.get("text_tokens", 0)
    rest = max(reply.usage.input_tokens - image - text, 0)
    image, text = (image + rest, text) if edits and not read else (image, text + rest)
    cached = min(read.get("cached_tokens", 0), text + image)
    cached_text = min(cached, text) if rates.text_cached is not None else 0
    cached_image = min(cached - cached_text, image) if rates.image_cached is not None else 0
    text_out, thought = wrote.get("text_tokens", 0), wrote.get("thought_tokens", 0)
    drawn = max(reply.usage.output_tokens - text_out - thought, 0)
    billed = (
        (text - cached_text, rates.text_input),
        (cached_text, rates.text_cached),
        (image - cached_image, rates.image_input),
        (cached_image, rates.image_cached),
        (text_out + thought, rates.text_output),
        (drawn, rates.image_output),
    )
    return sum((tokens * rate for tokens, rate in billed if rate is not None), Decimal(0)) / MILLION


def _shares(details: Mapping[str, Any], name: str) -> dict[str, int]:
    found: Mapping[str, object] = details.get(name) or {}
    return {key: value for key, value in found.items() if isinstance(value, int) and value >= 0}


def hint(prices: Prices, provider: str, model: Model) -> Hint | None:
    """Return a price range for one image of the model; None when no price is known."""
    own = prices.of(provider, model)
    found = [output(own, model, cell, ImageRequest(), 1) for cell in _cells(model)]
    known = [amount for amount in found if amount]
    if not known:
        return None
    whole = least_to_most(known)
    open_ended = len(known) < len(found) or (whole.basis == "megapixels" and not model.size_rule)
    return Hint(
        low_usd=whole.low,
        high_usd=None if open_ended else whole.high,
        as_of=min(figure.as_of for figure in whole.used),
        source=_sources(whole.used),
    )


def _cells(model: Model) -> list[Cell]:
    """Return every combination of options, without "auto"; of free sizes at a price per megapixel the ends."""
    sizes = (SQUARE,) if model.size_rule and model.sizes else model.sizes
    if model.size_rule and not model.sizes:
        edge = math.isqrt(model.size_rule.max_pixels)
        sizes = (SQUARE, f"{edge}x{edge}")
    return [Cell(*words) for words in product(*(_named(w) for w in (model.qualities, tiers(model), sizes)))]


def _ways(own: Figures, job: Job) -> tuple[list[Cell], list[Usual]]:
    """Return the combinations of options in which the images can be made, the likely one first, and the entries used.

    An option that the request leaves open has the usual value first, then every other one that is offered.
    """
    request, model, used = job.request, job.model, list[Usual]()

    def values(requested: str | None, named: list[str | None], dimension: str) -> list[str | None]:
        if (requested is not None and requested != "auto") or named == [None]:
            return [requested if named != [None] else None]
        usual = next((entry for entry in own.usual if getattr(entry, dimension) in named), None)
        if usual:
            used.append(usual)
            if usual.certain and requested is None:
                return [getattr(usual, dimension)]
        middle = SQUARE if SQUARE in named else named[(len(named) - 1) // 2]
        likely = getattr(usual, dimension) if usual else middle
        return [likely, *(other for other in named if other != likely)]

    size = f"{job.size[0]}x{job.size[1]}" if job.size else None
    ways = product(
        values(request.quality, _named(model.qualities), "quality"),
        values(request.resolution, _named(tiers(model)), "resolution"),
        [size] if size else values(None, _named(model.sizes), "size"),
    )
    return [Cell(*words) for words in ways], used


def _named(words: Iterable[str]) -> list[str | None]:
    """Return the words that name an option, without "auto"; None alone where there is no choice."""
    named = list[str | None](words)
    if "auto" in named:
        named.remove("auto")
    return named or [None]


def _left_open(ways: Sequence[Cell]) -> Iterable[str]:
    for dimension in ("quality", "resolution", "size"):
        words = dict.fromkeys(getattr(way, dimension) for way in ways)
        if len(words) > 1:
            yield f"the {dimension} is left to the vendor, likely {next(iter(words))}"


def _sources(used: Iterable[Figure]) -> str:
    return ", ".join(sorted({figure.source for figure in used}))
