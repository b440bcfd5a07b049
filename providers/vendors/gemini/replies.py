"""What Google's two APIs answer, and what it means when that is no picture. A part of `gemini`.

A refusal in an HTTP 200 is billed for what was read and thought until then (facts of 2026-11-20).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import AliasPath, Field

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.types import Usage
from atelier.providers.transport.vendor_json import Lenient, VendorModel, parse_refusal, reason_for_status
from atelier.providers.transport.wire import httpx, retry_after
from atelier.providers.vendors.gemini.shapes import Answer, Share
from atelier.providers.vendors.image_links import Item

ENDINGS: dict[str, Reason] = {
    "LANGUAGE": Reason.INVALID_REQUEST,
    "PUP_LIMITED_DISABLED": Reason.AUTHENTICATION,
    **dict.fromkeys(("SAFETY", "PROHIBITED_CONTENT", "RECITATION"), Reason.CONTENT_POLICY),
    **dict.fromkeys(("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"), Reason.CONTENT_POLICY),
    **dict.fromkeys(("BLOCKLIST", "SPII", "MODEL_ARMOR", "ESCALATION"), Reason.CONTENT_POLICY),
}
"""`finishReason` of an answer without a picture -> reason; any other is an answer that cannot be used."""


def draft(answer: Answer) -> list[Item | None]:
    """The last picture among the thoughts where there is no result; nothing if the vendor withheld the result."""
    declined = answer.blocked.block_reason or answer.withheld() or answer.last.finish_reason in ENDINGS
    return [] if declined or any(answer.results()) else answer.drafts()[-1:]


def no_picture(answer: Answer) -> ImageError:
    """Blocked before the work, stopped in the midst of it, withheld after it, or answered in words alone."""
    blocked, last = answer.blocked, answer.last
    code = sanitize(blocked.block_reason or last.finish_reason or "", 60)
    words = blocked.block_reason_message or last.finish_message or answer.withheld() or answer.text()
    declined = blocked.block_reason or answer.withheld() or (answer.text() and code in ("STOP", ""))
    reason = Reason.CONTENT_POLICY if declined else ENDINGS.get(code, Reason.INVALID_RESPONSE)
    facts: dict[str, Any] = {"code": code, "request_id": answer.response_id}
    if spent := usage(answer):
        facts["usage"] = spent
    if reason is Reason.INVALID_RESPONSE:
        facts["outcome"] = "unknown"
    message = f"Google answered without a picture{f' ({code})' if code else ''}{said(words)}"
    hint = HINTS.get(reason, "Say it in other words; what was read and thought can be billed.")
    return ImageError(reason, message, hint=hint, facts=facts)


def said(words: str) -> str:
    """The end of a sentence: the vendor's words as the vendor's."""
    return f": “{sanitize(words)}”" if words else "."


def usage(answer: Answer) -> Usage | None:
    """Thoughts are output, at the price of text. The details call tokens what other vendors call them."""
    tokens = answer.usage_metadata
    if tokens is None:
        return None
    read, written = _shares(tokens.prompt_tokens_details), _shares(tokens.candidates_tokens_details)
    thoughts = tokens.thoughts_token_count or 0
    if thoughts:
        written["thought_tokens"] = thoughts
    return Usage(
        input_tokens=tokens.prompt_token_count or 0,
        output_tokens=(tokens.candidates_token_count or 0) + thoughts,
        details={"input_tokens_details": read, "output_tokens_details": written},
    )


def _shares(shares: Iterable[Share | None] | None) -> dict[str, int]:
    known = [share for share in shares or () if share]
    return {f"{sanitize(share.modality or 'unknown', 40).lower()}_tokens": share.token_count or 0 for share in known}


REASONS: dict[str, Reason] = {
    "API_KEY_INVALID": Reason.AUTHENTICATION,
    "FAILED_PRECONDITION": Reason.AUTHENTICATION,  # no billing, or a region that is not served
    "CANCELLED": Reason.PROVIDER_UNAVAILABLE,
}
"""The vendor's word -> reason, where the status (400, 400, 499) would mislead."""

TELLING: tuple[tuple[str, Reason], ...] = (
    (r"limit: 0\b", Reason.QUOTA_EXCEEDED),  # a 429 that no waiting helps: the free tier lacks this model
    (r"^Image generation failed", Reason.CONTENT_POLICY),  # the 400 of Imagen for a prompt that it will not draw
)
"""What only the message tells (google-gemini/gemini-cli#22486, google-marketing-solutions/adios#62)."""

HINTS: dict[Reason, str] = {
    Reason.CONTENT_POLICY: "Reword the prompt; no picture is billed, but what was read and thought can be.",
    Reason.QUOTA_EXCEEDED: "Enable billing for the key's Google project, or use another vendor.",
    Reason.AUTHENTICATION: "Check GOOGLE_API_KEY or GEMINI_API_KEY, and its project's billing and region.",
    Reason.UNKNOWN_MODEL: "The host does not serve this model; try another one.",
    Reason.RATE_LIMITED: "Wait a moment and call again.",
    Reason.PROVIDER_UNAVAILABLE: "Try again later or use another vendor.",
}


class Detail(VendorModel):
    reason: Lenient[str] = None
    retry_delay: Lenient[str] = None


class Refusal(VendorModel):
    message: Lenient[str] = Field(default=None, validation_alias=AliasPath("error", "message"))
    status: Lenient[str] = Field(default=None, validation_alias=AliasPath("error", "status"))
    details: Lenient[tuple[Lenient[Detail], ...]] = Field(default=None, validation_alias=AliasPath("error", "details"))


def explain(response: httpx.Response) -> ImageError:
    """`{"error": {"code", "message", "status", "details"}}`; a 429 has its delay among the details, as in "17s"."""
    error = parse_refusal(Refusal, response.content)
    message, status, details = error.message or "", error.status or "", [each for each in error.details or () if each]
    code = sanitize(next((detail.reason for detail in details if detail.reason), status), 60)
    told = next((reason for words, reason in TELLING if re.search(words, message)), None)
    reason = told or REASONS.get(code) or REASONS.get(status) or reason_for_status(response.status_code)
    delays = (re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)s", detail.retry_delay or "") for detail in details)
    delay = next((float(found[1]) for found in delays if found), None)
    return ImageError(
        reason,
        f"Google answered {response.status_code}{f' {code}' if code else ''}{said(message)}",
        hint=HINTS.get(reason, "Change the request as the message says."),
        retry_after=retry_after(response.headers) if delay is None else delay,
        facts={"code": code},
    )
