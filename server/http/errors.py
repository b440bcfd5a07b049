"""Refusals over HTTP: one table from reasons to statuses, and one shape for every body.

{"error": {"reason", "message", "hint", "retryable", "retry_after", "job"?, "outcome"?, "billed_usd"?}}
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from atelier.providers.core.errors import ImageError, Reason
from atelier.tools.parameters.arguments import MAX_PROBLEMS, refused, sentence

STATUSES = {
    Reason.INVALID_REQUEST: 400,
    Reason.UNKNOWN_MODEL: 400,
    Reason.MODEL_RETIRED: 400,
    Reason.UNSUPPORTED_OPERATION: 400,
    Reason.UNSUPPORTED_OPTION: 400,
    Reason.BUDGET_EXCEEDED: 402,
    Reason.CONTENT_POLICY: 403,
    Reason.NOT_FOUND: 404,
    Reason.RATE_LIMITED: 429,
    Reason.INTERNAL: 500,
    Reason.STORAGE_FAILED: 500,
    Reason.AUTHENTICATION: 502,  # the vendor refuses our key; a bad token of the caller is refused by AccessMiddleware
    Reason.QUOTA_EXCEEDED: 502,
    Reason.NETWORK_ERROR: 502,
    Reason.INVALID_RESPONSE: 502,
    Reason.PROVIDER_UNAVAILABLE: 503,
    Reason.TIMEOUT: 504,
}

KEY_TAKEN = 422  # the idempotency key was used for another request

CLOSE = {"Connection": "close"}  # nothing more is read of this connection

SENTENCES = {
    404: ("There is nothing at this address.", "See README, “Over HTTP”."),
    405: ("This address does not take that method.", "The header Allow tells which it takes."),
}
"""Message and hint of what the router refuses."""

REASONS = {
    401: Reason.AUTHENTICATION,
    404: Reason.NOT_FOUND,
    503: Reason.PROVIDER_UNAVAILABLE,
}
"""The reason of a refusal that has to do with HTTP alone; any other is an invalid request."""


class RefusedError(ImageError):
    """A refusal that has to do with HTTP alone."""

    def __init__(
        self,
        status: int,
        message: str,
        hint: str,
        *,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(REASONS.get(status, Reason.INVALID_REQUEST), message, hint=hint, retry_after=retry_after)
        self.status = status
        self.headers = dict(headers or {})


def shutting_down() -> RefusedError:
    """Return the refusal of a new call by a server that is shutting down."""
    message = "This server is about to end and takes no new calls."
    return RefusedError(503, message, "Try again soon.", retry_after=5, headers=CLOSE)


def failed(error: ImageError) -> Response:
    """Return the response to a refused request or a failed call."""
    wait = {"Retry-After": str(math.ceil(error.retry_after))} if error.retry_after is not None else {}
    if isinstance(error, RefusedError):
        return JSONResponse({"error": _as_json(error)}, error.status, wait | error.headers)
    status = KEY_TAKEN if error.facts.get("key") == "taken" else STATUSES[error.reason]
    return JSONResponse({"error": _as_json(error)}, status, wait)


def gone() -> Response:
    """Return the response to a client that has disconnected, which only the log of a proxy shows."""
    return Response(status_code=499)


def refused_by_router(refusal: HTTPException) -> RefusedError:
    """Return the refusal of the router as an error."""
    words = SENTENCES.get(refusal.status_code, ("The request cannot be read.", "Correct it and try again."))
    headers = dict(refusal.headers or {})
    if "GET" in (allowed := headers.get("Allow", "").split(", ")) and "HEAD" not in allowed:
        headers["Allow"] = ", ".join([*allowed, "HEAD"])  # answered as GET
    return RefusedError(refusal.status_code, *words, headers=headers)


def invalid(refusal: RequestValidationError) -> ImageError:
    """Return the error for a request that does not fit the schema. It names the fields and never their values."""
    problems = refusal.errors()
    said = [sentence(problem, ".".join(map(str, problem["loc"][1:])) or "body") for problem in problems[:MAX_PROBLEMS]]
    return refused(said, len(problems), "See /docs for what this address takes.")


def _as_json(error: ImageError) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "reason": error.reason.value,
        "message": error.message,
        "hint": error.hint,
        "retryable": error.retryable,
        "retry_after": error.retry_after,
    }
    shown |= {name: error.facts[name] for name in ("job", "outcome") if name in error.facts}
    billed = error.facts.get("billed_usd")
    return shown | ({"billed_usd": float(billed)} if billed is not None else {})
