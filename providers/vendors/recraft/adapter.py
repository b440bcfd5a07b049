"""Recraft: POST /images/{endpoint}, JSON to generate and multipart to edit; images come back as base64 or links.

Facts: the vendor's OpenAPI copy and docs of 2026, as of 2026-11-29; not checked against the service. The answer states
the cost in API units, of which 1,000 are 1 USD. Doubtful: the codes of refusals, so the adapter reads their words.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.types import Endpoint, Operation
from atelier.providers.transport.multipart import multipart
from atelier.providers.transport.vendor_json import (
    Lenient,
    VendorModel,
    invalid_response,
    parse_answer,
    parse_refusal,
    reason_for_status,
)
from atelier.providers.transport.wire import Wire, httpx, retry_after
from atelier.providers.vendors.contract import Job, Reply
from atelier.providers.vendors.image_links import Item, ItemsAnswer, images_of, losses, note_links, noted
from atelier.providers.vendors.recraft.models import ERASE

ENDPOINT = Endpoint(
    base_url="https://external.api.recraft.ai/v1",
    base_url_variable="RECRAFT_BASE_URL",
    base_path="/v1",
    key_variables=("RECRAFT_API_TOKEN", "RECRAFT_API_KEY"),
    key_page="https://www.recraft.ai/profile/api",
    trusted_hosts=("external.api.recraft.ai",),
    timeout=180.0,
)

REDRAW, INPAINT, BACKGROUND = "imageToImage", "inpaint", "replaceBackground"
USUAL_STRENGTH = 0.4  # /imageToImage requires one; the vendor names no usual value
USD_PER_UNIT = Decimal("0.001")
MAX_UNITS = 1_000_000  # 1,000 USD; a higher number is not a price


def prepare(job: Job) -> httpx.Request:
    """Build the request. It asks for base64 by default, as an image behind a link is lost when the download fails."""
    request, endpoint = job.request, _endpoint(job)
    _check(job, endpoint)
    fields: dict[str, Any] = {
        "model": None if job.model.wire else job.model.id,
        "prompt": request.prompt or None,
        "negative_prompt": request.negative_prompt,
        "n": request.count if request.count > 1 else None,
        "size": request.size or request.aspect_ratio,
        "style": request.style,
        "random_seed": request.seed,
        "strength": _strength(job, endpoint),
        "image_format": request.output_format,
        "response_format": "url" if request.response_format == "url" else "b64_json",
        **request.options,
    }
    url = f"{job.endpoint.base_url}/images/{endpoint}"
    if not request.sources:
        return httpx.Request("POST", url, json={name: value for name, value in fields.items() if value is not None})
    field = "file" if job.model.wire and job.model.wire != ERASE else "image"
    masks = [("mask", request.mask)] if request.mask else []  # white = change here as well
    return multipart(url, fields, [*((field, source) for source in request.sources), *masks])


def _endpoint(job: Job) -> str:
    """Return the endpoint: a tool's own, or the one of the operation; with a mask an edit is an inpainting."""
    request = job.request
    if job.model.wire:
        return job.model.wire
    if request.operation is Operation.REPLACE_BACKGROUND:
        return BACKGROUND
    if request.mask:
        return INPAINT
    return REDRAW if request.sources else "generations"


def _strength(job: Job, endpoint: str) -> float | None:
    if endpoint != REDRAW:
        return None
    return USUAL_STRENGTH if job.request.strength is None else job.request.strength


def _check(job: Job, endpoint: str) -> None:
    """Raise for what the endpoint has no field for; the gates let an unlisted model pass with more."""
    request = job.request
    refused = {
        "images": len(request.sources) > 1,
        "mask": request.mask is not None and endpoint not in (INPAINT, ERASE),
        "strength": request.strength is not None and endpoint != REDRAW,
        "size": bool(request.sources and request.size),  # the result is as large as the source
        "aspect_ratio": bool(request.sources and request.aspect_ratio),
    }
    for option in (name for name, is_refused in refused.items() if is_refused):
        message = f"{job.model.id} has no {option} at its endpoint {endpoint}."
        raise ImageError(Reason.UNSUPPORTED_OPTION, message, hint="Leave it out.", facts={"option": option})
    if endpoint == ERASE and request.mask is None:
        hint = "Give a mask that is white, or transparent, where something goes."
        raise ImageError(Reason.INVALID_REQUEST, f"{job.model.id} needs a mask.", hint=hint)


