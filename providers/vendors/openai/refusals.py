"""Error answers of OpenAI and of compatible hosts."""

from __future__ import annotations

from dataclasses import dataclass

from atelier.providers.core.errors import MAY_BE_BILLED, ImageError, Reason, sanitize
from atelier.providers.transport.exchange import request_id
from atelier.providers.transport.vendor_json import Lenient, VendorModel, parse_refusal, reason_for_status
from atelier.providers.transport.wire import httpx, retry_after


@dataclass(frozen=True, slots=True)
class Names:
    """How messages name a vendor, the variable of its key, and what a wrong model may mean."""

    title: str
    key: str
    unknown_model: str


OPENAI = Names(
    "OpenAI",
    "OPENAI_API_KEY",
    "The account may lack access to this model.",
)

REASONS: dict[str, Reason] = {
    "moderation_blocked": Reason.CONTENT_POLICY,
    "content_policy_violation": Reason.CONTENT_POLICY,
    "insufficient_quota": Reason.QUOTA_EXCEEDED,
    "billing_hard_limit_reached": Reason.QUOTA_EXCEEDED,
    "model_not_found": Reason.UNKNOWN_MODEL,
    "unknown_parameter": Reason.UNSUPPORTED_OPTION,
    "invalid_api_key": Reason.AUTHENTICATION,
    "contentFilter": Reason.CONTENT_POLICY,  # of Azure
    "content_filter": Reason.CONTENT_POLICY,
    "DeploymentNotFound": Reason.UNKNOWN_MODEL,  # of Azure; the word is doubtful, the status is 404 as well
    "budget_exceeded": Reason.QUOTA_EXCEEDED,  # of a LiteLLM proxy, with the status 400 or 429
}
"""Code or type of an error -> reason, where it is more exact than the status."""

LITELLM_LOST = ("litellm.Timeout", "litellm.APIConnectionError", "Exception - Connection error")
"""LiteLLM's exceptions for an answer that its proxy did not get: the vendor behind it may have made the image."""

LITELLM_MODERATION = "ContentPolicyViolationError"
"""LiteLLM's exception, which its proxy names in the message of a 400."""


def hints(names: Names) -> dict[Reason, str]:
    """Return what to do, by the reason."""
    return {
        Reason.CONTENT_POLICY: "Reword the prompt; a refused image is not billed.",
        Reason.QUOTA_EXCEEDED: f"Add credit to the {names.title} account or use another vendor.",
        Reason.AUTHENTICATION: f"Check {names.key}, and that its organisation may use this model.",
        Reason.UNKNOWN_MODEL: names.unknown_model,
        Reason.RATE_LIMITED: "Call again in a few seconds.",
        Reason.PROVIDER_UNAVAILABLE: "Try again later or use another vendor.",
    }


class ErrorBody(VendorModel):
    message: Lenient[str] = None
    type: Lenient[str] = None
    code: Lenient[str | int] = None


class Refusal(VendorModel):
    error: Lenient[ErrorBody | str] = None


def explain(response: httpx.Response, names: Names = OPENAI) -> ImageError:
    """Explain `{"error": {"message", "type", "param", "code"}}`, or a gateway's version of it."""
    error = parse_refusal(Refusal, response.content).error
    if not isinstance(error, ErrorBody):
        error = ErrorBody(message=error)
    status, words = response.status_code, error.message or ""
    codes = [str(code) for code in (error.code, error.type) if code and str(code) not in (str(status), "None")]
    code = sanitize(next(iter(codes), ""), 60)
    reason = next((REASONS[code] for code in codes if code in REASONS), None)
    if reason is None and LITELLM_MODERATION in words:
        reason = Reason.CONTENT_POLICY
    reason = reason or reason_for_status(status)
    lost = {"outcome": "unknown"} if any(error in words for error in LITELLM_LOST) else {}
    usual = "Change the request as the message says." if words else "Change the request."
    return ImageError(
        reason,
        f"{names.title} answered {status}{f' {code}' if code else ''}" + (f": “{sanitize(words)}”" if words else "."),
        hint=MAY_BE_BILLED if lost else hints(names).get(reason, usual),
        retry_after=retry_after(response.headers),
        facts={"request_id": request_id(response.headers), "code": code, **lost},
    )
