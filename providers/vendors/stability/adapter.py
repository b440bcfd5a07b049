"""Stability AI: POST /v2beta/stable-image/{endpoint} as multipart; one image comes back as base64 in JSON.

Two endpoints answer with an id instead; /v2beta/results/{id} returns its image to the same key. Facts: the vendor's
OpenAPI document of 2026. A filtered image is a 200 with a blurred image; no answer states a price.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import Field

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.types import Endpoint, ImageRequest, Model
from atelier.providers.images.identify import picture
from atelier.providers.transport.multipart import multipart
from atelier.providers.transport.vendor_json import (
    Lenient,
    VendorModel,
    base64_bytes,
    invalid_response,
    parse_answer,
    parse_refusal,
    reason_for_status,
)
from atelier.providers.transport.wire import Wire, httpx, retry_after
from atelier.providers.vendors.contract import Job, Reply
from atelier.providers.vendors.stability.models import (
    ENDED,
    ERASE,
    OUTPAINT,
    RECOLOR,
    RELIGHT,
    REPLACE,
    REROUTED,
    SD3,
    SKETCH,
    STRUCTURE,
    STYLE,
    V1,
)

ENDPOINT = Endpoint(
    base_url="https://api.stability.ai",
    base_url_variable="STABILITY_BASE_URL",
    key_variables=("STABILITY_API_KEY",),
    key_page="https://platform.stability.ai/account/keys",
    trusted_hosts=("api.stability.ai",),
    timeout=120.0,
)

POLL_INTERVAL = 10.0  # seconds; polling more often may be rate limited
FILTERED = "CONTENT_FILTERED"  # the finish_reason of a blurred image
LIGHT = {"light_source_strength", "light_source_direction"}
RATE_LIMIT_DELAY = 60.0  # seconds for which an account is blocked after 150 requests in 10 seconds

FIELDS = {
    OUTPAINT: {"top": "up", "bottom": "down"},
    REPLACE: {"search": "search_prompt"},
    RECOLOR: {"search": "select_prompt"},
    RELIGHT: {"prompt": "background_prompt"},
}
"""Endpoint -> our word for a field -> its own."""

LIKENESS = {STRUCTURE: "control_strength", SKETCH: "control_strength", STYLE: "fidelity"}
"""Endpoint -> its field of the opposite sense to our strength: 1 keeps the source, 0 ignores it."""

STRENGTHS = {"sd3.5-flash": 0.95}  # 0.94 to 0.97 gives the best results with this model
USUAL_STRENGTH = 0.65  # the default of the vendor's v1 API, which counted the other way: image_strength 0.35


def prepare(job: Job) -> httpx.Request:
    """Build the request. An option that the caller left out is not sent, except a strength that the vendor requires."""
    request, endpoint = job.request, job.model.wire
    _check(request, job.model)
    ours: dict[str, Any] = {
        "prompt": request.prompt if request.prompt.strip() else None,
        "model": job.model.id if endpoint == SD3 else None,
        "mode": "image-to-image" if endpoint == SD3 and request.sources else None,
        LIKENESS.get(endpoint, "strength"): _strength(job),
        "aspect_ratio": request.aspect_ratio,
        "negative_prompt": request.negative_prompt,
        "seed": request.seed,
        "style_preset": request.style,
        "output_format": request.output_format,
        **request.options,
    }
    names = FIELDS.get(endpoint, {})
    images = ("subject_image", "background_reference") if endpoint == RELIGHT else ("image",)
    masks = (request.mask,) if request.mask else ()  # white = change here as well
    files = [*zip(images, request.sources, strict=False), *(("mask", mask) for mask in masks)]
    fields = {names.get(name, name): value for name, value in ours.items()}
    form = multipart(f"{job.endpoint.base_url}/v2beta/stable-image/{_path(job.model)}", fields, files)
    form.headers["accept"] = "application/json"
    return form


class Answer(VendorModel):
    """An image, or the `id` by which it can be collected."""

    image: str | None = None
    seed: Lenient[Annotated[int, Field(ge=0, lt=2**64)]] = None
    finish_reason: str | None = None
    id: Lenient[str] = None


async def read(response: httpx.Response, job: Job, wire: Wire) -> Reply:
    """Return the image, at once or from the results. CONTENT_FILTERED is a refusal with any status."""
    answer = parse_answer(Answer, response.content)
    details: dict[str, Any] = {"request_id": response.headers.get("x-request-id")}
    if answer.id and not answer.image:
        details["generation"] = answer.id
        await wire.save_vendor_task(details)
        answer = parse_answer(Answer, (await _finished_generation(answer.id, job, wire)).content)
    return _reply(answer, job, details)


def _reply(answer: Answer, job: Job, details: dict[str, Any]) -> Reply:
    if answer.finish_reason == FILTERED:
        message = "Stability made the image but blurred it, because its filter objects to the content."
        hint = "Reword the prompt; the vendor may have billed this image."
        raise ImageError(Reason.CONTENT_POLICY, message, hint=hint, facts={"outcome": "unknown", **details})
    if not answer.image:
        raise invalid_response("Stability answered without an image.")
    if served := REROUTED.get(job.model.id):
        details["model"] = served
    made = picture(base64_bytes(answer.image), seed=answer.seed)
    return Reply(pictures=(made,), warnings=tuple(_warnings(job)), details=details)


async def _finished_generation(id: str, job: Job, wire: Wire) -> httpx.Response:
    """Poll until a generation has finished and return its answer, which Stability keeps for 24 hours."""
    await wire.on_progress(f"Stability has queued the image; polling every {POLL_INTERVAL:.0f} seconds.")
    url = f"{job.endpoint.base_url}/v2beta/results/{quote(id, safe='')}"
    headers = {"accept": "application/json"}
    try:
        return await wire.poll(url, _is_whole, every=POLL_INTERVAL, headers=headers)
    except ImageError as error:
        error.facts["generation"] = id
        if error.facts.get("status") == 404:
            error.reason = Reason.NOT_FOUND
            error.hint = "Only the key that sent the request can collect it, within 24 hours."
        if error.reason is not Reason.CONTENT_POLICY:  # which is not billed
            error.facts["outcome"] = "unknown"
        raise


def _is_whole(answer: httpx.Response) -> bool:
    if answer.status_code == 202:
        return False
    generation = parse_answer(Answer, answer.content)
    if not generation.image and generation.finish_reason != FILTERED:
        raise invalid_response("Stability answered without an image.")
    return True


MODERATION_ERRORS = frozenset({"content_moderation", "public_figure", "copyrighted_content"})
"""Names of errors about the content; the status decides the reason of others."""

HINTS: dict[Reason, str] = {
    Reason.CONTENT_POLICY: "Reword the prompt or take another image; this refusal is not billed.",
    Reason.QUOTA_EXCEEDED: "Buy credits for the Stability account or use another vendor.",
    Reason.AUTHENTICATION: "Check STABILITY_API_KEY.",
    Reason.UNKNOWN_MODEL: "Call list_models for what works now.",
    Reason.RATE_LIMITED: "Wait a minute and call again.",
    Reason.PROVIDER_UNAVAILABLE: "Try again later or use another vendor.",
}


class Refusal(VendorModel):
    id: Lenient[str] = None
    name: Lenient[str] = None
    errors: Lenient[tuple[Lenient[str], ...]] = None


def explain(response: httpx.Response) -> ImageError:
    """Explain `{"id", "name", "errors": [...]}`, or a gateway's version of it."""
    refusal = parse_refusal(Refusal, response.content)
    words = "; ".join(filter(None, refusal.errors or ()))
    name, wait = sanitize(refusal.name or "", 60), retry_after(response.headers)
    reason = Reason.CONTENT_POLICY if name in MODERATION_ERRORS else reason_for_status(response.status_code)
    if reason is Reason.RATE_LIMITED and wait is None:
        wait = RATE_LIMIT_DELAY
    return ImageError(
        reason,
        f"Stability answered {response.status_code}{f' {name}' if name else ''}"
        + (f": “{sanitize(words)}”" if words else "."),
        hint=HINTS.get(reason, "Change the request as the message says; with its images it may have 10 MiB."),
        retry_after=wait,
        facts={"request_id": response.headers.get("x-request-id") or refusal.id, "code": name},
    )


