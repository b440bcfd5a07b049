"""fal: POST queue.fal.run/{endpoint id} with JSON returns a request; its status is polled, its result has links.

Facts: the vendor's client 1.0.3 and docs as of 2026-11. The whole body is the model's input; no answer states a price.
"""

from __future__ import annotations

import base64
import re
from http import HTTPStatus
from typing import Any

from pydantic import JsonValue

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.types import Endpoint, ImageRequest, Picture
from atelier.providers.transport.vendor_json import (
    Lenient,
    VendorModel,
    parse_answer,
    parse_refusal,
    reason_for_status,
)
from atelier.providers.transport.wire import Wire, httpx, retry_after
from atelier.providers.vendors.contract import Job, Reply
from atelier.providers.vendors.fal.credentials import KEY, KEY_ID, KEY_SECRET
from atelier.providers.vendors.fal.models import EDIT_LIST, IMAGE_TO_IMAGE, MODELS
from atelier.providers.vendors.fal.requests import Queued, images_in, reason_for_type, reply_of

ENDPOINT = Endpoint(
    base_url="https://queue.fal.run",
    base_url_variable="FAL_BASE_URL",
    key_variables=(KEY, KEY_ID),
    variables=(KEY_SECRET,),
    key_page="https://fal.ai/dashboard/keys",
    trusted_hosts=("fal.run", "falrun.com"),
    timeout=60.0,  # of one exchange; a request may take minutes
)

RESOLUTIONS = {"512": "0.5K", "1k": "1K", "2k": "2K", "4k": "4K"}
EDITS = re.compile(r"(.*/)?(edit|image-to-image|inpaint\w*|.*(upscal|esrgan|rembg|birefnet|remov).*)(/.*)?")
"""Endpoints that are known to take a source by their name; others would ignore it and bill a new picture."""

FIXED = {"fal-ai/ideogram/v3": {"rendering_speed": "BALANCED"}}
"""Fields of which the listed price depends."""


def prepare(job: Job) -> httpx.Request:
    """Build the request. An option that the caller left out is not sent."""
    request, model = job.request, job.model
    if model.any_value:
        _check_unlisted(request, model.id)
    width, height = job.size or (None, None)
    body: dict[str, Any] = {
        **FIXED.get(model.id, {}),
        "prompt": request.prompt or None,
        "num_images": request.count if request.count > 1 else None,
        "image_size": {"width": width, "height": height} if job.size else None,
        "aspect_ratio": None if job.size else request.aspect_ratio,
        "resolution": RESOLUTIONS.get(request.resolution or "", request.resolution),
        "output_format": request.output_format,
        "seed": request.seed,
        "strength": request.strength,  # 1 ignores the source here as well
        **request.options,
    }
    present = {name: value for name, value in body.items() if value is not None}
    id, sources = _endpoint(job)
    return httpx.Request("POST", f"{job.endpoint.base_url}/{id}", json={**present, **sources})


def _endpoint(job: Job) -> tuple[str, dict[str, Any]]:
    """Return the endpoint id and the fields of the sources."""
    model, links = job.model, [_data_uri(source) for source in job.request.sources]
    if not links:
        return model.id, {}
    if model.any_value:
        return model.id, {"image_urls": links} if model.id.endswith(f"/{EDIT_LIST}") else {"image_url": links[0]}
    field = {"image_url": links[0]} if model.wire == IMAGE_TO_IMAGE else {"image_urls": links}
    return f"{model.id}/{model.wire}", field


