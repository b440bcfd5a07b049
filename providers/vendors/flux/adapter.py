"""Black Forest Labs: POST /v1/{model} with JSON returns a task; its polling URL returns a link to the image.

Facts: the vendor's OpenAPI and docs of 2026-05, FLUX 3 and flux-tools as read by third parties up to 2026-10. A blocked
image is a status in a 200. The first answer states the cost.
"""

from __future__ import annotations

import base64
from typing import Any

from pydantic import JsonValue

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.gates.option_gates import SIDES
from atelier.providers.core.types import Endpoint, Feature, Picture
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
from atelier.providers.vendors.flux.tasks import FAILURES, UNKNOWN, Task, TaskState, reply_of

ENDPOINT = Endpoint(
    base_url="https://api.bfl.ai",
    base_url_variable="BFL_BASE_URL",
    key_variables=("BFL_API_KEY",),
    key_page="https://dashboard.bfl.ai",
    key_header="x-key",
    key_prefix="",
    trusted_hosts=("bfl.ai",),  # a task is polled where it runs, for example at api.eu2.bfl.ai
    timeout=60.0,  # of one exchange; a task may take minutes
)

FIELDS = {"images": 10, "input_image": 8}
"""`Model.wire` -> number of source images that the family has fields for; others have one."""


def prepare(job: Job) -> httpx.Request:
    """Build the request. An option that the caller left out is not sent."""
    request, model = job.request, job.model
    if Feature.MASK in model.features and request.mask is None:  # erasing needs one as inpainting does
        hint = "Give a mask that is white, or transparent, where the image changes."
        raise ImageError(Reason.INVALID_REQUEST, f"{model.id} needs a mask.", hint=hint)
    max_sources = min(FIELDS.get(model.wire, 1), model.max_sources)
    if len(request.sources) > max_sources:  # also of an unlisted model: the vendor drops the others and bills
        message = f"{model.id} takes at most {max_sources} source images; {len(request.sources)} were given."
        raise ImageError(Reason.UNSUPPORTED_OPTION, message, hint="Give fewer.", facts={"option": "images"})
    width, height = job.size or (None, None)
    body: dict[str, Any] = {
        "prompt": request.prompt or None,
        "width": width,
        "height": height,
        "aspect_ratio": None if job.size else request.aspect_ratio,
        "resolution": None if job.size else request.resolution,
        "seed": request.seed,
        "output_format": request.output_format,
        "image_prompt_strength": None if request.strength is None else round(1 - request.strength, 4),
        **request.options,
        **_pictures(job),
    }
    present = {name: value for name, value in body.items() if value is not None}
    return httpx.Request("POST", f"{job.endpoint.base_url}/v1/{model.id}", json=present)


def _pictures(job: Job) -> dict[str, Any]:
    """Return the sources and the mask in the fields of the family. The mask is white where it changes, as ours is."""
    sources, options = job.request.sources, job.request.options
    encoded = [_base64(source) for source in sources]
    match job.model.wire:
        case "images":
            return {"images": encoded or None}
        case "input_image":
            numbered = {f"input_image_{number}": data for number, data in enumerate(encoded[1:], 2)}
            return {"input_image": encoded[0] if encoded else None, **numbered}
        case "canvas":
            left, right, top, bottom = (int(options.get(side) or 0) for side in SIDES)
            width, height = left + sources[0].width + right, top + sources[0].height + bottom
            corner = {"reference_offset_x": left, "reference_offset_y": top}
            return {**dict.fromkeys(SIDES), "input_image": encoded[0], "width": width, "height": height, **corner}
        case field:
            mask = _base64(job.request.mask) if job.request.mask else None
            return {field: encoded[0] if encoded else None, "mask": mask}


def _base64(source: Picture) -> str:
    return base64.b64encode(source.image_bytes).decode()


async def read(response: httpx.Response, job: Job, wire: Wire) -> Reply:
    """Save the task, which is paid for by now, wait for it and download its image."""
    task = parse_answer(Task, response.content)
    if not (task.polling_url or task.id):
        raise invalid_response("Black Forest Labs accepted the request but names no task.")
    await wire.save_vendor_task(task.model_dump(mode="json"))
    return await reply_of(task, job, wire)


HINTS: dict[Reason, str] = {
    Reason.CONTENT_POLICY: "Reword the prompt or use other source images.",
    Reason.QUOTA_EXCEEDED: "Add credits to the Black Forest Labs account or use another vendor.",
    Reason.AUTHENTICATION: "Check BFL_API_KEY.",
    Reason.UNKNOWN_MODEL: "Call list_models for the models that are known here.",
    Reason.RATE_LIMITED: "Wait until tasks are done; the vendor runs 24 at once, of flux-kontext-max 6.",
    Reason.PROVIDER_UNAVAILABLE: "Try again later or use another vendor.",
    Reason.INVALID_RESPONSE: "Try again or use another model; the vendor may have billed this call.",
}


class FieldError(VendorModel):
    """One of FastAPI's validation errors; `loc` begins with "body"."""

    loc: Lenient[tuple[str | int, ...]] = None
    msg: Lenient[str] = None
    type: Lenient[str] = None


class Refusal(VendorModel):
    """A request that was refused (`detail`) or a task that failed (`status` and `details`)."""

    detail: Lenient[str | tuple[Lenient[FieldError], ...]] = None
    status: TaskState = ""
    details: Lenient[JsonValue] = None


def explain(response: httpx.Response) -> ImageError:
    """Explain `{"detail": "..."}`, `{"detail": [{"loc", "msg", "type"}]}` or a failed task, `{"status", "details"}`."""
    refusal = parse_refusal(Refusal, response.content)
    event, reason = f"answered {response.status_code}", reason_for_status(response.status_code)
    detail: object = refusal.detail
    facts = dict[str, Any]()
    if refusal.status in FAILURES:
        event, reason = f"ended the task with “{refusal.status}”", FAILURES[refusal.status]
        detail, facts["code"] = refusal.details, refusal.status
        if reason is not Reason.CONTENT_POLICY:
            facts["outcome"] = "unknown"
        if refusal.status != UNKNOWN:
            facts["collectable"] = False
    elif isinstance(refusal.detail, tuple):
        errors = [error for error in refusal.detail if error]
        detail = "; ".join(f"{'.'.join(map(str, (error.loc or ())[1:]))}: {error.msg or ''}" for error in errors)
        if any(error.type == "extra_forbidden" for error in errors):
            reason = Reason.UNSUPPORTED_OPTION
    return ImageError(
        reason,
        f"Black Forest Labs {event}" + (f": “{sanitize(detail)}”" if detail else "."),
        hint=HINTS.get(reason, "Change the request as the message says."),
        retry_after=retry_after(response.headers),
        facts=facts,
    )


async def collect(job: Job, wire: Wire) -> Reply:
    """Return the image of a task that a process saved before it died."""
    return await reply_of(Task.model_validate(job.task), job, wire)
