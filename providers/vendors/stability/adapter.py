"""Stability AI: POST /v2beta/stable-image/{endpoint} as multipart; one picture comes back as base64 in JSON.

Two endpoints answer with an id instead, to be collected at /v2beta/results/{id} on the same host with the same key.
Facts: the vendor's OpenAPI document of 2026. A filtered picture is a 200 with a blur in it; no answer tells a price.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import Field

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.types import ImageRequest, Model
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

POLL_SECONDS = 10.0  # asking more often may be answered with rate limits
FILTERED = "CONTENT_FILTERED"  # why a generation ended without a picture to look at
BLOCKED_SECONDS = 60.0  # how long an account is shut out after 150 requests in 10 seconds

WORDS = {
    OUTPAINT: {"top": "up", "bottom": "down"},
    REPLACE: {"search": "search_prompt"},
    RECOLOR: {"search": "select_prompt"},
    RELIGHT: {"prompt": "background_prompt"},
}
"""Where an endpoint has a word of its own for one of ours."""

LIKENESS = {STRUCTURE: "control_strength", SKETCH: "control_strength", STYLE: "fidelity"}
"""Fields of the opposite sense to our strength: 1 holds to the source, 0 leaves it."""

STRENGTHS = {"sd3.5-flash": 0.95}  # 0.94 to 0.97 gives the best results with this model
USUAL_STRENGTH = 0.65  # the default of the vendor's v1 API, which counted the other way: image_strength 0.35


def prepare(job: Job) -> httpx.Request:
    """What is asked, in the endpoint's words. Absent stays absent, but for a strength that the vendor insists on."""
    asked, endpoint = job.request, job.model.wire
    _check(asked, job.model)
    ours: dict[str, Any] = {
        "prompt": asked.prompt if asked.prompt.strip() else None,
        "model": job.model.id if endpoint == SD3 else None,
        "mode": "image-to-image" if endpoint == SD3 and asked.sources else None,
        LIKENESS.get(endpoint, "strength"): _weight(job),
        "aspect_ratio": asked.aspect_ratio,
        "negative_prompt": asked.negative_prompt,
        "seed": asked.seed,
        "style_preset": asked.style,
        "output_format": asked.output_format,
        **asked.options,
    }
    words = WORDS.get(endpoint, {})
    images = ("subject_image", "background_reference") if endpoint == RELIGHT else ("image",)
    masks = (asked.mask,) if asked.mask else ()  # white = change here as well
    files = [*zip(images, asked.sources, strict=False), *(("mask", mask) for mask in masks)]
    fields = {words.get(name, name): value for name, value in ours.items()}
    request = multipart(f"{job.endpoint.base_url}/v2beta/stable-image/{_path(job.model)}", fields, files)
    request.headers["accept"] = "application/json"
    return request


class Answer(VendorModel):
    """A picture, or the `id` under which it can be had later."""

    image: str | None = None
    seed: Lenient[Annotated[int, Field(ge=0, lt=2**64)]] = None
    finish_reason: str | None = None
    id: Lenient[str] = None


async def read(response: httpx.Response, job: Job, wire: Wire) -> Reply:
    """The picture, at once or from the results. CONTENT_FILTERED is a refusal, whatever the status says."""
    answer = parse_answer(Answer, response.content)
    details: dict[str, Any] = {"request_id": response.headers.get("x-request-id")}
    if answer.id and not answer.image:
        details["generation"] = answer.id
        await wire.save_vendor_task(details)
        answer = parse_answer(Answer, (await _collected(answer.id, job, wire)).content)
    return _reply(answer, job, details)


async def resume(job: Job, wire: Wire) -> Reply:
    """The picture of a generation that was written down."""
    details = dict(job.task or {})
    answer = await _collected(str(details["generation"]), job, wire)
    return _reply(parse_answer(Answer, answer.content), job, details)


def _reply(answer: Answer, job: Job, details: dict[str, Any]) -> Reply:
    if answer.finish_reason == FILTERED:
        message = "Stability made the picture but blurred it, because its filter objects to the content."
        hint = "Reword the prompt; the vendor may have billed this picture."
        raise ImageError(Reason.CONTENT_POLICY, message, hint=hint, facts={"outcome": "unknown", **details})
    if not answer.image:
        raise invalid_response("Stability answered without a picture.")
    if served := REROUTED.get(job.model.id):
        details["model"] = served
    made = picture(base64_bytes(answer.image), seed=answer.seed)
    return Reply(pictures=(made,), warnings=tuple(_remarks(job)), details=details)


async def _collected(id: str, job: Job, wire: Wire) -> httpx.Response:
    """The finished answer of a generation that goes on by itself. Stability keeps it for 24 hours."""
    await wire.on_progress(f"Stability has queued the picture; it is asked for every {POLL_SECONDS:.0f} seconds.")
    url = f"{job.endpoint.base_url}/v2beta/results/{quote(id, safe='')}"
    headers = {"accept": "application/json"}
    try:
        return await wire.poll(url, _is_whole, every=POLL_SECONDS, headers=headers)
    except ImageError as error:
        error.facts["generation"] = id
        if error.facts.get("status") == 404:
            error.reason, error.hint = Reason.NOT_FOUND, "Only the key that asked can collect, for 24 hours."
        if error.reason is not Reason.CONTENT_POLICY:  # which is not charged
            error.facts["outcome"] = "unknown"
        raise


