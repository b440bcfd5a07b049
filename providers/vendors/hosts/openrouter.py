"""OpenRouter: POST /images with JSON, to edit as well; images come back as base64, and the answer states the cost.

Facts: the client `openrouter` 1.3.84 as of 2026-10. Doubtful: what a fee on credit adds, and with the user's own key of
a vendor behind it (BYOK) what that vendor bills, which is added where the answer states it.
"""

from __future__ import annotations

import base64
from decimal import Decimal
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from pydantic import Field

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.results import Usage
from atelier.providers.core.types import Endpoint
from atelier.providers.transport.exchange import request_id
from atelier.providers.transport.vendor_errors import vendor_error
from atelier.providers.transport.vendor_json import (
    Lenient,
    VendorModel,
    invalid_response,
    parse_answer,
    parse_refusal,
    reason_for_status,
)
from atelier.providers.transport.wire import Wire, httpx, retry_after
from atelier.providers.vendors.contract import Job, Provider, Reply
from atelier.providers.vendors.hosts.openai import names_of
from atelier.providers.vendors.hosts.openrouter_prices import quote
from atelier.providers.vendors.hosts.openrouter_rows import MODELS, ROUTING, UNLISTED
from atelier.providers.vendors.hosts.rows import check_options, rows_of, vendor_of
from atelier.providers.vendors.hosts.settings import Host
from atelier.providers.vendors.image_links import Item, ItemsAnswer, images_of, losses, note_links, noted
from atelier.providers.vendors.openai.refusals import Names, hints

RESOLUTIONS = {"512": "512", "768sq": "768", "1k": "1K", "1.5k": "1.5K", "2k": "2K", "4k": "4K"}
MAX_USD = 1_000  # a higher number is not a price


def provider_of(host: Host) -> Provider:
    """Return the vendor of a host with OpenRouter's API."""
    models, names = rows_of(host, MODELS, MODELS, UNLISTED), names_of(host)
    return vendor_of(
        host,
        models,
        UNLISTED,
        prepare=prepare,
        read=partial(read, names=names),
        explain=partial(explain, names=names),
        collect=partial(collect, names=names),
        quote=quote,
        lifecycles=lifecycles,
    )


def prepare(job: Job) -> httpx.Request:
    """Build the request. An option that the caller left out is not sent."""
    request, options = job.request, dict(job.request.options)
    check_options(options, ROUTING, "OpenRouter")
    if request.output_format == "svg":
        facts = {"option": "output_format", "offered": ["png", "jpeg", "webp"]}
        hint = "Ask for png, jpeg or webp."
        raise ImageError(Reason.UNSUPPORTED_OPTION, "An SVG cannot be stored.", hint=hint, facts=facts)
    only, fallbacks = options.pop("provider_only", None), options.pop("allow_fallbacks", None)
    routing = {
        "only": [slug.strip() for slug in only.split(",")] if isinstance(only, str) else None,
        "allow_fallbacks": fallbacks,
    }
    body: dict[str, Any] = {
        "model": job.model.id,
        "prompt": request.prompt,
        "n": request.count if request.count > 1 else None,
        "size": f"{job.size[0]}x{job.size[1]}" if job.size else request.size,
        "aspect_ratio": None if job.size else request.aspect_ratio,
        "resolution": None if job.size else RESOLUTIONS.get(request.resolution or "", request.resolution),
        "quality": request.quality,
        "background": request.background,
        "output_format": request.output_format,
        "output_compression": request.compression,
        "seed": request.seed,
        "input_references": [
            {"type": "image_url", "image_url": {"url": f"data:{source.mime};base64,{_base64(source.image_bytes)}"}}
            for source in request.sources
        ]
        or None,
        "provider": {name: value for name, value in routing.items() if value is not None} or None,
    }
    present = {name: value for name, value in body.items() if value is not None}
    return httpx.Request("POST", f"{job.endpoint.base_url}/images", json=present)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


