"""Google: POST /v1beta/models/{id}:generateContent with JSON, `:predict` for Imagen; images come back as base64.

Gateways answer with links as well.
Facts: the vendor's SDK 3.4 and docs as of 2026-11-20. Unknown fields are refused (400), and v1 has refused image
fields where v1beta takes them (js-genai#1322). A moderated image is mostly a 200 without an image.

"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from pydantic import AliasPath, Field

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.gates import preflight
from atelier.providers.core.types import Endpoint, ImageRequest, Model
from atelier.providers.transport.vendor_json import (
    Lenient,
    VendorModel,
    parse_answer,
    parse_refusal,
    reason_for_status,
)
from atelier.providers.transport.wire import Wire, httpx, retry_after
from atelier.providers.vendors.contract import Job, Reply
from atelier.providers.vendors.gemini import imagen
from atelier.providers.vendors.gemini.imagen import base64_of, present
from atelier.providers.vendors.gemini.models import CONTENT, PREDICT, WIDEST
from atelier.providers.vendors.gemini.replies import HINTS, draft, no_picture, quotation, usage
from atelier.providers.vendors.gemini.shapes import Answer
from atelier.providers.vendors.image_links import images_of, losses, note_links, noted

ENDPOINT = Endpoint(
    base_url="https://generativelanguage.googleapis.com",
    base_url_variable="GOOGLE_GEMINI_BASE_URL",
    key_variables=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    key_page="https://aistudio.google.com/apikey",
    key_header="x-goog-api-key",
    key_prefix="",
    trusted_hosts=("generativelanguage.googleapis.com",),
    timeout=180.0,
)
NOTHING: Mapping[str, Any] = MappingProxyType({})


def prepare(job: Job) -> httpx.Request:
    """Build the request. An option that the caller left out is not sent."""
    return request_to(f"{job.endpoint.base_url}/v1beta", job)


def request_to(parent: str, job: Job, image_config: Mapping[str, Any] = NOTHING) -> httpx.Request:
    """Build the request to the models below a URL, with further fields of Gemini's imageConfig."""
    request, api = job.request, _api(job.model)
    if job.model.any_value:
        preflight.check_request(
            replace(request, aspect_ratio=None, resolution=None, options={}), replace(WIDEST[api], id=job.model.id)
        )
    body = _body(request, image_config) if api == CONTENT else imagen.body(request)
    return httpx.Request("POST", f"{parent}/models/{quote(job.model.id, safe='')}:{api}", json=body)


def _api(model: Model) -> str:
    return model.wire or (PREDICT if model.id.startswith("imagen") else CONTENT)


def _body(request: ImageRequest, image_config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body for Gemini. An unlisted model's options become fields of generationConfig."""
    options = dict(request.options)
    level = options.pop("thinking_level", None)
    pictures = [{"inlineData": {"mimeType": p.mime, "data": base64_of(p)}} for p in request.sources]
    tier = request.resolution and request.resolution.upper()
    config = present(
        responseModalities=["IMAGE"],  # without it the answer may be text alone
        imageConfig=present(aspectRatio=request.aspect_ratio, imageSize=tier, **image_config),
        seed=request.seed,
        thinkingConfig=present(thinkingLevel=level and str(level).upper()),
        **options,
    )
    return {"contents": [{"role": "user", "parts": [{"text": request.prompt}, *pictures]}], "generationConfig": config}


async def read(response: httpx.Response, job: Job, wire: Wire) -> Reply:
    """Return every image of the answer that is a result, else the last draft; raise when there is none.

    Links of a gateway are saved before they are followed.
    """
    answer = parse_answer(Answer, response.content)
    del response  # larger than the images, which are decoded next
    await note_links(answer.response_id, answer, draft(answer) or answer.results(), wire)
    return await _reply(answer, job, wire)


async def _reply(answer: Answer, job: Job, wire: Wire) -> Reply:
    request, drafts = job.request, draft(answer)
    found = drafts or answer.results()
    if not any(found):
        raise no_picture(answer)
    pictures, failures = await images_of("Google", found, wire)
    warnings = list(losses(pictures, failures))
    if drafts:
        warnings.append("Google marked this image as a thought (a draft before the result) and sent no other.")
    served = (answer.model_version or job.model.id).removeprefix("models/")
    if served != job.model.id:
        warnings.append(f"Google answered with {sanitize(served, 60)} in place of {job.model.id}.")
    if len(found) < request.count:
        warnings.append(f"Google made {len(found)} of {request.count} images{quotation(answer.withheld())}")
    if request.seed is not None and _api(job.model) == PREDICT:
        warnings.append("The invisible watermark is off, because Imagen takes a seed only without it.")
    return Reply(
        pictures=pictures,
        usage=usage(answer),
        warnings=tuple(warnings),
        collectable=any(failure.collectable for failure in failures),
        details=present(
            request_id=answer.response_id, model_version=answer.model_version, text=sanitize(answer.text()) or None
        ),
    )


REASONS: dict[str, Reason] = {
    "API_KEY_INVALID": Reason.AUTHENTICATION,
    "FAILED_PRECONDITION": Reason.AUTHENTICATION,  # no billing, or a region that is not served
    "CANCELLED": Reason.PROVIDER_UNAVAILABLE,
}
"""The vendor's code -> reason, where the status (400, 400, 499) would mislead."""

MESSAGES: tuple[tuple[str, Reason], ...] = (
    (r"limit: 0\b", Reason.QUOTA_EXCEEDED),  # a 429 that lasts: the free tier lacks this model
    (r"^Image generation failed", Reason.CONTENT_POLICY),  # Imagen's 400 for a refused prompt
)
"""Pattern in a message -> reason, where neither code nor status shows it
(google-gemini/gemini-cli#22486, google-marketing-solutions/adios#62)."""


class Detail(VendorModel):
    reason: Lenient[str] = None
    retry_delay: Lenient[str] = None


class Refusal(VendorModel):
    message: Lenient[str] = Field(default=None, validation_alias=AliasPath("error", "message"))
    status: Lenient[str] = Field(default=None, validation_alias=AliasPath("error", "status"))
    details: Lenient[tuple[Lenient[Detail], ...]] = Field(default=None, validation_alias=AliasPath("error", "details"))


def explain(response: httpx.Response) -> ImageError:
    """Explain `{"error": {"code", "message", "status", "details"}}`; a 429 has a delay in the details, as in "17s"."""
    error = parse_refusal(Refusal, response.content)
    message, status, details = (
        error.message or "",
        error.status or "",
        [detail for detail in error.details or () if detail],
    )
    code = sanitize(next((detail.reason for detail in details if detail.reason), status), 60)
    by_message = next((reason for pattern, reason in MESSAGES if re.search(pattern, message)), None)
    reason = by_message or REASONS.get(code) or REASONS.get(status) or reason_for_status(response.status_code)
    delays = (re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)s", detail.retry_delay or "") for detail in details)
    delay = next((float(found[1]) for found in delays if found), None)
    return ImageError(
        reason,
        f"Google answered {response.status_code}{f' {code}' if code else ''}{quotation(message)}",
        hint=HINTS.get(reason, "Change the request as the message says."),
        retry_after=retry_after(response.headers) if delay is None else delay,
        facts={"code": code},
    )


async def collect(job: Job, wire: Wire) -> Reply:
    """Return the images behind saved links, where they are still valid."""
    _, answer = noted(job, Answer)
    return await _reply(answer, job, wire)