def _check_unlisted(request: ImageRequest, id: str) -> None:
    """Refuse what an unlisted endpoint may ignore and bill. The endpoint's own fields are given as options."""
    has_relative = any(id.startswith(row.id) for row in MODELS)
    unclear = {
        "size": request.size,
        "aspect_ratio": request.aspect_ratio,
        "resolution": request.resolution,
        "strength": request.strength,
        "mask": request.mask,
    }
    option = next((name for name, value in unclear.items() if value is not None), None)
    if option and (option == "mask" or not has_relative):
        message = f"{id} is not listed, so what it calls {option} is not known."
        raise ImageError(
            Reason.UNSUPPORTED_OPTION, message, hint="Leave it out, or use a listed model.", facts={"option": option}
        )
    if request.sources and not EDITS.fullmatch(id):
        message = f"{id} is not known to take a source image."
        hint = "Name the endpoint that edits, for example one that ends in /edit or /image-to-image."
        raise ImageError(Reason.UNSUPPORTED_OPTION, message, hint=hint, facts={"option": "images"})
    if len(request.sources) > 1 and not id.endswith(f"/{EDIT_LIST}"):
        message = f"{id} takes one source image; {len(request.sources)} were given."
        raise ImageError(Reason.UNSUPPORTED_OPTION, message, hint="Give one.", facts={"option": "images"})


def _data_uri(source: Picture) -> str:
    return f"data:{source.mime};base64,{base64.b64encode(source.image_bytes).decode()}"


async def read(response: httpx.Response, job: Job, wire: Wire) -> Reply:
    """Save the request, which is queued by now, wait for it and download its images.

    `fal.run` as the base URL, in place of the queue's, answers with the images at once.
    """
    queued = parse_answer(Queued, response.content)
    if not (queued.status_url and queued.response_url):
        return await images_in(queued, response, wire)
    await wire.save_vendor_task(queued.model_dump(mode="json"))
    return await reply_of(queued, wire)


HINTS: dict[Reason, str] = {
    Reason.CONTENT_POLICY: "Reword the prompt or use other source images.",
    Reason.QUOTA_EXCEEDED: "Add credits to the fal account or use another vendor.",
    Reason.AUTHENTICATION: "Check FAL_KEY or FAL_KEY_ID, and that the key may use this endpoint.",
    Reason.UNKNOWN_MODEL: "Give an endpoint id of fal.ai/models, as fal/owner/name, or call list_models.",
    Reason.RATE_LIMITED: "Wait until requests are done, or raise the account's concurrency.",
    Reason.PROVIDER_UNAVAILABLE: "Try again later or use another vendor.",
}


class FieldError(VendorModel):
    """One of FastAPI's validation errors, and of the vendor's own; `type` decides."""

    loc: Lenient[tuple[str | int, ...]] = None
    msg: Lenient[str] = None
    type: Lenient[str] = None


class Refusal(VendorModel):
    detail: Lenient[str | tuple[Lenient[FieldError], ...]] = None
    error_type: Lenient[str] = None
    error: Lenient[JsonValue] = None


def explain(response: httpx.Response) -> ImageError:
    """Explain `{"detail": "..."}`, `{"detail": [{"loc", "msg", "type"}]}` or an `error_type`."""
    refusal, status = parse_refusal(Refusal, response.content), response.status_code
    errors = [error for error in refusal.detail if error] if isinstance(refusal.detail, tuple) else []
    words: object = refusal.detail or refusal.error
    if errors:
        words = "; ".join(f"{'.'.join(map(str, (each.loc or ())[1:]))}: {each.msg or ''}" for each in errors)
    code = next((each.type for each in errors if each.type), None) or refusal.error_type
    code = sanitize(code or response.headers.get("x-fal-error-type") or "", 60)
    reason = reason_for_type(code) or reason_for_status(status)
    if status == HTTPStatus.FORBIDDEN and "balance" in str(words).lower():  # "User is locked. Reason: Exhausted ..."
        reason = Reason.QUOTA_EXCEEDED
    return ImageError(
        reason,
        f"fal answered {status}{f' {code}' if code else ''}" + (f": “{sanitize(words)}”" if words else "."),
        hint=HINTS.get(reason, "Change the request as the message says."),
        retry_after=retry_after(response.headers),
        facts={"code": code} if code else {},
    )


async def collect(job: Job, wire: Wire) -> Reply:
    """Return the images of a request that a process saved before it died."""
    return await reply_of(Queued.model_validate(job.task), wire)


async def cancel(job: Job, wire: Wire) -> None:
    """Ask fal to drop the request; what still waits in the queue is free. The SDK uses PUT, some programs DELETE."""
    queued = Queued.model_validate(job.task)
    if queued.cancel_url:
        await wire.free("PUT", queued.cancel_url)
