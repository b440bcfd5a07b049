"""What a refusal of Black Forest Labs means, and a task that failed.

Facts: the vendor's OpenAPI and docs of 2026-05, FLUX 3 as read by third parties up to 2026-10.
"""

from __future__ import annotations

from typing import Any

from pydantic import JsonValue

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.transport.vendor_json import Lenient, VendorModel, parse_refusal, reason_for_status
from atelier.providers.transport.wire import httpx, retry_after

UNKNOWN = "Task not found"
"""Also said when the part of the vendor that is asked has not heard of a task yet."""

FAILURES: dict[str, Reason] = {
    "Request Moderated": Reason.CONTENT_POLICY,
    "Content Moderated": Reason.CONTENT_POLICY,
    "Error": Reason.INVALID_RESPONSE,
    UNKNOWN: Reason.INVALID_RESPONSE,
}
"""The words that end a task without a picture. They come with 200, from FLUX 3 also with 422 and 503.

Only `UNKNOWN` is a reason to poll again; `read` makes of "Error" what it means to the caller.
"""

HINTS: dict[Reason, str] = {
    Reason.CONTENT_POLICY: "Reword the prompt or use other source pictures.",
    Reason.QUOTA_EXCEEDED: "Add credits to the Black Forest Labs account or use another vendor.",
    Reason.AUTHENTICATION: "Check BFL_API_KEY.",
    Reason.UNKNOWN_MODEL: "Call list_models for the models that are known here.",
    Reason.RATE_LIMITED: "Wait until tasks are done; the vendor runs 24 at once, of flux-kontext-max 6.",
    Reason.PROVIDER_UNAVAILABLE: "Try again later or use another vendor.",
    Reason.INVALID_RESPONSE: "Try again or use another model; the vendor may have billed this call.",
}


class Complaint(VendorModel):
    """One of FastAPI's validation errors; `loc` begins with "body"."""

    loc: Lenient[tuple[str | int, ...]] = None
    msg: Lenient[str] = None
    type: Lenient[str] = None


class Refusal(VendorModel):
    """A request that was refused (`detail`) or a task that failed (`status` and `details`)."""

    detail: Lenient[str | tuple[Lenient[Complaint], ...]] = None
    status: str = ""
    details: Lenient[JsonValue] = None


def explain(response: httpx.Response) -> ImageError:
    """`{"detail": "..."}`, `{"detail": [{"loc", "msg", "type"}]}`, or a failed task: `{"status", "details"}`."""
    refusal = parse_refusal(Refusal, response.content)
    told, reason = f"answered {response.status_code}", reason_for_status(response.status_code)
    words: object = refusal.detail
    facts = dict[str, Any]()
    if refusal.status in FAILURES:
        told, reason = f"ended the task with “{refusal.status}”", FAILURES[refusal.status]
        words, facts["code"] = refusal.details, refusal.status
        if reason is not Reason.CONTENT_POLICY:
            facts["outcome"] = "unknown"
        if refusal.status != UNKNOWN:
            facts["collectable"] = False
    elif isinstance(refusal.detail, tuple):
        told_of = [each for each in refusal.detail if each]
        words = "; ".join(f"{'.'.join(map(str, (each.loc or ())[1:]))}: {each.msg or ''}" for each in told_of)
        if any(each.type == "extra_forbidden" for each in told_of):
            reason = Reason.UNSUPPORTED_OPTION
    return ImageError(
        reason,
        f"Black Forest Labs {told}" + (f": “{sanitize(words)}”" if words else "."),
        hint=HINTS.get(reason, "Change the request as the message says."),
        retry_after=retry_after(response.headers),
        facts=facts,
    )
