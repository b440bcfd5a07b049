"""Stable Diffusion web UIs: POST /sdapi/v1/txt2img, /img2img or /extra-single-image with JSON; images come as base64.

Facts: the source of AUTOMATIC1111 and SD.Next as of 2026. Unknown fields are believed to be ignored. White in a mask
changes, and a strength of 1 ignores the source. Doubtful: what forks answer for an unknown checkpoint, so its name is
checked before; and Forge's inpainting, which reports say needs `initial_noise_multiplier` and `mask_blur`.
"""

from __future__ import annotations

import base64
import math
from decimal import Decimal
from typing import Any

from pydantic import JsonValue

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.types import Endpoint, Picture
from atelier.providers.images.identify import picture
from atelier.providers.transport.vendor_json import (
    Lenient,
    VendorModel,
    base64_bytes,
    invalid_response,
    lenient_json,
    parse_answer,
    parse_refusal,
    reason_for_status,
)
from atelier.providers.transport.wire import Wire, httpx, retry_after
from atelier.providers.vendors.contract import Job, Reply
from atelier.providers.vendors.sd_webui.models import UPSCALE

AUTH = "SD_WEBUI_AUTH"

ENDPOINT = Endpoint(
    base_url="http://127.0.0.1:7860",
    base_url_variable="SD_WEBUI_URL",
    variables=(AUTH,),
    concurrency=1,  # the server works on one job at a time
    timeout=600.0,  # the first call loads the model
)

DEFAULT_STEPS = 20  # the API's own default is 50 in AUTOMATIC1111
DEFAULT_UPSCALER = "R-ESRGAN 4x+"  # with the API's own default, "None", the image is only resized
MAX_SOURCE_PIXELS = 1536**2  # a larger source is changed at this size, because memory would run out
INPAINTING: dict[str, Any] = {"inpainting_fill": 1, "inpaint_full_res_padding": 32, "initial_noise_multiplier": 1}
"""Start from the original, with some of the surroundings; the API's own defaults are a flat fill and none."""


def prepare(job: Job) -> httpx.Request:
    """Build the request. An option that the caller left out is not sent, except where the API's default is a trap."""
    if job.model.id == UPSCALE:
        return _request(job, "extra-single-image", _upscale(job))
    return _request(job, "img2img" if job.request.sources else "txt2img", _image(job))


def _request(job: Job, path: str, fields: dict[str, Any]) -> httpx.Request:
    present = {name: value for name, value in fields.items() if value is not None}
    return httpx.Request("POST", f"{job.endpoint.base_url}/sdapi/v1/{path}", json=present)


def _upscale(job: Job) -> dict[str, Any]:
    options = job.request.options
    return {
        "image": _base64(job.request.sources[0]),
        "upscaling_resize": options.get("factor"),
        "upscaler_1": options.get("upscaler", DEFAULT_UPSCALER),
    }


def _image(job: Job) -> dict[str, Any]:
    request, options = job.request, dict(job.request.options)
    checkpoint = options.pop("checkpoint", job.model.id if job.model.any_value else None)
    settings = {
        "sd_model_checkpoint": checkpoint,
        "samples_format": "jpg" if request.output_format == "jpeg" else request.output_format,
    }
    settings = {name: value for name, value in settings.items() if value is not None}
    width, height = job.size or (size_of(request.sources[0]) if request.sources else (None, None))
    return {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "steps": DEFAULT_STEPS,
        "n_iter": request.count if request.count > 1 else None,  # one after the other, which needs less memory
        "width": width,
        "height": height,
        "seed": request.seed,
        "init_images": [_base64(source) for source in request.sources] or None,
        "denoising_strength": request.strength,
        **({"mask": _base64(request.mask), "mask_blur": 4, **INPAINTING} if request.mask else {}),
        **options,
        "override_settings": settings or None,
        "override_settings_restore_afterwards": False if checkpoint else None,  # or each call would load it again
    }


def size_of(source: Picture) -> tuple[int, int]:
    """Return the size in which a source is changed: its own, in steps of 8, within the memory of usual machines."""
    scale = min(1.0, math.sqrt(MAX_SOURCE_PIXELS / (source.width * source.height)))
    return max(64, round(source.width * scale / 8) * 8), max(64, round(source.height * scale / 8) * 8)


def _base64(source: Picture) -> str:
    return base64.b64encode(source.image_bytes).decode()


class Answer(VendorModel):
    """`images` of generations, `image` of an upscale. `info` is JSON in a text."""

    images: Lenient[tuple[Lenient[str], ...]] = None
    image: Lenient[str] = None
    info: Lenient[str] = None


class Info(VendorModel):
    all_seeds: Lenient[tuple[Lenient[int], ...]] = None
    index_of_first_image: Lenient[int] = None
    sd_model_name: Lenient[str] = None
    sampler_name: Lenient[str] = None
    steps: Lenient[int] = None


async def read(response: httpx.Response, job: Job, wire: Wire) -> Reply:
    """Return the images, which cost nothing. A grid of several comes first and is left out."""
    answer = parse_answer(Answer, response.content)
    info = _info(answer.info)
    images = [image for image in (answer.images or (answer.image,)) if image][info.index_of_first_image or 0 :]
    if not images:
        raise invalid_response("The server answered without an image.")
    seeds = [*(info.all_seeds or ()), *[None] * len(images)]
    pictures = [picture(base64_bytes(data), seed=seed) for data, seed in zip(images, seeds, strict=False)]
    details = info.model_dump(include={"sd_model_name", "sampler_name", "steps"}, exclude_none=True)
    return Reply(pictures=tuple(pictures), cost_usd=Decimal(0), warnings=tuple(_warnings(job)), details=details)


def _info(text: str | None) -> Info:
    try:
        return Info.model_validate(lenient_json((text or "{}").encode()))
    except ValueError:
        return Info()


def _warnings(job: Job) -> list[str]:
    sources = job.request.sources
    if not sources or job.size or job.model.id == UPSCALE or size_of(sources[0])[0] == sources[0].width:
        return []
    width, height = size_of(sources[0])
    return [f"Made at {width}x{height}, since the source is too large or not in steps of 8 pixels."]


HINTS: dict[Reason, str] = {
    Reason.AUTHENTICATION: f"The server asks for a login (--api-auth); set {AUTH} to it, as user:password.",
    Reason.UNKNOWN_MODEL: "Start the server with --api; SD_WEBUI_URL is its address.",
    Reason.PROVIDER_UNAVAILABLE: "Look at the server's window for what went wrong.",
}


class Refusal(VendorModel):
    error: Lenient[str] = None
    detail: Lenient[JsonValue] = None
    errors: Lenient[JsonValue] = None


def explain(response: httpx.Response) -> ImageError:
    """Explain `{"error", "detail", "errors"}`, or FastAPI's list of invalid fields."""
    refusal, status = parse_refusal(Refusal, response.content), response.status_code
    words = next((str(each) for each in (refusal.detail, refusal.errors, refusal.error) if each), "")
    reason = reason_for_status(status)
    hint = HINTS.get(reason, "Change the request as the message says.")
    if "OutOfMemory" in (refusal.error or "") or "out of memory" in words:
        reason, hint = Reason.INVALID_REQUEST, "Ask for a smaller size or fewer images at once."
    elif "ampler not found" in words:
        reason, hint = Reason.INVALID_REQUEST, "Take a sampler that the server has; names are exact."
    return ImageError(
        reason,
        f"The Stable Diffusion server answered {status}" + (f": “{sanitize(words)}”" if words else "."),
        hint=hint,
        retry_after=retry_after(response.headers),
    )
