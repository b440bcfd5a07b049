"""Errors in the shape that OpenAI's clients know: {"error": {"message", "type", "code", "param"}}.

The status decides which exception a client raises, and `x-should-retry` whether it sends the request again by itself.
"""

from __future__ import annotations

import math
from typing import Any

from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from atelier.providers.core.errors import ImageError, Reason
from atelier.server.http.errors import ERRORS as PLAIN_ERRORS
from atelier.server.http.errors import KEY_TAKEN, RefusedError, for_program, wait_of

INVALID, QUOTA, SERVER = "invalid_request_error", "insufficient_quota", "server_error"

ANSWERS: dict[Reason, tuple[int, str, str]] = {
    Reason.INVALID_REQUEST: (400, INVALID, "invalid_value"),
    Reason.UNKNOWN_MODEL: (404, INVALID, "model_not_found"),
    Reason.MODEL_RETIRED: (404, INVALID, "model_not_found"),
    Reason.UNSUPPORTED_OPERATION: (400, INVALID, "unsupported_operation"),
    Reason.UNSUPPORTED_OPTION: (400, INVALID, "unknown_parameter"),
    Reason.BUDGET_EXCEEDED: (429, QUOTA, "insufficient_quota"),  # these clients know no 402
    Reason.CONTENT_POLICY: (400, "image_generation_user_error", "moderation_blocked"),
    Reason.NOT_FOUND: (404, INVALID, "not_found"),
    Reason.RATE_LIMITED: (429, "requests", "rate_limit_exceeded"),
    Reason.INTERNAL: (500, SERVER, "internal"),
    **dict.fromkeys(
        (Reason.PROVIDER_UNAVAILABLE, Reason.TIMEOUT, Reason.NETWORK_ERROR, Reason.INVALID_RESPONSE),
        (502, SERVER, "vendor_failed"),
    ),
    Reason.STORAGE_FAILED: (502, SERVER, "storage_failed"),
    Reason.AUTHENTICATION: (502, SERVER, "vendor_refused_key"),  # ours; a token of the caller is a RefusedError
    Reason.QUOTA_EXCEEDED: (502, SERVER, "vendor_quota_exceeded"),
}
"""Reason -> status, type and code."""

OF_HTTP = {401: (INVALID, "invalid_api_key"), 404: (INVALID, "not_found"), 503: (SERVER, "overloaded")}
"""Status of a refusal that has to do with HTTP alone -> type and code; any other is an invalid request."""


class ErrorFacts(BaseModel):
    """What went wrong; `param` names the parameter at fault, where it is known."""

    message: str
    type: str
    code: str
    param: str | None


class ErrorAnswer(BaseModel):
    """The body of the answer to a failed call, which is the data of an error event in a stream as well."""

    error: ErrorFacts


ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"model": ErrorAnswer, "description": facts["description"]} for code, facts in PLAIN_ERRORS.items()
}
"""What the schema says of every route."""


def error_body(error: ImageError) -> ErrorAnswer:
    """Return the body for a failed call."""
    _, kind, code = _answer(error)
    message = for_program(f"{error.message} {error.hint}".strip())
    return ErrorAnswer(error=ErrorFacts(message=message, type=kind, code=code, param=_param(error)))


def failed(error: ImageError) -> Response:
    """Return the response to a refused request or a failed call."""
    headers = {"x-should-retry": "true" if error.retryable else "false"}
    if (wait := wait_of(error)) is not None:
        headers["Retry-After"] = str(math.ceil(wait))
    own = error.headers if isinstance(error, RefusedError) else {}
    return JSONResponse(error_body(error).model_dump(), _answer(error)[0], headers | own)


def invalid(message: str, param: str, hint: str = "") -> ImageError:
    """Return the error for a value that cannot be used."""
    return ImageError(Reason.INVALID_REQUEST, message, hint=hint, facts={"option": param})


def unknown(param: str) -> ImageError:
    """Return the error for a parameter that there is not."""
    message = f"Unknown parameter: “{param}”."
    return ImageError(Reason.UNSUPPORTED_OPTION, message, hint="Leave it out.", facts={"option": param})


def _answer(error: ImageError) -> tuple[int, str, str]:
    if isinstance(error, RefusedError):
        return error.status, *OF_HTTP.get(error.status, (INVALID, "invalid_request"))
    status, kind, code = ANSWERS[error.reason]
    return (KEY_TAKEN, kind, "idempotency_key_taken") if error.facts.get("key") == "taken" else (status, kind, code)


def _param(error: ImageError) -> str | None:
    option = error.facts.get("option")
    return option if isinstance(option, str) else "model" if error.reason is Reason.UNKNOWN_MODEL else None