def _is_whole(answer: httpx.Response) -> bool:
    if answer.status_code == 202:
        return False
    told = parse_answer(Answer, answer.content)
    if not told.image and told.finish_reason != FILTERED:
        raise invalid_response("Stability answered without a picture.")
    return True


OBJECTIONS = frozenset({"content_moderation", "public_figure", "copyrighted_content"})
"""Names of errors that mean the content; for the rest the status decides."""

HINTS: dict[Reason, str] = {
    Reason.CONTENT_POLICY: "Reword the prompt or take another picture; this refusal is not billed.",
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
    """`{"id", "name", "errors": [...]}`, or whatever a gateway in between made of it."""
    refusal = parse_refusal(Refusal, response.content)
    words = "; ".join(filter(None, refusal.errors or ()))
    name, wait = sanitize(refusal.name or "", 60), retry_after(response.headers)
    reason = Reason.CONTENT_POLICY if name in OBJECTIONS else reason_for_status(response.status_code)
    if reason is Reason.RATE_LIMITED and wait is None:
        wait = BLOCKED_SECONDS
    return ImageError(
        reason,
        f"Stability answered {response.status_code}{f' {name}' if name else ''}"
        + (f": “{sanitize(words)}”" if words else "."),
        hint=HINTS.get(reason, "Change the request as the message says; pictures and all, it may have 10 MiB."),
        retry_after=wait,
        facts={"request_id": response.headers.get("x-request-id") or refusal.id, "code": name},
    )


def _path(model: Model) -> str:
    """An unlisted model is taken for a new endpoint beside the one it is most like, or a new model behind SD 3's."""
    if not model.any_value or model.wire == SD3:
        return model.wire
    group = model.wire.partition("/")[0]
    name = model.id.removeprefix("stable-image-").removeprefix(f"{group}-")
    return f"{group}/{quote(name, safe='')}"


def _check(asked: ImageRequest, model: Model) -> None:
    """What the gates cannot see in a row: what an endpoint needs, and what does not go together.

    The gates let an unlisted model have any number of pictures; here there are fields for as many as its like takes,
    or for one to start from. A missing mask to erase by would be read from the source's transparency, if it has any.
    """
    endpoint, most, own = model.wire, max(1, model.max_sources), asked.options
    if endpoint == V1:
        message = f"{model.id} speaks the v1 API, which Atelier does not."
        raise ImageError(Reason.MODEL_RETIRED, message, hint=f"Use {ENDED.successor} instead.")
    if model.any_value and len(asked.sources) > most:
        message = f"{model.id} takes at most {most} source pictures; {len(asked.sources)} were given."
        raise ImageError(Reason.UNSUPPORTED_OPTION, message, hint="Give fewer.", facts={"option": "images"})
    if endpoint == SD3 and asked.sources and asked.aspect_ratio:
        message = f"{model.id} does not support aspect_ratio with a source picture: it keeps the source's shape."
        raise ImageError(Reason.UNSUPPORTED_OPTION, message, hint="Leave it out.", facts={"option": "aspect_ratio"})
    shown = endpoint == RELIGHT and len(asked.sources) > 1  # the second picture is the background
    promptless = not asked.prompt.strip() and model.max_prompt > 0 and endpoint != OUTPAINT and not shown
    for missing, needs in (
        (promptless, "a prompt that describes the whole picture to come out"),
        (endpoint == ERASE and not asked.mask, "a mask, in which white or transparent is what changes"),
        (endpoint in (REPLACE, RECOLOR) and not own.get("search"), "search, the thing to look for"),
        (asked.strength is not None and not asked.sources, "a source picture where a strength is given"),
        ("light_source_strength" in own and "light_source_direction" not in own, "light_source_direction as well"),
    ):
        if missing:
            raise ImageError(Reason.INVALID_REQUEST, f"{model.id} needs {needs}.", hint="Add it and call again.")


def _weight(job: Job) -> float | None:
    """How far the source is left behind, in the endpoint's sense; where it starts a generation there is no default."""
    endpoint, strength = job.model.wire, job.request.strength
    if strength is not None:
        return round(1 - strength, 4) if endpoint in LIKENESS else strength
    starts = job.request.sources and endpoint.startswith("generate/")
    return STRENGTHS.get(job.model.id, USUAL_STRENGTH) if starts else None


def _remarks(job: Job) -> Iterator[str]:
    """What the caller should know of what was sent."""
    if job.request.strength is None and (sent := _weight(job)) is not None:
        yield f"Sent with strength {sent}, since Stability wants one: 0 keeps the source, 1 ignores it."
    if served := REROUTED.get(job.model.id):
        yield f"Stability serves {job.model.id} with {served} since 2025-04-17."
