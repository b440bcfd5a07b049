"""A queued request of fal: its addresses, how it is waited for, and its images.

Facts: the vendor's client 1.0.3 and docs as of 2026-11. Doubtful: the status of a cancelled request, and how a late
read of a result fails (a 404 is assumed). COMPLETED also covers failures, whose result has the model's own status.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any

import anyio
from pydantic import Field, JsonValue

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.transport.vendor_errors import WEB_PAGE
from atelier.providers.transport.vendor_json import Lenient, VendorModel, invalid_response, parse_answer, spelled
from atelier.providers.transport.wire import Wire, httpx
from atelier.providers.vendors.contract import Reply
from atelier.providers.vendors.image_links import Item, ItemsAnswer, images_of, losses

POLL_INTERVAL = 1.0  # seconds
IN_PROGRESS = "IN_PROGRESS"
CANCELLED = ("CANCELLATION_REQUESTED", "CANCELLED", "CANCELED")
ENDED = ("COMPLETED", *CANCELLED)

MODERATION = "content_policy_violation"
TEMPORARY = frozenset({
    "internal_server_error", "internal_error", "generation_timeout", "downstream_service_error",
    "downstream_service_unavailable", "request_timeout", "startup_timeout", "runner_scheduling_failure",
    "runner_connection_timeout", "runner_disconnected", "runner_connection_refused", "runner_connection_error",
    "runner_incomplete_response", "runner_server_error",
})  # fmt: skip
"""Types of errors of the vendor's machines, which are not billed (a public client's list of 2026)."""


class Queued(VendorModel):
    """The answer to a submission. The addresses lack the sub-path of the endpoint, so they are never built here."""

    request_id: Lenient[str] = None
    status_url: str = ""
    response_url: str = ""
    cancel_url: str = ""


class Status(VendorModel):
    status: Annotated[str, spelled(IN_PROGRESS, *ENDED)] = ""
    queue_position: Lenient[int] = None
    error: Lenient[JsonValue] = None
    error_type: Lenient[str] = None


class Result(ItemsAnswer):
    """The model's answer: `images`, or `image` of a tool; `data` has those of endpoints with fields of their own.

    A blocked image is black and flagged.
    """

    data: tuple[Lenient[Item], ...] = ()

    images: Lenient[tuple[Lenient[Item], ...]] = None
    image: Lenient[Item] = None
    seed: Lenient[Annotated[int, Field(ge=0, lt=2**64)]] = None
    has_nsfw_concepts: Lenient[tuple[Lenient[bool], ...]] = None


def reason_for_type(type: str) -> Reason | None:
    """Return the reason of a known error type. The status decides the reason of others."""
    if type == MODERATION:
        return Reason.CONTENT_POLICY
    return Reason.PROVIDER_UNAVAILABLE if type in TEMPORARY else None


async def reply_of(queued: Queued, wire: Wire) -> Reply:
    """Wait for a request and return its images. An error has the request id among its facts."""
    try:
        await _completed(queued, wire)
        response = await _result(queued, wire)
        return await images_in(queued, response, wire)
    except ImageError as error:
        error.facts["request_id"] = queued.request_id
        raise


async def _completed(queued: Queued, wire: Wire) -> None:
    """Poll until the request has ended. Raises the error in which it did, if the status names it."""
    reported = list[str]()

    def is_news(answer: httpx.Response) -> bool:
        status = parse_answer(Status, answer.content).status  # an unknown one means that it still runs
        return status in ENDED or (status == IN_PROGRESS and not reported)

    await wire.on_progress("fal has queued the image.")
    while True:
        try:
            answer = await wire.poll(queued.status_url, is_news, every=POLL_INTERVAL)
        except ImageError as error:
            error.facts["outcome"] = "unknown"
            raise
        status = parse_answer(Status, answer.content)
        if status.status != IN_PROGRESS:
            break
        reported.append(IN_PROGRESS)
        await wire.on_progress("fal is drawing.")
    if status.status in CANCELLED:
        raise _cancelled(started=bool(reported))
    if status.error or status.error_type:
        raise _failed(status, started=bool(reported))


def _cancelled(*, started: bool) -> ImageError:
    facts = {"code": "cancelled", **({"outcome": "unknown"} if started else {})}  # the queue itself is free
    return ImageError(Reason.INVALID_REQUEST, "The request was cancelled at fal.", hint="Ask again.", facts=facts)


def _failed(status: Status, *, started: bool) -> ImageError:
    code = sanitize(status.error_type or "", 60)
    if "cancel" in f"{code} {status.error}".lower():
        return _cancelled(started=started)
    reason = reason_for_type(code) or Reason.INVALID_RESPONSE
    free = reason is Reason.PROVIDER_UNAVAILABLE
    return ImageError(
        reason,
        f"fal ended the request{f' with {code}' if code else ''}: “{sanitize(status.error or '')}”",
        hint="Try again." if free else "Change the request; the vendor may have billed it.",
        facts={"code": code, "collectable": False, **({} if free else {"outcome": "unknown"})},
    )


async def _result(queued: Queued, wire: Wire) -> httpx.Response:
    """Return the result. A refusal may have been billed if a machine ran; errors of the vendor's machines are free.

    If it is not found yet, or a gateway's page came in its place, it is read once more.
    """
    try:
        try:
            return await _read_result(queued, wire)
        except ImageError as error:
            if error.facts.get("status") != HTTPStatus.NOT_FOUND and error.reason is not Reason.INVALID_RESPONSE:
                raise
        await anyio.sleep(POLL_INTERVAL)
        return await _read_result(queued, wire)
    except ImageError as error:
        final = error.from_vendor and error.facts.get("code") in TEMPORARY
        if not final:
            error.facts["outcome"] = "unknown"
            error.facts["collectable"] = error.retryable or error.reason is Reason.INVALID_RESPONSE
        raise


async def _read_result(queued: Queued, wire: Wire) -> httpx.Response:
    response = await wire.free("GET", queued.response_url)
    if WEB_PAGE.match(response.content):
        raise invalid_response("fal's host answered with a web page in place of the result.")
    return response


async def images_in(queued: Queued, response: httpx.Response, wire: Wire) -> Reply:
    """Return the images of a result."""
    result = parse_answer(Result, response.content)
    items = result.images or ((result.image,) if result.image else result.data)
    if not items:
        raise invalid_response("fal answered without a picture.")
    flags = result.has_nsfw_concepts or ()
    blocked = sum(bool(flag) for flag in flags)
    if blocked >= len(items):
        message = "fal made the picture but blacked it out, because its safety checker objects to the content."
        hint = "Reword the prompt; the vendor may have billed this picture."
        raise ImageError(Reason.CONTENT_POLICY, message, hint=hint, facts={"outcome": "unknown"})
    images, failures = await images_of("fal", _allowed(items, flags), wire)
    warnings = (*losses(images, failures), *([f"fal blacked out {blocked} of {len(items)}."] if blocked else []))
    details: dict[str, Any] = {"request_id": queued.request_id}
    if units := response.headers.get("x-fal-billable-units"):  # times the endpoint's unit price, which no answer states
        details["billable_units"] = sanitize(units, 40)
    return Reply(
        pictures=tuple(replace(image, seed=result.seed) for image in images),
        warnings=warnings,
        details=details,
        collectable=any(failure.collectable for failure in failures),
    )


def _allowed(items: Sequence[Item | None], flags: Sequence[bool | None]) -> list[Item | None]:
    return [item for number, item in enumerate(items) if not (number < len(flags) and flags[number])]
