"""The price that OpenRouter states for free: GET /images/models/{author}/{slug}/endpoints."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated
from urllib.parse import quote as in_url

from pydantic import Field

from atelier.providers.transport.vendor_json import Lenient, VendorModel, parse_answer
from atelier.providers.transport.wire import Wire
from atelier.providers.vendors.contract import Job


class Line(VendorModel):
    billable: str
    unit: str
    cost_usd: Annotated[Decimal, Field(ge=0, lt=1000)]


class Served(VendorModel):
    """A provider of the model. A line that cannot be read makes its price unknown."""

    pricing: tuple[Lenient[Line], ...] = ()


class Endpoints(VendorModel):
    endpoints: tuple[Served, ...] = ()


async def quote(job: Job, wire: Wire) -> Decimal | None:
    """Return the highest price of the providers that may serve the model, None if any of them is not known.

    Only prices per image and per request are known before the call; tokens and megapixels are not.
    """
    url = f"{job.endpoint.base_url}/images/models/{in_url(job.model.id)}/endpoints"
    found = parse_answer(Endpoints, (await wire.free("GET", url)).content)
    prices = [_price(served.pricing, job) for served in found.endpoints]
    known = [price for price in prices if price is not None]
    return max(known) if known and len(known) == len(prices) else None


def _price(lines: Iterable[Line | None], job: Job) -> Decimal | None:
    """Return what a provider bills for the request: the dearest variant of each line, times its units."""
    highest = dict[tuple[str, str], Decimal]()
    for line in lines:
        if line is None:
            return None
        key = line.billable, line.unit
        highest[key] = max(highest.get(key, Decimal(0)), line.cost_usd)
    units = {
        ("output_image", "image"): job.request.count,
        ("output_image", "request"): 1,
        ("input_image", "image"): len(job.request.sources),
        ("input_reference", "image"): len(job.request.sources),
        ("input_text", "request"): 1,
    }
    if not any(billable == "output_image" for billable, _ in highest) or not highest.keys() <= units.keys():
        return None
    return sum((usd * units[key] for key, usd in highest.items()), Decimal(0))
