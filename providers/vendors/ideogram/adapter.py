"""Ideogram: POST /v1/{model}/{endpoint} as multipart; images come back as links that are valid for a short time.

Facts: copies of the vendor's docs of 2026, as of 2026-11-29; not checked against the service. An unsafe image is a 200
without a link, an unsafe prompt a 422. No answer states a price. Doubtful: whether an unsafe image is billed (taken as
unknown), and 10 requests at once.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.types import Endpoint, Operation
from atelier.providers.images.masks import black_where_white
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
from atelier.providers.vendors.ideogram.models import V4
from atelier.providers.vendors.image_links import Item, ItemsAnswer, images_of, losses, note_links, noted

ENDPOINT = Endpoint(
    base_url="https://api.ideogram.ai",
    base_url_variable="IDEOGRAM_BASE_URL",
    key_variables=("IDEOGRAM_API_KEY",),
    key_page="https://ideogram.ai/manage-api",
    key_header="Api-Key",
    key_prefix="",
    trusted_hosts=("api.ideogram.ai",),
    timeout=180.0,
)


def prepare(job: Job) -> httpx.Request:
    """Build the request. An option that the caller left out is not sent."""
    request, endpoint = job.request, _endpoint(job)
    _check(job, endpoint)
    fields: dict[str, Any] = {
        "text_prompt" if job.model.wire == V4 else "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "seed": request.seed,
        "aspect_ratio": request.aspect_ratio and request.aspect_ratio.replace(":", "x"),
        "rendering_speed": request.quality and request.quality.upper(),
        "style_type": request.style and request.style.upper(),
        "num_images": request.count if request.count > 1 else None,
        "image_weight": None if request.strength is None else max(1, round(100 * (1 - request.strength))),
        **{name: str(value).upper() for name, value in request.options.items()},
    }
    files = [("image", source) for source in request.sources]
    if request.mask:
        files.append(("mask", black_where_white(request.mask)))
    return multipart(f"{job.endpoint.base_url}/v1/{job.model.id}/{endpoint}", fields, files)


def _endpoint(job: Job) -> str:
    """Return the endpoint of an operation; with a mask an edit is an inpainting."""
    if job.request.operation is Operation.REPLACE_BACKGROUND:
        return "replace-background"
    if job.request.mask:
        return "inpaint"
    return "remix" if job.request.sources else "generate"


def _check(job: Job, endpoint: str) -> None:
    """Raise for what the endpoint has no field for; the gates let an unlisted model pass with more."""
    request, id = job.request, job.model.id
    if not request.prompt.strip():
        raise ImageError(Reason.INVALID_REQUEST, f"{id} needs a prompt.", hint="Add it and call again.")
    refused = {
        "images": len(request.sources) > 1 or (bool(request.sources) and job.model.wire == V4),
        "strength": request.strength is not None and endpoint != "remix",
        "mask": request.mask is not None and endpoint != "inpaint",
        "negative_prompt": request.negative_prompt is not None and endpoint not in ("generate", "remix"),
        "aspect_ratio": request.aspect_ratio is not None and endpoint not in ("generate", "remix"),
    }
    for option in (name for name, is_refused in refused.items() if is_refused):
        message = f"{id} has no {option} at its endpoint {endpoint}."
        raise ImageError(Reason.UNSUPPORTED_OPTION, message, hint="Leave it out.", facts={"option": option})


class Made(Item):
    """`url` is empty where the image is not safe; `prompt` is the one that was used."""

    revised_prompt: Lenient[str] = Field(default=None, validation_alias="prompt")
    is_image_safe: Lenient[bool] = None


class Answer(ItemsAnswer):
    data: tuple[Lenient[Made], ...] = ()


async def read(response: httpx.Response, job: Job, wire: Wire) -> Reply:
    """Return every image that passed moderation, and warn of the others. Links are saved before they are followed."""
    answer, id = parse_answer(Answer, response.content), response.headers.get("x-request-id")
    await note_links(id, answer, answer.data, wire)
    return await _reply(id, answer, job, wire)


async def _reply(id: str | None, answer: Answer, job: Job, wire: Wire) -> Reply:
    if not answer.data:
        raise invalid_response("Ideogram answered without an image.")
    safe = [item for item in answer.data if item is None or item.is_image_safe is not False]
    if not safe:
        raise ImageError(
            Reason.CONTENT_POLICY,
            "Ideogram withheld the image, because it is not safe.",
            hint="Reword the prompt; the vendor may have billed this image.",
            facts={"outcome": "unknown", "request_id": id},
        )
    images, failures = await images_of("Ideogram", safe, wire)
    warnings = list(losses(images, failures))
    if withheld := len(answer.data) - len(safe):
        warnings.append(f"Ideogram withheld {withheld} of {len(answer.data)} images, because they are not safe.")
    return Reply(
        pictures=images,
        warnings=tuple(warnings),
        collectable=any(failure.collectable for failure in failures),
        details={"request_id": id},
    )


HINTS: dict[Reason, str] = {
    Reason.CONTENT_POLICY: "Reword the prompt or use another source image.",
    Reason.QUOTA_EXCEEDED: "Add credit to the Ideogram account or use another vendor.",
    Reason.AUTHENTICATION: "Check IDEOGRAM_API_KEY.",
    Reason.RATE_LIMITED: "Wait until calls are done; the vendor runs 10 at once.",
    Reason.PROVIDER_UNAVAILABLE: "Try again later or use another vendor.",
}


class Refusal(VendorModel):
    """`{"error"}`, or problem JSON with `title` and `detail`."""

    error: Lenient[str] = None
    title: Lenient[str] = None
    detail: Lenient[str] = None


def explain(response: httpx.Response) -> ImageError:
    """Explain either of the vendor's two shapes, or a gateway's version of it. 422 is a matter of content."""
    refusal, status = parse_refusal(Refusal, response.content), response.status_code
    words = refusal.error or refusal.detail or refusal.title
    reason = Reason.CONTENT_POLICY if status == 422 else reason_for_status(status)
    return ImageError(
        reason,
        f"Ideogram answered {status}" + (f": “{sanitize(words)}”" if words else "."),
        hint=HINTS.get(reason, "Change the request as the message says."),
        retry_after=retry_after(response.headers),
        facts={"request_id": response.headers.get("x-request-id")},
    )


async def collect(job: Job, wire: Wire) -> Reply:
    """Return the images behind saved links, where they are still valid."""
    return await _reply(*noted(job, Answer), job, wire)
