"""Refusals over HTTP: one table from reasons to statuses, messages reworded for programs that call over HTTP, and one
envelope, `ErrorResponse` of the contract.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from atelier.providers.core.errors import ImageError, Reason, public_facts
from atelier.server.http.rest.contract import ErrorData, ErrorResponse
from atelier.tools.parameters.arguments import MAX_PROBLEMS, refused, sentence

STATUSES = {
    Reason.INVALID_REQUEST: 400,
    Reason.UNKNOWN_MODEL: 400,
    Reason.MODEL_RETIRED: 400,
    Reason.UNSUPPORTED_OPERATION: 400,
    Reason.UNSUPPORTED_OPTION: 400,
    Reason.BUDGET_EXCEEDED: 402,
    Reason.CONTENT_POLICY: 400,
    Reason.NOT_FOUND: 404,
    Reason.RATE_LIMITED: 429,
    Reason.INTERNAL: 500,
    Reason.AUTHENTICATION: 502,  # the vendor refuses our key; a bad token of the caller is refused by AccessMiddleware
    Reason.QUOTA_EXCEEDED: 502,
    Reason.NETWORK_ERROR: 502,
    Reason.INVALID_RESPONSE: 502,
    Reason.PROVIDER_UNAVAILABLE: 502,
    Reason.TIMEOUT: 502,
    Reason.STORAGE_FAILED: 502,
}

KEY_TAKEN = 422  # the idempotency key was used for another request

DEFAULT_WAIT = 10.0  # seconds

CLOSE = {"Connection": "close"}  # nothing more is read of this connection

SENTENCES = {
    404: ("There is nothing at this address.", "See /docs for the addresses that there are."),
    405: ("This address does not take that method.", "The header Allow tells which it takes."),
}
"""Message and hint of what the router refuses."""

ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"model": ErrorResponse, "description": words}
    for code, words in {
        400: "The request cannot be done, or the vendor's policy forbids it.",
        401: "There is no good token.",
        402: "It would exceed the budget.",
        403: "The page is of another origin.",
        404: "There is nothing of the caller by that id.",
        405: "The address does not take that method.",
        409: "The images of the idempotency key are no longer stored.",
        413: "The body is too large.",
        415: "The body is of a kind that is not read here.",
        421: "The server does not go by that name.",
        KEY_TAKEN: "The idempotency key stands for another request.",
        429: "There are too many calls, here or at the vendor.",
        500: "Atelier failed.",
        502: "The vendor failed, or no storage took the image.",
        503: "The server is about to end, or cannot check tokens now.",
    }.items()
}
"""What the schema says of every route."""

REASONS = {
    401: Reason.AUTHENTICATION,
    404: Reason.NOT_FOUND,
    409: Reason.NOT_FOUND,
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
    code, headers = status_of(error), error.headers if isinstance(error, RefusedError) else {}
    wait = wait_of(error)
    if wait is not None:
        headers = {"Retry-After": str(math.ceil(wait)), **headers}
    data = ErrorData(
        reason=error.reason,
        message=for_program(error.message),
        hint=for_program(error.hint),
        retryable=error.retryable,
        retry_after=wait,
        facts=public_facts(error),
    )
    body = ErrorResponse(code=code, error=data).model_dump_json()
    return Response(body, code, headers, media_type="application/json")


def wait_of(error: ImageError) -> float | None:
    """Return the seconds to wait before the next try; of a vendor's limit also when the vendor named none."""
    if error.retry_after is None and error.reason is Reason.RATE_LIMITED:
        return DEFAULT_WAIT
    return error.retry_after


def status_of(error: ImageError) -> int:
    """Return the status of an error."""
    if isinstance(error, RefusedError):
        return error.status
    return KEY_TAKEN if error.facts.get("key") == "taken" else STATUSES[error.reason]


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
    texts = [sentence(problem, ".".join(map(str, problem["loc"][1:])) or "body") for problem in problems[:MAX_PROBLEMS]]
    return refused(texts, len(problems), "See /docs for what this address takes.")


PHRASES = (
    (r"Ask the user; when they agree, call again with confirm_cost=true\.", "To pay it, send confirm_cost true."),
    (r"\bestimate_cost with compare=true prices\b", "POST /image/estimate with compare prices"),
    (r"\bThe same call, or get_image with (\w+), collects\b", r"The same request, or GET /image/\1, collects"),
    (r"\bthe same call, or get_image with (\w+), collects\b", r"the same request, or GET /image/\1, collects"),
    (r"\bCall get_image with list=true for those that there are\.", "Give the id of an image of your own."),
    (r"\bget_image with list=true shows them\b", "GET /image/last shows the newest"),
    (r"\bCall list_models\b", "Ask GET /image/models"),
    (r"\blist_models\b", "GET /image/models"),
    (r"\bedit_image\b", "POST /image/edit"),
    (r"\bLeave out save=false\b", "Leave out save_to_db=false"),
)
"""Pattern in a message for an agent -> the same for a program."""


def for_program(message: str) -> str:
    """Return the message with addresses in place of tools."""
    for pattern, words in PHRASES:
        message = re.sub(pattern, words, message)
    return message
