"""xAI: POST /images/generations or /images/edits, both JSON; images come back as base64 or as links.

Facts: the vendor's SDK 1.21 and docs as of 2026-11-20. xAI mostly drops a field that it does not know and bills the
call, above all `image` at /images/generations; so a source image always goes to /images/edits. A moderated image is a
200 with a flag, a 200 without an image, or a 400 that states the cost.
"""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from typing import Annotated

import pybase64
from pydantic import Field

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.gates import preflight
from atelier.providers.core.types import Endpoint, Picture
from atelier.providers.transport.vendor_json import Lenient, VendorModel, parse_answer, parse_refusal, reason_for_status
from atelier.providers.transport.wire import Wire, httpx, retry_after
from atelier.providers.vendors.contract import Job, Reply
from atelier.providers.vendors.image_links import Item, ItemsAnswer, images_of, note_links, noted
from atelier.providers.vendors.xai.models import MODELS, WIDEST

ENDPOINT = Endpoint(
    base_url="https://api.x.ai/v1",
    base_url_variable="XAI_BASE_URL",
    base_path="/v1",
    key_variables=("XAI_API_KEY",),
    key_page="https://console.x.ai",
    trusted_hosts=("api.x.ai",),
    timeout=180.0,
)


def prepare(job: Job) -> httpx.Request:
    """Build the request. It asks for base64 by default, as an image behind a link is lost when the download fails.

    The gates pass any option of an unlisted model, but xAI drops fields that it does not know and bills the call.
    """
    request = job.request
    if job.model.any_value:
        known = replace(request, aspect_ratio=None, resolution=None, quality=None, options={})
        preflight.check_request(known, replace(WIDEST, id=job.model.id))
    sources = [_source(p) for p in request.sources]
    body = {
        "model": job.model.id,
        "prompt": request.prompt,
        "image": sources[0] if len(sources) == 1 else None,
        "images": sources if len(sources) > 1 else None,
        "n": request.count if request.count > 1 else None,
        "aspect_ratio": request.aspect_ratio,
        "resolution": request.resolution,
        "quality": request.quality,
        "response_format": "url" if request.response_format == "url" else "b64_json",
        **request.options,
    }
    present = {name: value for name, value in body.items() if value is not None}
    path = "edits" if sources else "generations"
    return httpx.Request("POST", f"{job.endpoint.base_url}/images/{path}", json=present)


class Moderated(Item):
    respect_moderation: bool | None = None


TICKS = 10**10  # in one USD
MAX_USD = 10_000  # a higher number is not a price


class Bill(VendorModel):
    """The cost of the whole call, in ticks."""

    cost_in_usd_ticks: Lenient[Annotated[Decimal, Field(ge=0, lt=MAX_USD * TICKS)]] = None


class Answer(ItemsAnswer):
    """`model` is the model that served the call, which may differ from the requested one."""

    model: Lenient[str] = None
    data: tuple[Lenient[Moderated], ...] = ()
    usage: Lenient[Bill] = None


async def read(response: httpx.Response, job: Job, wire: Wire) -> Reply:
    """Return every image that passed moderation, and warn of the others. Links are saved before they are followed."""
    answer, id = parse_answer(Answer, response.content), response.headers.get("x-request-id")
    await note_links(id, answer, answer.data, wire)
    return await _reply(id, answer, job, wire)


async def _reply(id: str | None, answer: Answer, job: Job, wire: Wire) -> Reply:
    facts = _facts(id, answer.usage)
    let_through = [item for item in answer.data if item is None or item.respect_moderation is not False]
    pictures, lost = await images_of("xAI", let_through, wire)
    if lost and not pictures:
        lost[0].facts |= facts
        raise lost[0]
    if not pictures:
        raise _moderated("xAI withheld the image: it failed the vendor's moderation.", facts)
    return Reply(
        pictures=pictures,
        cost_usd=_usd(answer.usage),
        warnings=_warnings(answer, job, len(pictures), len(answer.data) - len(let_through)),
        collectable=any(error.collectable for error in lost),
        details={
            "request_id": facts["request_id"],
            **({"served_model": answer.model} if _swapped(answer, job) else {}),
        },
    )


REASONS: tuple[tuple[str, Reason], ...] = (
    (r"moderat|content policy|usage guidelines", Reason.CONTENT_POLICY),
    (r"\bcredits\b|spending limit", Reason.QUOTA_EXCEEDED),
    (r"\bapi key\b", Reason.AUTHENTICATION),
    (r"argument not supported", Reason.UNSUPPORTED_OPTION),
)
"""Pattern in a refusal -> reason; the status decides the rest. xAI answers 400 to a wrong key and to a moderated image,
and 403 or 429 to an empty account, with codes that are the same for several causes."""

