"""Stability AI: POST /v2beta/stable-image/{endpoint} as multipart; one image comes back as base64 in JSON.

Two endpoints answer with an id instead; /v2beta/results/{id} returns its image to the same key. Facts: the vendor's
OpenAPI document of 2026. A filtered image is a 200 with a blurred image; no answer states a price.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import quote

import pybase64
from pydantic import Field

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.types import Endpoint, Model
from atelier.providers.images.identify import format_of, picture
from atelier.providers.transport.multipart import multipart
from atelier.providers.transport.vendor_json import (
    Lenient,
    VendorModel,
    base64_bytes,
    invalid_response,
    parse_answer,
    parse_refusal,
    reason_for_status,
    spelled,
)
from atelier.providers.transport.wire import Wire, httpx, retry_after
from atelier.providers.vendors.contract import Job, Reply
from atelier.providers.vendors.stability.forms import fields_of, files_of, strength_of
from atelier.providers.vendors.stability.models import REROUTED, SD3

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
RATE_LIMIT_DELAY = 60.0  # seconds for which an account is blocked after 150 requests in 10 seconds


def prepare(job: Job) -> httpx.Request:
    """Build the request. An option that the caller left out is not sent, except a strength that the vendor requires."""
    url = f"{job.endpoint.base_url}/v2beta/stable-image/{_path(job.model)}"
    form = multipart(url, fields_of(job), files_of(job))
    form.headers["accept"] = "application/json"
    return form


class Answer(VendorModel):
    """An image, or the `id` by which it can be collected."""

    image: str | None = None
    seed: Lenient[Annotated[int, Field(ge=0, lt=2**64)]] = None
    finish_reason: Annotated[str | None, spelled(FILTERED)] = None
    id: Lenient[str] = None


async def read(response: httpx.Response, job: Job, wire: Wire) -> Reply:
    """Return the image, at once or from the results. CONTENT_FILTERED is a refusal with any status."""
    answer = _answer_of(response)
    details: dict[str, Any] = {"request_id": response.headers.get("x-request-id")}
    if answer.id and not answer.image:
        details["generation"] = answer.id
        await wire.save_vendor_task(details)
        answer = _answer_of(await _finished_generation(answer.id, job, wire))
    return _reply(answer, job, details)


def _answer_of(response: httpx.Response) -> Answer:
    """Parse an answer. Behind a gateway that drops `accept` it is the image file, with its facts in headers."""
    if not format_of(response.content):
        return parse_answer(Answer, response.content)
    image, headers = pybase64.b64encode(response.content).decode(), response.headers
    facts = {"seed": headers.get("seed"), "finish_reason": headers.get("finish-reason")}
    return Answer.model_validate({"image": image, **facts})


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
    generation = _answer_of(answer)
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
    answer = _answer_of(await _finished_generation(str(details["generation"]), job, wire))
    return _reply(answer, job, details)


def _path(model: Model) -> str:
    """Return the endpoint of a model; an unlisted model's is new in the group of the nearest id, or SD 3's."""
    if not model.any_value or model.wire == SD3:
        return model.wire
    group = model.wire.partition("/")[0]
    name = model.id.removeprefix("stable-image-").removeprefix(f"{group}-")
    return f"{group}/{quote(name, safe='')}"


def _warnings(job: Job) -> Iterator[str]:
    """Yield what the caller should know about the request as sent."""
    if job.request.strength is None and (sent := strength_of(job)) is not None:
        yield f"Sent with strength {sent}, since Stability requires one: 0 keeps the source, 1 ignores it."
    if served := REROUTED.get(job.model.id):
        yield f"Stability serves {job.model.id} with {served} since 2025-04-17."