Dollars = Annotated[Decimal, Field(ge=0, lt=MAX_USD)]


class Details(VendorModel):
    upstream_inference_cost: Lenient[Dollars] = None


class Counts(VendorModel):
    prompt_tokens: Lenient[int] = None
    completion_tokens: Lenient[int] = None
    cost: Lenient[Dollars] = None
    is_byok: Lenient[bool] = None
    cost_details: Lenient[Details] = None

    def usd(self) -> Decimal | None:
        """Return the cost; with a key of the user's own at the vendor, None unless that vendor's bill is stated."""
        if not self.is_byok:
            return self.cost
        upstream = self.cost_details and self.cost_details.upstream_inference_cost
        return None if upstream is None else upstream + (self.cost or 0)


class Answer(ItemsAnswer):
    data: tuple[Lenient[Item], ...] = ()
    usage: Lenient[Counts] = None


async def read(response: httpx.Response, job: Job, wire: Wire, names: Names) -> Reply:
    """Return every image of the answer. Links are saved before they are followed."""
    answer, id = parse_answer(Answer, response.content), request_id(response.headers)
    await note_links(id, answer, answer.data, wire)
    return await _reply(id, answer, job, wire, names)


async def collect(job: Job, wire: Wire, names: Names) -> Reply:
    """Return the images behind saved links, where they are still valid."""
    return await _reply(*noted(job, Answer), job, wire, names)


async def _reply(id: str | None, answer: Answer, job: Job, wire: Wire, names: Names) -> Reply:
    if not answer.data:
        raise invalid_response(f"{names.title} answered without an image.")
    images, failures = await images_of(names.title, answer.data, wire)
    usage = answer.usage or Counts()
    short = f"{names.title} made {len(images)} of {job.request.count} images."
    return Reply(
        pictures=images,
        usage=Usage(input_tokens=usage.prompt_tokens or 0, output_tokens=usage.completion_tokens or 0),
        cost_usd=usage.usd(),
        warnings=losses(images, failures) or ((short,) if len(images) < job.request.count else ()),
        collectable=any(failure.collectable for failure in failures),
        details={"request_id": id},
    )


class Metadata(VendorModel):
    reasons: Lenient[tuple[str, ...]] = None
    flagged_input: Lenient[str] = None


class ErrorBody(VendorModel):
    message: Lenient[str] = None
    metadata: Lenient[Metadata] = None


class Refusal(VendorModel):
    error: Lenient[ErrorBody] = None


def explain(response: httpx.Response, names: Names) -> ImageError:
    """Explain `{"error": {"code", "message", "metadata"}}`; a 403 with reasons is a moderated prompt.

    `metadata.raw` is the error of the vendor behind it, whose words say more than "Provider returned error".
    """
    found, error = vendor_error(response.content), parse_refusal(Refusal, response.content).error or ErrorBody()
    status = response.status_code
    reasons = error.metadata and (error.metadata.reasons or error.metadata.flagged_input)
    reason = Reason.CONTENT_POLICY if status == HTTPStatus.FORBIDDEN and reasons else reason_for_status(status)
    words = "; ".join(
        filter(None, [found.message or error.message, *((error.metadata and error.metadata.reasons) or ())])
    )
    return ImageError(
        reason,
        f"{names.title} answered {status}" + (f": “{sanitize(words)}”" if words else "."),
        hint=hints(names).get(reason, "Change the request as the message says."),
        retry_after=retry_after(response.headers),
        facts={"request_id": request_id(response.headers)},
    )


class ServedModel(VendorModel):
    id: str


class Listing(VendorModel):
    data: tuple[ServedModel, ...]


async def lifecycles(wire: Wire, endpoint: Endpoint) -> dict[str, None]:
    """Return the ids of GET /images/models; OpenRouter names no day on which one ends."""
    listing = parse_answer(Listing, (await wire.free("GET", f"{endpoint.base_url}/images/models")).content)
    return dict.fromkeys(model.id for model in listing.data)
