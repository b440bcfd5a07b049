"""Compare the price of a request over all models, and suggest what fits a budget. No I/O."""

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
from atelier.providers.pricing.price_parts import usd
from atelier.providers.vendors.contract import Provider

FIELD_NAMES = {"output_compression": "compression"}
"""Option as a refusal names it -> field of ImageRequest, where the names differ."""

MAX_DROPPED_OPTIONS = 12  # that a comparison leaves out before it skips the model


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The price of a request with one model. `cannot` are the options that the model does not support."""

    provider: Provider
    model: Model
    estimate: Estimate | None
    cannot: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`vendor/model`, which the `model` parameter takes."""
        return f"{self.provider.name}/{self.model.id}"


def compare(catalog: Catalog, request: ImageRequest) -> list[Quote]:
    """Return the price with every usable model that supports the operation, the cheapest first, unpriced ones last.

    If no vendor has a key, all vendors are compared.
    """
    keyed = [p for p in catalog.providers if p.endpoint.key_variables and catalog.usable(p)]
    shown = [p for p in catalog.providers if catalog.usable(p)] if keyed else catalog.providers
    found = [quote for p in shown for row in catalog.listed(p) if (quote := _quote_for(catalog, p, row, request))]
    return sorted(found, key=lambda q: (q.estimate is None, q.estimate.total_usd if q.estimate else 0, len(q.cannot)))


def over_budget_error(catalog: Catalog, priced: PricedRequest, cap: str, left: Decimal) -> ImageError:
    """Return the error for a price above what is left, with the cheapest alternatives that fit."""
    estimate = priced.estimate
    assert estimate is not None, "a request without a price exceeds no cap"
    alternatives = sorted(
        _alternatives(catalog, priced, left), key=lambda each: (each.price == 0, each.less, each.price)
    )
    fits = [f"{each.words} ({usd(each.price)})" for each in alternatives[:1]]
    fewer = int((left / (estimate.high_usd / estimate.count)).to_integral_value(ROUND_FLOOR))
    if 0 < fewer < estimate.count:
        fits.append(f"{fewer} of the {estimate.count} images")
    advice = f"What fits: {', or '.join(fits)}." if fits else "No model fits the remaining budget; raise the cap."
    return ImageError(
        Reason.BUDGET_EXCEEDED,
        f"This may cost {usd(estimate.high_usd)}, and {usd(left)} is left of {cap}; nothing was sent.",
        hint=advice,
        facts={"left_usd": left, "high_usd": estimate.high_usd},
    )


def unpriced_error(priced: PricedRequest) -> ImageError:
    """Return the error for a request without a known price under a budget."""
    return ImageError(
        Reason.BUDGET_EXCEEDED,
        f"The price of {priced.job.model.id} is not known, so it cannot be checked against a budget; nothing was sent.",
        hint="Use a model with a price (list_models), or set ATELIER_ALLOW_UNPRICED=true.",
    )


def _quote_for(catalog: Catalog, provider: Provider, row: Model, request: ImageRequest) -> Quote | None:
    """Return one model's price, without the options that it refuses; None if it does not support the operation."""
    attempt, cannot = replace(request, model=f"{provider.name}/{row.id}"), list[str]()
    while len(cannot) <= MAX_DROPPED_OPTIONS:
        try:
            priced = check_and_price(catalog, attempt)
        except ImageError as error:
            option = error.facts.get("option")
            without = _without(attempt, option, row) if error.reason is Reason.UNSUPPORTED_OPTION and option else None
            if without is None or without == attempt:
                return None
            cannot.append(str(option))
            attempt = without
        else:
            return Quote(provider=provider, model=row, estimate=priced.estimate, cannot=tuple(cannot))
    return None


def _without(request: ImageRequest, option: str, row: Model) -> ImageRequest | None:
    """Return the request without an option; None if it has no such option."""
    if option in request.options:
        return replace(request, options={k: v for k, v in request.options.items() if k != option})
    if option == "images":
        return replace(request, sources=request.sources[: row.max_sources])
    field = FIELD_NAMES.get(option, option)
    if not hasattr(request, field):
        return None
    absent: dict[str, Any] = {field: "" if field == "prompt" else None}
    return replace(request, **absent)


@dataclass(frozen=True, slots=True)
class _Alternative:
    """Another way to get the images. `price` is the highest cost in USD; `less` if an option is left out."""

    words: str
    price: Decimal
    less: bool = False


def _alternatives(catalog: Catalog, priced: PricedRequest, left: Decimal) -> Iterator[_Alternative]:
    """Yield what fits the budget: a lower quality, another model, or one that does not support every option."""
    request, model = priced.job.request, priced.job.model
    mine = f"{priced.choice.provider.name}/{model.id}"
    for quality in model.qualities:
        quote = _quote_for(catalog, priced.choice.provider, model, replace(request, quality=quality))
        if quote and not quote.cannot and quote.estimate and quote.estimate.high_usd <= left:
            yield _Alternative(f"{mine} with quality={quality}", quote.estimate.high_usd)
    for quote in compare(catalog, request):
        if quote.name != mine and quote.estimate and quote.estimate.high_usd <= left:
            without = f" without {', '.join(quote.cannot)}" if quote.cannot else ""
            yield _Alternative(f"{quote.name}{without}", quote.estimate.high_usd, bool(quote.cannot))
