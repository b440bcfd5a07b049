"""Which shape an error has at which path: that of OpenAI's clients under /v1/, ours everywhere else."""

from __future__ import annotations

from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from atelier.providers.core.errors import ImageError, internal_error
from atelier.server.http import errors
from atelier.server.http.openai import errors as openai


def failed_at(path: str) -> Callable[[ImageError], Response]:
    """Return the function that answers a failure at this path."""
    return openai.failed if path.startswith("/v1/") else errors.failed


async def unrouted(request: Request, refusal: Exception) -> Response:
    """Return the response to what the router refuses, and to what fails outside of any call."""
    if isinstance(refusal, HTTPException):
        refusal = errors.refused_by_router(refusal)
    error = refusal if isinstance(refusal, ImageError) else internal_error()
    return failed_at(request.url.path)(error)