class Answer(ItemsAnswer):
    """`data` of the models, `image` of the tools; `credits` is the cost of the whole call in API units."""

    data: tuple[Lenient[Item], ...] = ()
    image: Lenient[Item] = None
    credits: Lenient[Annotated[Decimal, Field(ge=0, lt=MAX_UNITS)]] = None

    @property
    def items(self) -> tuple[Item | None, ...]:
        """The images of either kind of answer."""
        return (self.image,) if self.image else self.data


async def read(response: httpx.Response, job: Job, wire: Wire) -> Reply:
    """Return the images. Links are saved before they are followed."""
    answer, id = parse_answer(Answer, response.content), response.headers.get("x-recraft-requestid")
    await note_links(id, answer, answer.items, wire)
    return await _reply(id, answer, job, wire)


async def _reply(id: str | None, answer: Answer, job: Job, wire: Wire) -> Reply:
    if not answer.items:
        raise invalid_response("Recraft answered without an image.")
    images, failures = await images_of("Recraft", answer.items, wire)
    missing = job.request.count - len(answer.items)
    short = (f"Recraft sent {len(answer.items)} of {job.request.count} images.",) if missing > 0 else ()
    return Reply(
        pictures=images,
        cost_usd=None if answer.credits is None else answer.credits * USD_PER_UNIT,
        warnings=(*losses(images, failures), *short),
        collectable=any(failure.collectable for failure in failures),
        details={"request_id": id},
    )


REASONS: tuple[tuple[str, Reason], ...] = (
    (r"moderat|nsfw|content policy|prohibited|unsafe", Reason.CONTENT_POLICY),
    (r"\bcredits?\b|\bbalance\b|api units", Reason.QUOTA_EXCEEDED),
)
"""Pattern in a refusal -> reason; the status decides the rest."""

HINTS: dict[Reason, str] = {
    Reason.CONTENT_POLICY: "Reword the prompt or use another source image.",
    Reason.QUOTA_EXCEEDED: "Buy API units of Recraft or use another vendor.",
    Reason.AUTHENTICATION: "Check RECRAFT_API_TOKEN.",
    Reason.UNKNOWN_MODEL: "Call list_models for the models that are known here.",
    Reason.RATE_LIMITED: "Call again in a few seconds.",
    Reason.PROVIDER_UNAVAILABLE: "Try again later or use another vendor.",
}


class Refusal(VendorModel):
    """`{"code", "message"}`"""

    code: Lenient[str | int] = None
    message: Lenient[str] = None


def explain(response: httpx.Response) -> ImageError:
    """Explain `{"code", "message"}`, or a gateway's version of it."""
    refusal, status = parse_refusal(Refusal, response.content), response.status_code
    words = ": ".join(str(part) for part in (refusal.code, refusal.message) if part)
    reason = reason_for_status(status)
    if 400 <= status < 500 and reason is not Reason.RATE_LIMITED:
        found = (meant for pattern, meant in REASONS if re.search(pattern, words, re.IGNORECASE))
        reason = next(found, reason)
    return ImageError(
        reason,
        f"Recraft answered {status}" + (f": “{sanitize(words)}”" if words else "."),
        hint=HINTS.get(reason, "Change the request as the message says."),
        retry_after=retry_after(response.headers),
        facts={"request_id": response.headers.get("x-recraft-requestid"), "code": sanitize(refusal.code or "", 60)},
    )


async def collect(job: Job, wire: Wire) -> Reply:
    """Return the images behind saved links, which the vendor keeps for about a day."""
    return await _reply(*noted(job, Answer), job, wire)
