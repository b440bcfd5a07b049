"""What a request would cost elsewhere, and what to say when it costs more than may be spent. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest, Model
from atelier.providers.pipeline.admit import PricedRequest, check_and_price
from atelier.providers.pricing.estimate import Estimate
from atelier.providers.vendors.contract import Provider

FIELDS = {"output_compression": "compression"}
"""Options that a request calls otherwise than a refusal does."""

MOST_DROPPED = 12  # options of a request that a comparison leaves out before it gives a model up


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What one model would take for a request. `cannot` are the options that it would have to be asked without."""

    provider: Provider
    model: Model
    estimate: Estimate | None
    cannot: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`vendor/model`, which the `model` parameter takes."""
        return f"{self.provider.name}/{self.model.id}"


def compare(catalog: Catalog, request: ImageRequest) -> list[Quote]:
    """The request priced over every model that can be used now and can do it, the cheapest first, unpriced ones last.

    Where no vendor has a key, every vendor is compared, for whoever has to choose one.
    """
    keyed = [p for p in catalog.providers if p.endpoint.key_variables and catalog.usable(p)]
    shown = [p for p in catalog.providers if catalog.usable(p)] if keyed else catalog.providers
    found = [quote for p in shown for row in catalog.listed(p) if (quote := _quoted(catalog, p, row, request))]
    return sorted(found, key=lambda q: (q.estimate is None, q.estimate.total_usd if q.estimate else 0, len(q.cannot)))


def over_budget_error(catalog: Catalog, priced: PricedRequest, cap: str, left: Decimal) -> ImageError:
    """The refusal of what costs more than is left: how much that is, and the cheapest way that fits into it."""
    estimate = priced.estimate
    assert estimate is not None, "what has no price breaks no cap"
    ways = sorted(_ways(catalog, priced, left), key=lambda way: (way.price == 0, way.less, way.price))
    fits = [f"{way.words} ({usd(way.price)})" for way in ways[:1]]
    fewer = int((left / (estimate.high_usd / estimate.count)).to_integral_value(ROUND_FLOOR))
    if 0 < fewer < estimate.count:
        fits.append(f"{fewer} of the {estimate.count} pictures")
    advice = f"What fits: {', or '.join(fits)}." if fits else "Nothing fits into it; the cap would have to be raised."
    return ImageError(
        Reason.BUDGET_EXCEEDED,
        f"This may cost {usd(estimate.high_usd)}, and {usd(left)} is left of {cap}; nothing was sent.",
        hint=advice,
        facts={"left_usd": left, "high_usd": estimate.high_usd},
    )


def unpriced_error(priced: PricedRequest) -> ImageError:
    """The refusal of what has no known price where something has been set to hold spending down."""
    return ImageError(
        Reason.BUDGET_EXCEEDED,
        f"The price of {priced.job.model.id} is not known, so no budget can be held against it; nothing was sent.",
        hint="Use a model with a price (list_models), or set ATELIER_ALLOW_UNPRICED=true.",
    )


def usd(amount: Decimal) -> str:
    """`$0.04`, or as many digits as a small amount needs."""
    if amount == 0:
        return "$0"
    if amount == round(amount, 2):
        return f"${amount:.2f}"
    return f"${amount:.4f}" if amount >= Decimal("0.0001") else f"${amount:.2g}"


def _quoted(catalog: Catalog, provider: Provider, row: Model, request: ImageRequest) -> Quote | None:
    """One model's price; without the options that it refuses, None when it cannot do the thing itself."""
    asked, cannot = replace(request, model=f"{provider.name}/{row.id}"), list[str]()
    while len(cannot) <= MOST_DROPPED:
        try:
            priced = check_and_price(catalog, asked)
        except ImageError as error:
            option = error.facts.get("option")
            without = _without(asked, option, row) if error.reason is Reason.UNSUPPORTED_OPTION and option else None
            if without is None or without == asked:
                return None
            cannot.append(str(option))
            asked = without
        else:
            return Quote(provider=provider, model=row, estimate=priced.estimate, cannot=tuple(cannot))
    return None


def _without(request: ImageRequest, option: str, row: Model) -> ImageRequest | None:
    """The request without an option; None for one that it does not have."""
    if option in request.options:
        return replace(request, options={k: v for k, v in request.options.items() if k != option})
    if option == "images":
        return replace(request, sources=request.sources[: row.max_sources])
    field = FIELDS.get(option, option)
    if not hasattr(request, field):
        return None
    absent: dict[str, Any] = {field: "" if field == "prompt" else None}
    return replace(request, **absent)


@dataclass(frozen=True, slots=True)
class _Way:
    """Another way to have the pictures: `price` is USD at most, `less` says that it is not all that was asked."""

    words: str
    price: Decimal
    less: bool = False


def _ways(catalog: Catalog, priced: PricedRequest, left: Decimal) -> Iterator[_Way]:
    """What is to be had for what is left: a lower quality, another model, or one that cannot honour every option."""
    request, model = priced.job.request, priced.job.model
    mine = f"{priced.choice.provider.name}/{model.id}"
    for quality in model.qualities:
        quote = _quoted(catalog, priced.choice.provider, model, replace(request, quality=quality))
        if quote and not quote.cannot and quote.estimate and quote.estimate.high_usd <= left:
            yield _Way(f"{mine} with quality={quality}", quote.estimate.high_usd)
    for quote in compare(catalog, request):
        if quote.name != mine and quote.estimate and quote.estimate.high_usd <= left:
            without = f" without {', '.join(quote.cannot)}" if quote.cannot else ""
            yield _Way(f"{quote.name}{without}", quote.estimate.high_usd, bool(quote.cannot))