HINTS: dict[Reason, str] = {
    Reason.QUOTA_EXCEEDED: "Add credits or raise the spending limit of the xAI team, or use another vendor.",
    Reason.AUTHENTICATION: "Check XAI_API_KEY, and that its team may use this model.",
    Reason.UNKNOWN_MODEL: "The team may lack access to this model; try another one.",
    Reason.RATE_LIMITED: "Call again in a few seconds.",
    Reason.PROVIDER_UNAVAILABLE: "Try again later or use another vendor.",
}


class ErrorBody(VendorModel):
    message: Lenient[str] = None
    code: Lenient[str | int] = None


class Refusal(VendorModel):
    """`{"error": {"message", "code"}}` or `{"code", "error": "words"}`; a moderated picture adds its `usage`."""

    code: Lenient[str | int] = None
    error: Lenient[ErrorBody | str] = None
    usage: Lenient[Bill] = None


def explain(response: httpx.Response) -> ImageError:
    """Explain either of the vendor's two shapes, or a gateway's version of it."""
    refusal = parse_refusal(Refusal, response.content)
    error, status = refusal.error, response.status_code
    body = error if isinstance(error, ErrorBody) else ErrorBody(message=error, code=refusal.code)
    words = sanitize(": ".join(part for part in (sanitize(body.code or "", 60), body.message) if part))
    found = (reason for pattern, reason in REASONS if re.search(pattern, words, re.IGNORECASE))
    reason = next(found, reason_for_status(status)) if status < 500 else reason_for_status(status)
    message = f"xAI answered {status}" + (f": “{words}”" if words else ".")
    facts = {**_facts(response.headers.get("x-request-id"), refusal.usage), "code": sanitize(body.code or "", 60)}
    if reason is Reason.CONTENT_POLICY:
        return _moderated(message, facts)
    hint = HINTS.get(reason, "Change the request as the message says.")
    return ImageError(reason, message, hint=hint, retry_after=retry_after(response.headers), facts=facts)


async def collect(job: Job, wire: Wire) -> Reply:
    """Return the images behind saved links, where they are still valid."""
    return await _reply(*noted(job, Answer), job, wire)


def _moderated(message: str, facts: dict[str, str | None]) -> ImageError:
    """Return a refusal that may cost as much as an image: xAI moderates finished images (reports of 2026)."""
    stated = facts["cost_usd"] is not None
    billed = f"billed {facts['cost_usd']} USD" if stated else "may have billed you"
    hint = f"Reword the prompt or use another image; xAI {billed} for this attempt."
    unknown = {} if stated else {"outcome": "unknown"}
    return ImageError(Reason.CONTENT_POLICY, message, hint=hint, facts={**facts, **unknown})


def _facts(id: str | None, bill: Bill | None) -> dict[str, str | None]:
    """Return request id and cost as facts of an error; xAI states the cost of refusals as well."""
    cost = _usd(bill)
    stated = None if cost is None else f"{cost.normalize():f}"
    return {"request_id": id, "cost_usd": stated}


def _source(image: Picture) -> dict[str, str]:
    """Return a source image as a data URI; the vendor would fetch a link itself, with a short timeout."""
    return {"url": f"data:{image.mime};base64,{pybase64.b64encode_as_string(image.image_bytes)}", "type": "image_url"}


def _warnings(answer: Answer, job: Job, received: int, withheld: int) -> tuple[str, ...]:
    count, warnings = job.request.count, list[str]()
    if received < count:
        why = f"; {withheld} did not pass the vendor's moderation" if withheld else ""
        warnings.append(f"xAI sent {received} of {count} images{why}.")
    if _swapped(answer, job):
        warnings.append(f"xAI served this with “{sanitize(answer.model, 60)}” in place of {job.model.id}.")
    return tuple(warnings)


def _swapped(answer: Answer, job: Job) -> bool:
    """Return whether another model served the call; a dated id and its undated name are the same model."""
    id = job.model.id
    same = {id, *job.model.snapshots, *(row.id for row in MODELS if id in row.snapshots)}
    return bool(answer.model) and answer.model not in same


def _usd(bill: Bill | None) -> Decimal | None:
    if bill is None or bill.cost_in_usd_ticks is None:
        return None
    return Decimal(round(bill.cost_in_usd_ticks)).scaleb(-10)  # whole ticks, so that it has few digits
