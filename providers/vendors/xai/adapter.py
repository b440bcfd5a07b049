"""xAI: POST /images/generations or /images/edits, both JSON; the pictures come back as base64, or behind links.

Facts: the vendor's SDK 1.21 and docs as of 2026-11-20. A field that xAI does not know is mostly dropped and billed all
the same; above all `image` at /images/generations, so that a source picture always goes to /images/edits. A moderated
picture is either a 200 with a flag, or with nothing in it, or a 400 that states what it cost.
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
from atelier.providers.core.types import Picture
from atelier.providers.transport.vendor_json import Lenient, VendorModel, parse_answer, parse_refusal, reason_for_status
from atelier.providers.transport.wire import Wire, httpx, retry_after
from atelier.providers.vendors.contract import Job, Reply
from atelier.providers.vendors.image_links import Item, images_of, note_links, noted
from atelier.providers.vendors.xai.models import MODELS, WIDEST


def prepare(job: Job) -> httpx.Request:
    """What is asked, in the vendor's words. base64 is asked for, because a link is lost when its download fails.

    An unlisted model passes every gate, but xAI would drop what it does not know and bill the picture.
    """
    asked = job.request
    if job.model.any_value:
        known = replace(asked, aspect_ratio=None, resolution=None, quality=None, options={})
        preflight.check_request(known, replace(WIDEST, id=job.model.id))
    sources = [_source(p) for p in asked.sources]
    body = {
        "model": job.model.id,
        "prompt": asked.prompt,
        "image": sources[0] if len(sources) == 1 else None,
        "images": sources if len(sources) > 1 else None,
        "n": asked.count if asked.count > 1 else None,
        "aspect_ratio": asked.aspect_ratio,
        "resolution": asked.resolution,
        "quality": asked.quality,
        "response_format": "b64_json",
        **asked.options,
    }
    present = {name: value for name, value in body.items() if value is not None}
    path = "edits" if sources else "generations"
    return httpx.Request("POST", f"{job.endpoint.base_url}/images/{path}", json=present)


class Moderated(Item):
    respect_moderation: bool | None = None


TICKS = 10**10  # in a USD
MOST_USD = 10_000  # what claims to cost more is no price


class Bill(VendorModel):
    """What the call as a whole cost, in ticks."""

    cost_in_usd_ticks: Lenient[Annotated[Decimal, Field(ge=0, lt=MOST_USD * TICKS)]] = None


class Answer(VendorModel):
    """`model` is the one that served, which need not be the one that was asked."""

    model: Lenient[str] = None
    data: tuple[Lenient[Moderated], ...] = ()
    usage: Lenient[Bill] = None


async def read(response: httpx.Response, job: Job, wire: Wire) -> Reply:
    """Every picture of the answer that moderation let through; the others and the lost ones are told.

    Where a host answers with links, they are written down before they are followed.
    """
    answer, id = parse_answer(Answer, response.content), response.headers.get("x-request-id")
    await note_links(id, answer, answer.data, wire)
    return await _collected(id, answer, job, wire)


async def resume(job: Job, wire: Wire) -> Reply:
    """The pictures whose links were written down, as far as they are still alive."""
    return await _collected(*noted(job, Answer), job, wire)


async def _collected(id: str | None, answer: Answer, job: Job, wire: Wire) -> Reply:
    facts = _facts(id, answer.usage)
    let_through = [item for item in answer.data if item is None or item.respect_moderation is not False]
    pictures, lost = await images_of("xAI", let_through, wire)
    if lost and not pictures:
        lost[0].facts |= facts
        raise lost[0]
    if not pictures:
        raise _moderated("xAI withheld the picture: it failed the vendor's moderation.", facts)
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
"""Words of a refusal -> reason. xAI answers 400 to a wrong key and to a moderated picture, and 403 or 429 to an empty
account, with codes that say little; what the words leave open the status decides."""

HINTS: dict[Reason, str] = {
    Reason.QUOTA_EXCEEDED: "Add credits or raise the spending limit of the xAI team, or use another vendor.",
    Reason.AUTHENTICATION: "Check XAI_API_KEY, and that its team may use this model.",
    Reason.UNKNOWN_MODEL: "The team may lack access to this model; try another one.",
    Reason.RATE_LIMITED: "Wait a moment and call again.",
    Reason.PROVIDER_UNAVAILABLE: "Try again later or use another vendor.",
}


class Trouble(VendorModel):
    message: Lenient[str] = None
    code: Lenient[str | int] = None


class Refusal(VendorModel):
    """`{"error": {"message", "code"}}` or `{"code", "error": "words"}`; a moderated picture adds its `usage`."""

    code: Lenient[str | int] = None
    error: Lenient[Trouble | str] = None
    usage: Lenient[Bill] = None


def explain(response: httpx.Response) -> ImageError:
    """Either of the vendor's two shapes, or whatever a gateway in between made of it."""
    refusal = parse_refusal(Refusal, response.content)
    error, status = refusal.error, response.status_code
    said = error if isinstance(error, Trouble) else Trouble(message=error, code=refusal.code)
    words = sanitize(": ".join(part for part in (sanitize(said.code or "", 60), said.message) if part))
    found = (reason for pattern, reason in REASONS if re.search(pattern, words, re.IGNORECASE))
    reason = next(found, reason_for_status(status)) if status < 500 else reason_for_status(status)
    message = f"xAI answered {status}" + (f": “{words}”" if words else ".")
    facts = {**_facts(response.headers.get("x-request-id"), refusal.usage), "code": sanitize(said.code or "", 60)}
    if reason is Reason.CONTENT_POLICY:
        return _moderated(message, facts)
    hint = HINTS.get(reason, "Change the request as the message says.")
    return ImageError(reason, message, hint=hint, retry_after=retry_after(response.headers), facts=facts)


