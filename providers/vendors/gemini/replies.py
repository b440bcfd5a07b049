"""Which image of an answer counts, what an answer without an image means, and its tokens. A part of `gemini`.

A refusal in an HTTP 200 is billed for the input and the thoughts until then (facts of 2026-11-20).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.results import Usage
from atelier.providers.vendors.gemini.shapes import Answer, Share
from atelier.providers.vendors.image_links import Item

ENDINGS: dict[str, Reason] = {
    "LANGUAGE": Reason.INVALID_REQUEST,
    "PUP_LIMITED_DISABLED": Reason.AUTHENTICATION,
    **dict.fromkeys(("SAFETY", "PROHIBITED_CONTENT", "RECITATION"), Reason.CONTENT_POLICY),
    **dict.fromkeys(("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"), Reason.CONTENT_POLICY),
    **dict.fromkeys(("BLOCKLIST", "SPII", "MODEL_ARMOR", "ESCALATION"), Reason.CONTENT_POLICY),
}
"""`finishReason` of an answer without an image -> reason; any other is invalid_response."""


def draft(answer: Answer) -> list[Item | None]:
    """Return the last image among the thoughts where there is no result and the vendor did not withhold it."""
    declined = answer.blocked.block_reason or answer.withheld() or answer.last.finish_reason in ENDINGS
    return [] if declined or any(answer.results()) else answer.drafts()[-1:]


def no_picture(answer: Answer) -> ImageError:
    """Return the error for an answer without an image: blocked, stopped, withheld, or text alone."""
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
    message = f"Google answered without an image{f' ({code})' if code else ''}{quotation(words)}"
    hint = HINTS.get(reason, "Reword the prompt; input and thoughts may be billed.")
    return ImageError(reason, message, hint=hint, facts=facts)


def quotation(words: str) -> str:
    """Return the end of a sentence that quotes the vendor's words, or a full stop without any."""
    return f": “{sanitize(words)}”" if words else "."


def usage(answer: Answer) -> Usage | None:
    """Return the counted tokens by the names that other vendors use. Thoughts are output at the price of text."""
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


HINTS: dict[Reason, str] = {
    Reason.CONTENT_POLICY: "Reword the prompt; no image is billed, but input and thoughts may be.",
    Reason.QUOTA_EXCEEDED: "Enable billing for the key's Google project, or use another vendor.",
    Reason.AUTHENTICATION: "Check GOOGLE_API_KEY or GEMINI_API_KEY, and its project's billing and region.",
    Reason.UNKNOWN_MODEL: "The host does not serve this model; try another one.",
    Reason.RATE_LIMITED: "Call again in a few seconds.",
    Reason.PROVIDER_UNAVAILABLE: "Try again later or use another vendor.",
}
