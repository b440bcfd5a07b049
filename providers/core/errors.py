"""One error class and a closed set of reasons.

    ImageError
      reason       what happened, one of `Reason`; whether a retry can help follows from it
      message      one sentence for the user
      hint         the next step for the user
      retry_after  seconds to wait, if the vendor sent them
      facts        values for programs: operation and model; url, status, content_type and size of an answer;
               request_id, code, outcome
      from_vendor  whether the error was in the vendor's own JSON body, not in a gateway's page

`facts["outcome"] == "unknown"` means that the vendor may have done, and billed, the work. `facts["collectable"]` means
that the vendor may still return the result, and that its task id is known.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from enum import StrEnum
from typing import Any, cast

from atelier.providers.core.tool_results import ToolShape, tool_result


class Reason(StrEnum):
    """Why a call did not end in an image. A closed list, because programs switch on it."""

    INVALID_REQUEST = "invalid_request"
    UNKNOWN_MODEL = "unknown_model"
    MODEL_RETIRED = "model_retired"
    UNSUPPORTED_OPERATION = "unsupported_operation"
    UNSUPPORTED_OPTION = "unsupported_option"
    AUTHENTICATION = "authentication"
    QUOTA_EXCEEDED = "quota_exceeded"
    CONTENT_POLICY = "content_policy"
    RATE_LIMITED = "rate_limited"
    PROVIDER_UNAVAILABLE = "provider_unavailable"
    TIMEOUT = "timeout"
    NETWORK_ERROR = "network_error"
    INVALID_RESPONSE = "invalid_response"
    BUDGET_EXCEEDED = "budget_exceeded"
    STORAGE_FAILED = "storage_failed"
    NOT_FOUND = "not_found"
    INTERNAL = "internal"


RETRYABLE = frozenset({Reason.RATE_LIMITED, Reason.PROVIDER_UNAVAILABLE, Reason.TIMEOUT, Reason.NETWORK_ERROR})


class ImageError(Exception):
    """The only exception that the library raises deliberately."""

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        hint: str = "",
        retry_after: float | None = None,
        facts: Mapping[str, Any] | None = None,
        from_vendor: bool = False,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.hint = hint
        self.retry_after = retry_after
        self.facts: dict[str, Any] = dict(facts or {})
        self.from_vendor = from_vendor

    def as_dict(self) -> dict[str, Any]:
        """Return the error as JSON has it."""
        found = {
            "reason": self.reason.value,
            "message": self.message,
            "hint": self.hint,
            "retryable": self.retryable,
            "retry_after": self.retry_after,
            "facts": public_facts(self),
        }
        return {name: value for name, value in found.items() if value not in (None, "", {})}

    def as_tool_result(self, shape: ToolShape, call_id: str) -> dict[str, Any]:
        """Return the answer to a tool call of another agent; see `tool_result`."""
        return tool_result(shape, call_id, {"error": self.as_dict()}, error=True)

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later."""
        return self.reason in RETRYABLE

    @property
    def outcome_unknown(self) -> bool:
        """Whether the vendor may have done and billed the work."""
        return self.facts.get("outcome") == "unknown"

    @property
    def collectable(self) -> bool:
        """Whether the result can be collected later, without paying again."""
        return bool(self.facts.get("collectable"))


MAY_BE_BILLED = "The vendor may have done and billed the work; look at its dashboard before you repeat the call."
"""The hint where the outcome is unknown."""


@contextmanager
def error_facts(**facts: Any) -> Generator[None]:
    """Add these facts to an ImageError raised in the block. Its own facts win; None is skipped."""
    try:
        yield
    except ImageError as error:
        for name, value in facts.items():
            if value is not None:
                error.facts.setdefault(name, value)
        raise


def public_facts(error: ImageError) -> dict[str, Any]:
    """Return the facts that JSON can hold; amounts become numbers, None and other objects are left out."""
    facts = {name: _json(value) for name, value in error.facts.items()}
    return {name: value for name, value in facts.items() if value is not None}


def _json(value: object) -> Any:
    match value:
        case str() | bool() | int() | float():
            return value
        case Decimal():
            return float(value)
        case list() | tuple():
            return [_json(each) for each in cast("Sequence[object]", value)]
        case _:
            return None


def invalid_request(message: str, hint: str) -> ImageError:
    """Return the error for a request that is wrong in itself."""
    return ImageError(Reason.INVALID_REQUEST, message, hint=hint)


def internal_error(hint: str = "", *, billed: bool = False) -> ImageError:
    """Return the error for a bug in Atelier; with `billed`, the vendor may have done and billed the work."""
    message, facts = "Internal error in Atelier.", dict[str, Any]()
    if billed:
        hint, facts["outcome"] = MAY_BE_BILLED, "unknown"
    return ImageError(Reason.INTERNAL, message, hint=hint, facts=facts)


_hidden: ContextVar[tuple[str, ...]] = ContextVar("_hidden", default=())

MIN_SECRET_LENGTH = 4  # characters; redacting shorter text would only garble messages


@contextmanager
def redacting(*secrets: str) -> Generator[None]:
    """Make `sanitize` redact these secrets within the block."""
    token = _hidden.set((*_hidden.get(), *(secret for secret in secrets if len(secret) >= MIN_SECRET_LENGTH)))
    try:
        yield
    finally:
        _hidden.reset(token)


BASE64 = re.compile(r"(?:data:[^,\s]{1,100},)?(?:(?:[A-Za-z0-9+/%]{50,}|[\w%-]{50,})={0,2}\s*){2,}")
"""An image, in one line or several, in either alphabet. A path mixes them: `/` of one, `-` of the other."""


def sanitize(untrusted: object, limit: int = 240) -> str:
    """Return text from outside as one safe line: secrets redacted, control characters removed, at most `limit` long.

    Invisible format characters are removed, because they can hide instructions from the user. Secrets are redacted
    before the text is truncated, which could leave half of one. Base64 is replaced by a placeholder.
    """
    text = str(untrusted)
    if hidden := sorted((secret for secret in _hidden.get() if secret in text), key=len, reverse=True):
        text = re.sub("|".join(re.escape(secret) for secret in hidden), "[hidden]", text)
    text = " ".join(strip_control(BASE64.sub("[base64] ", text)).split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def is_visible(text: str) -> bool:
    """Return whether a text has a character besides spaces, controls and formatting such as U+200B."""
    return not {"Cc", "Cf"}.issuperset(map(unicodedata.category, "".join(text.split())))


def strip_control(text: str) -> str:
    """Replace every control and invisible character by a space."""
    return "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)