async def collect(job: Job, wire: Wire) -> Reply:
    """Return the image of a generation whose id was saved."""
    details = dict(job.task or {})
    answer = await _finished_generation(str(details["generation"]), job, wire)
    return _reply(parse_answer(Answer, answer.content), job, details)


def _path(model: Model) -> str:
    """Return the endpoint of a model; an unlisted model's is new in the group of the nearest id, or SD 3's."""
    if not model.any_value or model.wire == SD3:
        return model.wire
    group = model.wire.partition("/")[0]
    name = model.id.removeprefix("stable-image-").removeprefix(f"{group}-")
    return f"{group}/{quote(name, safe='')}"


def _check(request: ImageRequest, model: Model) -> None:
    """Refuse what the gates cannot see in a row: what an endpoint requires, and options that exclude each other.

    The gates pass any number of sources of an unlisted model; the form has fields for as many as the similar model
    takes, or one. Without a mask the vendor would erase by the source's transparency, if it has any.
    """
    endpoint, max_sources, options = model.wire, max(1, model.max_sources), request.options
    if endpoint == V1:
        message = f"{model.id} needs the v1 API, which Atelier does not support."
        raise ImageError(Reason.MODEL_RETIRED, message, hint=f"Use {ENDED.successor} instead.")
    if model.any_value and len(request.sources) > max_sources:
        message = f"{model.id} takes at most {max_sources} source images; {len(request.sources)} were given."
        raise ImageError(Reason.UNSUPPORTED_OPTION, message, hint="Give fewer.", facts={"option": "images"})
    if endpoint == SD3 and request.sources and request.aspect_ratio:
        message = f"{model.id} does not support aspect_ratio with a source image: it keeps the source's shape."
        raise ImageError(Reason.UNSUPPORTED_OPTION, message, hint="Leave it out.", facts={"option": "aspect_ratio"})
    has_background = endpoint == RELIGHT and len(request.sources) > 1  # the second picture is the background
    promptless = not request.prompt.strip() and model.max_prompt > 0 and endpoint != OUTPAINT and not has_background
    for missing, needs in (
        (promptless, "a prompt that describes the whole resulting image"),
        (endpoint == ERASE and not request.mask, "a mask, white or transparent where the image changes"),
        (endpoint in (REPLACE, RECOLOR) and not options.get("search"), "search, the thing to find"),
        (request.strength is not None and not request.sources, "a source image together with a strength"),
        (LIGHT & options.keys() == {"light_source_strength"}, "light_source_direction as well"),
    ):
        if missing:
            raise ImageError(Reason.INVALID_REQUEST, f"{model.id} needs {needs}.", hint="Add it and call again.")


def _strength(job: Job) -> float | None:
    """Return the strength in the endpoint's sense. A generation from a source has no default at the vendor."""
    endpoint, strength = job.model.wire, job.request.strength
    if strength is not None:
        return round(1 - strength, 4) if endpoint in LIKENESS else strength
    starts = job.request.sources and endpoint.startswith("generate/")
    return STRENGTHS.get(job.model.id, USUAL_STRENGTH) if starts else None


def _warnings(job: Job) -> Iterator[str]:
    """Yield what the caller should know about the request as sent."""
    if job.request.strength is None and (sent := _strength(job)) is not None:
        yield f"Sent with strength {sent}, since Stability requires one: 0 keeps the source, 1 ignores it."
    if served := REROUTED.get(job.model.id):
        yield f"Stability serves {job.model.id} with {served} since 2025-04-17."