def _moderated(message: str, facts: dict[str, str | None]) -> ImageError:
    """A refusal that may have cost as much as a picture: xAI moderates what is finished (reports of 2026)."""
    told = facts["cost_usd"] is not None
    billed = f"billed {facts['cost_usd']} USD" if told else "may have billed you"
    hint = f"Reword the prompt or use another picture; xAI {billed} for this attempt."
    unknown = {} if told else {"outcome": "unknown"}
    return ImageError(Reason.CONTENT_POLICY, message, hint=hint, facts={**facts, **unknown})


def _facts(id: str | None, bill: Bill | None) -> dict[str, str | None]:
    """What an error tells besides its words; `cost_usd` where xAI states one, since it states it for refusals too."""
    cost = _usd(bill)
    stated = None if cost is None else f"{cost.normalize():f}"
    return {"request_id": id, "cost_usd": stated}


def _source(given: Picture) -> dict[str, str]:
    """A source picture as the vendor wants it; a link would be fetched by the vendor, and in a hurry."""
    return {"url": f"data:{given.mime};base64,{pybase64.b64encode_as_string(given.image_bytes)}", "type": "image_url"}


def _warnings(answer: Answer, job: Job, delivered: int, withheld: int) -> tuple[str, ...]:
    asked, words = job.request.count, list[str]()
    if delivered < asked:
        why = f"; {withheld} did not pass the vendor's moderation" if withheld else ""
        words.append(f"xAI delivered {delivered} of {asked} pictures{why}.")
    if _swapped(answer, job):
        words.append(f"xAI served this with “{sanitize(answer.model, 60)}” in place of {job.model.id}.")
    return tuple(words)


def _swapped(answer: Answer, job: Job) -> bool:
    """Whether another model served; a dated id and the name that it belongs to are one."""
    asked = job.model.id
    same = {asked, *job.model.snapshots, *(row.id for row in MODELS if asked in row.snapshots)}
    return bool(answer.model) and answer.model not in same


def _usd(bill: Bill | None) -> Decimal | None:
    if bill is None or bill.cost_in_usd_ticks is None:
        return None
    return Decimal(round(bill.cost_in_usd_ticks)).scaleb(-10)  # whole ticks, so that it is short in words
