"""What Google's two APIs answer, and what it means when that is no picture. A part of `gemini`.

A refusal in an HTTP 200 is billed for what was read and thought until then (facts of 2026-11-20).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import AliasPath, ConfigDict, Field
from pydantic.alias_generators import to_camel

from atelier.providers.core.answers import Lenient, parsed_refusal, reason_of
from atelier.providers.core.errors import ImageError, Reason, quoted
from atelier.providers.core.types import Usage
from atelier.providers.core.wire import httpx, retry_after


class Camel(Lenient):
    """Names as the vendor writes them. Gateways spell out as null what the vendor leaves out."""

    model_config = ConfigDict(alias_generator=to_camel)


class Part(Camel):
    """`thought` marks a draft or an aside on the way to the picture, which is no result."""

    text: str | None = None
    thought: bool | None = None
    data: str | None = Field(default=None, validation_alias=AliasPath("inlineData", "data"))


class Candidate(Camel):
    parts: tuple[Part, ...] | None = Field(default=None, validation_alias=AliasPath("content", "parts"))
    finish_reason: str | None = None
    finish_message: str | None = None


class Prediction(Camel):
    """Imagen's picture and the prompt as it was enhanced, or why the picture is withheld."""

    bytes_base64_encoded: str | None = None
    prompt: str | None = None
    rai_filtered_reason: str | None = None


class Share(Camel):
    modality: str = "unknown"
    token_count: int | None = None


class Tokens(Camel):
    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    prompt_tokens_details: tuple[Share, ...] | None = None
    candidates_tokens_details: tuple[Share, ...] | None = None


class Answer(Camel):
    """Of either API: candidates are Gemini's, predictions Imagen's."""

    candidates: tuple[Candidate, ...] | None = None
    predictions: tuple[Prediction, ...] | None = None
    block_reason: str | None = Field(default=None, validation_alias=AliasPath("promptFeedback", "blockReason"))
    block_message: str | None = Field(default=None, validation_alias=AliasPath("promptFeedback", "blockReasonMessage"))
    usage_metadata: Tokens | None = None
    model_version: str | None = None
    response_id: str | None = None

    def found(self) -> list[tuple[str, str | None]]:
        """Each picture in base64, with the prompt that the vendor made of ours where it tells."""
        gemini = [(part.data, None) for part in self._parts() if part.data]
        imagen = [(p.bytes_base64_encoded, p.prompt) for p in self.predictions or () if p.bytes_base64_encoded]
        return [*gemini, *imagen]

    def text(self) -> str:
        """What the model said in words."""
        return " ".join(part.text for part in self._parts() if part.text)

    def withheld(self) -> str:
        """Why pictures of Imagen are missing."""
        return " ".join(p.rai_filtered_reason for p in self.predictions or () if p.rai_filtered_reason)

    def _parts(self) -> list[Part]:
        return [part for c in self.candidates or () for part in c.parts or () if not part.thought]


ENDINGS: dict[str, Reason] = {
    "LANGUAGE": Reason.INVALID_REQUEST,
    "PUP_LIMITED_DISABLED": Reason.AUTHENTICATION,
    **dict.fromkeys(("SAFETY", "PROHIBITED_CONTENT", "RECITATION"), Reason.CONTENT_POLICY),
    **dict.fromkeys(("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"), Reason.CONTENT_POLICY),
    **dict.fromkeys(("BLOCKLIST", "SPII", "MODEL_ARMOR", "ESCALATION"), Reason.CONTENT_POLICY),
}
"""`finishReason` of an answer without a picture -> reason; any other is an answer that cannot be used."""


def no_picture(answer: Answer) -> ImageError:
    """Blocked before the work, stopped in the midst of it, withheld after it, or answered in words alone."""
    last = answer.candidates[-1] if answer.candidates else None
    code = quoted(answer.block_reason or (last and last.finish_reason) or "", 60)
    words = answer.block_message or (last and last.finish_message) or answer.withheld() or answer.text()
    declined = answer.block_reason or answer.withheld() or (answer.text() and code in ("STOP", ""))
    reason = Reason.CONTENT_POLICY if declined else ENDINGS.get(code, Reason.INVALID_RESPONSE)
    facts: dict[str, Any] = {"code": code, "request_id": answer.response_id}
    if spent := usage(answer):
        facts["usage"] = {"input_tokens": spent.input_tokens, "output_tokens": spent.output_tokens}
    if reason is Reason.INVALID_RESPONSE:
        facts["outcome"] = "unknown"
    message = f"Google answered without a picture{f' ({code})' if code else ''}{said(words)}"
    hint = HINTS.get(reason, "Say it in other words; what was read and thought can be billed.")
    return ImageError(reason, message, hint=hint, facts=facts)


def said(words: str) -> str:
    """The end of a sentence: the vendor's words as the vendor's."""
    return f": “{quoted(words)}”" if words else "."


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


def _shares(shares: Iterable[Share] | None) -> dict[str, int]:
    return {f"{share.modality.lower()}_tokens": share.token_count or 0 for share in shares or ()}


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


class Detail(Camel):
    reason: str = ""
    retry_delay: str = ""


class Refusal(Camel):
    message: str = Field(default="", validation_alias=AliasPath("error", "message"))
    status: str = Field(default="", validation_alias=AliasPath("error", "status"))
    details: tuple[Detail, ...] = Field(default=(), validation_alias=AliasPath("error", "details"))


def explain(response: httpx.Response) -> ImageError:
    """`{"error": {"code", "message", "status", "details"}}`; a 429 has its delay among the details, as in "17s"."""
    error = parsed_refusal(Refusal, response.content)
    code = quoted(next((detail.reason for detail in error.details if detail.reason), error.status), 60)
    told = next((reason for words, reason in TELLING if re.search(words, error.message)), None)
    reason = told or REASONS.get(code) or REASONS.get(error.status) or reason_of(response.status_code)
    delays = (re.fullmatch(r"(\d+(?:\.\d+)?)s", detail.retry_delay) for detail in error.details)
    delay = next((float(found[1]) for found in delays if found), None)
    return ImageError(
        reason,
        f"Google answered {response.status_code}{f' {code}' if code else ''}{said(error.message)}",
        hint=HINTS.get(reason, "Change the request as the message says."),
        retry_after=retry_after(response.headers) if delay is None else delay,
        facts={"code": code},
    )
